/** Somebody is here: meet them, or stay? One word above the composer, so that nobody is torn out of a sentence. */

import { h, icon } from "./dom.js";

export class QuestionBar {
  #host;
  #shown = null;
  #timer = 0;
  #seconds = h("span", { class: "question__seconds", "aria-hidden": "true" });

  /** @param {{now: () => number, onMeet: (id: string) => Promise<void>, onStay: (id: string) => Promise<void>}} host */
  constructor(host) {
    this.#host = host;
    this.element = h("div", { class: "question", role: "group", "aria-label": "Somebody is here", hidden: true });
  }

  /** @param {{id: string, expires_at: string, must_answer: boolean, state: string}|null} proposal
   *  @returns {boolean} whether this is a question that was not there before */
  show(proposal) {
    const open = proposal?.state === "open" ? proposal : null;
    const isNew = Boolean(open?.must_answer) && open.id !== this.#shown?.id;
    if (open?.id === this.#shown?.id && open?.must_answer === this.#shown?.must_answer) return false;
    this.#shown = open;
    clearInterval(this.#timer);
    this.element.hidden = !open;
    this.element.inert = false;
    this.element.replaceChildren(...(open ? this.#draw(open) : []));
    if (open?.must_answer) this.#timer = setInterval(() => this.#tick(), 250);
    return isNew;
  }

  get isAsking() { return Boolean(this.#shown?.must_answer); }
  get hasFocus() { return this.element.contains(document.activeElement); }

  close() { clearInterval(this.#timer); }

  #draw({ id, must_answer: mustAnswer }) {
    if (!mustAnswer) return [icon("people"), h("p", { class: "question__text" }, "You would like to meet them. We are asking them, too.")];
    const button = (label, kind, answer) =>
      h("button", { type: "button", class: `button button--small ${kind}`, on: { click: () => this.#answer(() => answer(id)) } }, label);
    this.#tick();
    return [h("span", { class: "question__mark", "aria-hidden": "true" }, icon("people")),
      h("p", { class: "question__text" }, h("strong", {}, "Somebody is here. Meet them?"), " ", this.#seconds),
      h("div", { class: "question__actions" }, button("Stay here", "", this.#host.onStay), button("Meet", "button--primary", this.#host.onMeet))];
  }

  #tick() {
    const left = Math.max(0, Math.ceil((Date.parse(this.#shown.expires_at) - this.#host.now()) / 1000));
    this.#seconds.textContent = `${left} s`;
    if (!left) this.element.inert = true;
  }

  async #answer(send) {
    this.element.inert = true;
    await send();
    this.element.inert = false;
  }
}
