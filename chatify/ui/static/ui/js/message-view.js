/** One message on the page: its text, its state, and what one can do with it. */

import { avatar, copyText, h, icon, iconButton, toast } from "./dom.js";
import { MarkdownView } from "./markdown.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const FULL_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

const TICKS = { sending: "Sending…", waiting: "Waiting for the connection…", read: "Read" };

/**
 * `ownRole` is that of the messages of who reads: in a human room it may be either one's.
 *
 * @typedef {{ownRole: () => string, nameNow: () => string, keyOf: (name: string) => string, onRetry: (message: object) => void,
 *   onRate: (message: object, rating: number) => Promise<void>,
 *   onResend: (clientMessageId: string) => void, onDiscard: (clientMessageId: string) => void}} MessageContext
 */
export class MessageView {
  #context;
  #name;
  #body = h("div", { class: "message__body" });
  #note = h("div", { class: "message__note", hidden: true });
  #actions = h("div", { class: "message__actions" });
  #time = h("time", { class: "message__time" });
  #markdown = null;

  /** @param {object} message as the API gives it; `id` and `seq` are missing while it is on its way
   *  @param {MessageContext} context */
  constructor(message, context) {
    this.#context = context;
    this.message = message;
    this.element = this.#build();
    this.update(message);
  }

  get isReply() { return this.message.role === "assistant"; }
  get isOwn() { return this.message.role === this.#context.ownRole(); }
  get isRunning() { return this.message.status === "streaming"; }

  /** Show a newer state of the same message. */
  update(message) {
    this.message = { ...this.message, ...message };
    this.#showSpeaker(message.sender?.name);
    this.element.dataset.status = this.message.status;
    if (this.message.id) this.element.dataset.id = this.message.id;
    this.#showTime();
    if (this.isRunning) this.grow(this.message.content);
    else this.#showFinished();
  }

  /** The text of a running reply so far; empty shows that somebody is typing. */
  grow(text) {
    this.message.content = text;
    this.element.classList.toggle("is-typing", !text);
    this.element.setAttribute("aria-busy", "true");
    if (text) this.#markdown.grow(text);
    else this.#body.replaceChildren(typingDots(this.#name));
    this.#actions.replaceChildren();
    this.#note.hidden = true;
  }

  /** A message of ours on its way: "sending", "waiting", or "unsent" with the reason. */
  showDelivery(state, reason = "") {
    this.element.dataset.delivery = state;
    if (state === "unsent") return this.#showUnsent(reason);
    this.#note.hidden = !TICKS[state];
    this.#note.replaceChildren(TICKS[state] ?? "");
    return undefined;
  }

  /** Whether the other one has read it. */
  showRead(isRead) { this.showDelivery(isRead ? "read" : "sent"); }

  /** Only the newest reply can be tried again; an empty one that was tried again says nothing any more. */
  mark({ isNewest, isRetried }) {
    this.element.classList.toggle("is-newest", isNewest);
    this.element.hidden = isRetried && !this.isRunning && !this.message.content;
  }

  #build() {
    const { role, sender } = this.message;
    const { isOwn } = this;
    const isNotice = role === "notice";
    this.#name = sender?.name || this.#context.nameNow();
    const who = isOwn ? "You" : this.#name;
    const badge = this.isReply && h("span", { class: "badge badge--ai" }, "AI");
    const head = h("div", { class: "message__head" }, h("span", { class: "message__name" }, who), badge,
      !isOwn && this.#time);
    if (this.isReply) this.#markdown = new MarkdownView(this.#body);
    const kind = isOwn ? "own" : this.isReply || isNotice ? role : "other";
    return h("article", { class: `message message--${kind}`, "aria-label": `${who} wrote` },
      !isOwn && !isNotice && avatar(who, this.#context.keyOf(who)),
      h("div", { class: "message__main" }, head, this.#body, this.#note, this.#actions));
  }

  /** A reply that began beside a switch of the personality may turn out to be another one's. */
  #showSpeaker(name) {
    if (!this.isReply || !name || name === this.#name) return;
    this.#name = name;
    this.element.setAttribute("aria-label", `${name} wrote`);
    this.element.querySelector(".avatar").replaceWith(avatar(name, this.#context.keyOf(name)));
    this.element.querySelector(".message__name").textContent = name;
  }

  #showTime() {
    const at = new Date(this.message.created_at ?? Date.now());
    this.#time.dateTime = at.toISOString();
    this.#time.textContent = TIME.format(at);
    this.#time.title = FULL_TIME.format(at);
  }

  #showFinished() {
    this.element.classList.remove("is-typing");
    this.element.removeAttribute("aria-busy");
    if (this.#markdown) this.#markdown.finish(this.message.content);
    else this.#body.textContent = this.message.content;
    this.#body.hidden = !this.message.content;
    this.#showEnding();
    if (this.message.id) this.#showActions();
  }

  #showEnding() {
    const { status, error } = this.message;
    const isBroken = status === "failed" || status === "cancelled";
    this.#note.hidden = !isBroken;
    if (!isBroken) return;
    const text = status === "failed" ? error?.message ?? "The reply failed." : "You stopped this reply.";
    const isHopeless = status === "failed" && error?.retryable === false;
    const retry = h("button", { type: "button", class: "button button--small message__retry",
      on: { click: () => this.#context.onRetry(this.message) } }, icon("retry"), "Try again");
    this.#note.replaceChildren(icon(status === "failed" ? "alert" : "stop"), h("span", {}, text), isHopeless ? "" : retry);
  }

  #showUnsent(reason) {
    const { client_message_id: id } = this.message;
    const button = (label, action) =>
      h("button", { type: "button", class: "button button--small", on: { click: () => action(id) } }, label);
    this.#note.hidden = false;
    this.#note.replaceChildren(icon("alert"), h("span", {}, `Not sent. ${reason}`),
      button("Send again", this.#context.onResend), button("Discard", this.#context.onDiscard));
  }

  #showActions() {
    const copy = iconButton("copy", "Copy message", { class: "icon-button icon-button--small",
      on: { click: () => this.#copy() } });
    const canRate = this.isReply && this.message.status === "complete";
    this.#actions.replaceChildren(...[this.isOwn && this.#time, this.message.content && copy, canRate && this.#thumb("up", "Good reply", 5),
      canRate && this.#thumb("down", "Bad reply", 1)].filter(Boolean));
  }

  #thumb(direction, label, rating) {
    const button = iconButton(`thumb-${direction}`, label, { class: "icon-button icon-button--small", "aria-pressed": "false" });
    button.addEventListener("click", async () => {
      await this.#context.onRate(this.message, rating);
      for (const other of this.#actions.querySelectorAll("[aria-pressed]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
    });
    return button;
  }

  async #copy() {
    try {
      await copyText(this.message.content);
      toast("Copied.");
    } catch {
      toast("The browser does not let this page copy. Select the text instead.", { kind: "error" });
    }
  }
}

/** Three dots that say that somebody is typing. */
export function typingDots(name) {
  return h("span", { class: "typing", role: "img", "aria-label": `${name} is typing` }, h("i"), h("i"), h("i"));
}
