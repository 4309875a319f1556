/** The messages of one chat session in their order, and where the reader is in them. */

import { h, icon } from "./dom.js";
import { MessageView } from "./message-view.js";

const NEAR_BOTTOM_PX = 48;
const NEAR_TOP_PX = 200;

export class Transcript {
  #views = new Map();
  #pending = new Map();
  #context;
  #list = h("div", { class: "log__list" });
  #intro = h("div", { class: "log__intro" });
  #typing = h("div", { class: "log__typing" });
  #jump = h("button", { type: "button", class: "jump", hidden: true }, icon("down"), "Jump to latest");
  #isPinned = true;
  #lastTop = 0;
  #onTop = () => {};
  #observer = new ResizeObserver(() => this.#isPinned && this.#scrollDown());

  /** @param {import("./message-view.js").MessageContext} context */
  constructor(context) {
    this.#context = context;
    // Not read while it grows: the page announces finished replies in a region of its own.
    this.element = h("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Messages", tabindex: "0" },
      this.#intro, this.#list, this.#typing);
    this.frame = h("div", { class: "log-frame" }, this.element, this.#jump);
    this.element.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#jump.addEventListener("click", () => this.toLatest({ isSmooth: true }));
    this.#observer.observe(this.#list);
    this.#observer.observe(this.#typing);
    this.#observer.observe(this.element);
  }

  get lastSeqOfOthers() {
    return Math.max(0, ...[...this.#views.values()].filter((view) => !view.isOwn).map(({ message }) => message.seq ?? 0));
  }
  get firstSeq() { return this.#list.firstElementChild?.view?.message.seq ?? 0; }
  /** The sender of the first reply, if there is one. */
  get firstSpeaker() { return [...this.#list.children].find(({ view }) => view.isReply)?.view.message.sender; }
  get running() { return [...this.#views.values()].filter((view) => view.isRunning).at(-1); }

  /** What stands above the first message. */
  showIntro(...nodes) { this.#intro.replaceChildren(...nodes); }

  /** Called when the reader comes near the top. */
  onNearTop(listener) { this.#onTop = listener; }

  /** Show a message, new or known, at its place. */
  put(message) {
    const known = this.#views.get(message.id) ?? this.#pending.get(message.client_message_id);
    this.#pending.delete(message.client_message_id);
    const view = known ?? new MessageView(message, this.#context);
    if (known) known.update(message);
    this.#views.set(message.id, view);
    if (view.isOwn) view.showDelivery("sent");
    this.#place(view);
    this.#markReplies();
    return view;
  }

  /** Text of a running reply, which may not be known yet. */
  grow(messageId, text) {
    const view = this.#views.get(messageId) ?? this.startReply(messageId);
    if (view.isRunning) view.grow(text);
  }

  startReply(messageId, seq) {
    const known = this.#views.get(messageId);
    if (known && !known.isRunning) return known;
    const content = known?.message.content ?? "";
    return this.put({ id: messageId, seq: seq ?? known?.message.seq, role: "assistant", status: "streaming", content });
  }

  /** A message of ours, before the server has it. */
  putPending(clientMessageId, content) {
    const message = { role: this.#context.ownRole(), content, status: "complete", client_message_id: clientMessageId };
    const view = new MessageView(message, this.#context);
    this.#pending.set(clientMessageId, view);
    this.#place(view);
    return view;
  }

  get pendingTexts() { return [...this.#pending.values()].map((view) => view.message.content); }

  pending(clientMessageId) { return this.#pending.get(clientMessageId); }

  removePending(clientMessageId) {
    this.#pending.get(clientMessageId)?.element.remove();
    this.#pending.delete(clientMessageId);
  }

  /** Each message of ours that is not stored yet tells how it stands. */
  showDelivery(state) {
    for (const view of this.#pending.values()) {
      if (view.element.dataset.delivery !== "unsent") view.showDelivery(state);
    }
  }

  /** The other one has read up to here: the latest of ours that they have read says so. */
  showRead(seq) {
    const own = [...this.#views.values()].filter((view) => view.isOwn);
    const newest = own.filter(({ message }) => message.seq <= seq).reduce((a, b) => (b.message.seq > (a?.message.seq ?? 0) ? b : a), null);
    own.forEach((view) => view.showRead(view === newest));
  }

  /** Below all messages: somebody is typing. */
  showTyping(...nodes) { this.#typing.replaceChildren(...nodes); }

  /** Older messages above, without moving what is being read. */
  prepend(messages) {
    const { scrollHeight, scrollTop } = this.element;
    messages.forEach((message) => this.put(message));
    this.element.scrollTop = scrollTop + this.element.scrollHeight - scrollHeight;
  }

  toLatest({ isSmooth = false } = {}) {
    this.#isPinned = true;
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.element.scrollTo({ top: this.element.scrollHeight, behavior: isSmooth && !isCalm ? "smooth" : "instant" });
    this.#jump.hidden = true;
  }

  /** Bring a message into view, and say that it is this one. False if it is not here. */
  seek(seq) {
    const view = [...this.#views.values()].find(({ message }) => message.seq === seq);
    if (!view) return false;
    this.#isPinned = false;
    view.element.scrollIntoView({ block: "center" });
    view.element.classList.add("is-sought");
    this.#lastTop = this.element.scrollTop;
    return true;
  }

  destroy() { this.#observer.disconnect(); }

  #place(view) {
    view.element.view = view;
    const seq = view.message.seq ?? Infinity;
    let after = this.#list.lastElementChild;
    while (after && (after === view.element || (after.view.message.seq ?? Infinity) > seq)) {
      after = after.previousElementSibling;
    }
    const follower = after ? after.nextElementSibling : this.#list.firstElementChild;
    if (follower !== view.element) this.#list.insertBefore(view.element, follower);
  }

  #markReplies() {
    const replies = [...this.#views.values()].filter((view) => view.isReply);
    const newest = replies.reduce((a, b) => ((b.message.seq ?? Infinity) >= (a?.message.seq ?? 0) ? b : a), null);
    for (const view of replies) {
      const isRetried = Boolean(view.element.nextElementSibling?.view.isReply);
      view.mark({ isNewest: view === newest, isRetried });
    }
  }

  #scrollDown() {
    this.element.scrollTop = this.element.scrollHeight;
    this.#lastTop = this.element.scrollTop;
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const isNearBottom = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
    // Only a move upwards is the reader's wish: growth also changes the distance to the bottom.
    if (isNearBottom) this.#isPinned = true;
    else if (scrollTop < this.#lastTop) this.#isPinned = false;
    this.#lastTop = scrollTop;
    this.#jump.hidden = this.#isPinned;
    if (scrollTop < NEAR_TOP_PX && !this.#isPinned) this.#onTop();
  }
}
