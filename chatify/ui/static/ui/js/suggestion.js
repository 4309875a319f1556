/** Another personality that may suit better: one word above the composer, until somebody says yes or not now. */

import { avatar, h } from "./dom.js";

export class SuggestionBar {
  #onSwitch;
  #onDecline;
  #shown = null;

  /** @param {{onSwitch: (template: string) => Promise<void>, onDecline: () => Promise<void>}} listeners */
  constructor({ onSwitch, onDecline }) {
    // There from the start: what is added later to a region that is new is not read out.
    this.element = h("div", { class: "suggestion", role: "status", hidden: true });
    this.#onSwitch = onSwitch;
    this.#onDecline = onDecline;
  }

  /** @param {{template: string, name: string, reason: string}|null} suggestion */
  show(suggestion) {
    if (this.#shown?.template === suggestion?.template) return;
    this.#shown = suggestion;
    this.element.hidden = !suggestion;
    this.element.replaceChildren(...(suggestion ? this.#draw(suggestion) : []));
  }

  #draw({ template, name, reason }) {
    const button = (label, kind, run) =>
      h("button", { type: "button", class: `button button--small ${kind}`, on: { click: () => this.#run(run) } }, label);
    return [
      avatar(name, template, "small"),
      h("p", { class: "suggestion__text" }, h("strong", {}, `${name} may suit this better`), reason && `: ${reason}`),
      h("div", { class: "suggestion__actions" }, button("Not now", "", () => this.#onDecline()),
        button("Switch", "button--primary", () => this.#onSwitch(template))),
    ];
  }

  async #run(act) {
    this.element.inert = true;
    await act();
    this.element.inert = false;
  }
}
