/** Where one writes. Enter sends, Shift+Enter breaks the line; drafts stay with their chat session. */

import { countCodePoints } from "./chatify-client.js";
import { h, icon } from "./dom.js";

const LONGEST = 8_000;
const COUNT_FROM = 7_500;
const TALLEST_PX = 220;

export class Composer {
  #input = h("textarea", { class: "composer__input", rows: "1", id: "composer-input", "aria-label": "Message",
    placeholder: "Write a message…", autocomplete: "off", enterkeyhint: "send" });
  #count = h("span", { class: "composer__count", "aria-live": "polite" });
  #send = h("button", { type: "submit", class: "composer__send", "aria-label": "Send message", title: "Send (Enter)" }, icon("send"));
  #stop = h("button", { type: "button", class: "composer__stop", hidden: true, title: "Stop (Esc)" }, icon("stop"), "Stop");
  #onSend;

  /** @param {{onSend: (text: string) => void, onStop: () => void, onInput?: (text: string) => void}} listeners
   *  `onInput` is told what is written whenever the person changes it */
  constructor({ onSend, onStop, onInput = () => {} }) {
    this.#onSend = onSend;
    this.element = h("form", { class: "composer" }, this.#input, this.#count, this.#stop, this.#send);
    this.element.addEventListener("submit", (event) => this.#submit(event));
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    this.#input.addEventListener("input", () => {
      this.#fit();
      onInput(this.text);
    });
    this.#stop.addEventListener("click", onStop);
    this.#fit();
  }

  get text() { return this.#input.value; }

  set text(value) {
    this.#input.value = value;
    this.#fit();
  }

  set placeholder(text) { this.#input.placeholder = text; }

  set isReplying(isReplying) {
    if (!isReplying && document.activeElement === this.#stop) this.#input.focus();
    this.#stop.hidden = !isReplying;
  }

  focus() { this.#input.focus({ preventScroll: true }); }

  #onKey(event) {
    // While an input method composes, Enter picks a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    this.#submit(event);
  }

  #submit(event) {
    event.preventDefault();
    if (this.#send.disabled) return;
    const { text } = this;
    this.text = "";
    this.#onSend(text);
    this.#input.focus();
  }

  #fit() {
    const { style } = this.#input;
    style.height = "auto";
    style.height = `${Math.min(this.#input.scrollHeight, TALLEST_PX)}px`;
    const length = countCodePoints(this.text);
    this.#send.disabled = !this.text.trim() || length > LONGEST;
    this.#count.textContent = length > COUNT_FROM ? `${LONGEST - length}` : "";
    this.#count.classList.toggle("is-over", length > LONGEST);
  }
}
