/** Somebody to talk to on the page where people meet: a person in a human room, or a personality until one comes. */

import { avatar, h, icon, iconButton, roleOf } from "./dom.js";
import { openMenu } from "./menu.js";
import { MessageView, typingDots } from "./message-view.js";
import { QuestionBar } from "./question.js";
import { Talk } from "./talk.js";

const AWAY_AFTER_MS = 1_500;
const TYPING_AGAIN_MS = 3_000;
const TYPING_PAUSE_MS = 4_000;
const TYPING_LASTS_MS = 7_000;
const NOBODY = "Somebody";

/** Why a talk is over, as far as it was not the partner who left. `who` is their name. */
const ENDINGS = {
  silence: () => "Nobody has written for a long time, so this talk has ended.",
  human_found: () => "You are meeting somebody else now.",
  left: () => "You have left.",
  partner_left: (who) => `${who} has left.`,
  participant_left: (who) => `${who} has left.`,
  blocked: (who) => `You have blocked ${who}. You will not meet again.`,
};

/** What to call whom one talks to. */
export function partnerName({ mode, partner }, personality) {
  return mode === "human" ? partner?.name || NOBODY : personality?.name ?? "";
}

export class Meeting extends Talk {
  #personality;
  #farewell;
  #question;
  #title = h("h1", { class: "chat-head__title" });
  #badge;
  #state = h("span", { class: "chat-head__who" });
  #isAway = false;
  #readSeq = 0;
  #told = { read: 0, typingAt: 0 };
  #timers = {};
  #ended = "";
  #onVisible = () => this.#tellRead();

  /**
   * @param {object} session chat session object
   * @param {{personality: object|null, farewell: {message: object, slug: string}|null, now: () => number, announce: (text: string) => void,
   *   onMeet: (id: string) => Promise<void>, onStay: (id: string) => Promise<void>, onNext: () => void, onLeave: () => void,
   *   onBlock: () => void, onReport: () => void, onBack: () => void, onSignIn: () => void}} host `farewell` is the last word
   *   of the personality that one has just left for this person
   */
  constructor(client, session, host) {
    super(client, session, host);
    this.#personality = host.personality;
    this.#farewell = host.farewell;
    this.#question = new QuestionBar(host);
    this.#badge = this.isRoom ? h("span", { class: "badge badge--human" }, "Human") : h("span", { class: "badge badge--ai" }, "AI");
    this.#title.textContent = this.isRoom && session.partner?.name ? `A person: ${this._name}` : this.isRoom ? "A person" : this._name;
    this.element = h("section", { class: `chat chat--meeting ${this.isRoom ? "chat--room" : ""}`, "aria-label": `Talk with ${this.isRoom ? "a person" : "an AI"}` },
      this.#head(), this._banner.element, this._transcript.frame, this._foot);
    this._composer.placeholder = this._name === NOBODY ? "Say hello…" : `Message ${this._name}…`;
    this.#showState();
    this.update(session);
    document.addEventListener("visibilitychange", this.#onVisible);
  }

  get isRoom() { return this._session.mode === "human"; }
  /** Whether a question waits for an answer. */
  get isAsked() { return this.#question.isAsking; }
  get isEnded() { return this._session.status === "ended"; }
  get name() { return this._name; }
  get _name() { return partnerName(this._session, this.#personality); }

  /** The goodbye of a personality that has ended. It is stored before anybody hears of the room. Null without one. */
  async farewell() {
    const { id, template: slug } = this._session;
    const { last_seq: lastSeq } = await this._client.getSession(id);
    const { results } = await this._client.listMessages(id, { afterSeq: lastSeq - 1 });
    if (results.at(-1)?.role !== "assistant") return null;
    const { id: _, ...message } = results.at(-1); // where it is shown it is no message of that talk
    return { message, slug };
  }

  close() {
    super.close();
    this.#question.close();
    Object.values(this.#timers).forEach(clearTimeout);
    document.removeEventListener("visibilitychange", this.#onVisible);
  }

  update(session) {
    super.update(session);
    this.#showFoot();
  }

  /** Where the match ticket stands. True when there is a question that was not there before. */
  showTicket({ status, proposal, closed_at: closedAt, close_reason: reason }) {
    if (closedAt) this.endedBy(reason);
    this.#state.dataset.looking = String(!this.isRoom && !closedAt && status === "with_chatbot");
    this.#showState();
    const hadFocus = this.#question.hasFocus;
    const isNew = this.#question.show(closedAt || this.isRoom ? null : proposal);
    if (hadFocus && !this.#question.hasFocus) this.focus();
    return isNew;
  }

  /** Why it has ended, or is about to. The first word counts. */
  endedBy(reason) {
    this.#ended ||= ENDINGS[reason] ? reason : "";
    this.#showFoot();
  }

  /** That was not it after all. */
  notEndedBy(reason) {
    if (this.#ended !== reason) return;
    this.#ended = "";
    this.#showFoot();
  }

  #head() {
    const menu = iconButton("more", "Options", { "aria-haspopup": "menu", on: { click: ({ currentTarget }) => this.#openMenu(currentTarget) } });
    const next = h("button", { type: "button", class: "button button--small meeting__next", on: { click: this._host.onNext } }, "Next", icon("arrow"));
    const picture = this.isRoom ? avatar(this._name, this._session.id) : avatar(this._name, this._session.template);
    return h("header", { class: "chat-head" }, h("span", { class: "chat-head__picture" }, picture),
      h("div", { class: "chat-head__text" }, this.#title, h("p", { class: "chat-head__sub" }, this.#badge, this.#state)), next, menu);
  }

  #openMenu(button) {
    const item = (label, symbol, run, isDanger = false) => ({ label, icon: symbol, run, isDanger });
    const { onLeave, onBlock, onReport } = this._host;
    openMenu(button, [
      item(this.isEnded ? "Back to the start" : "Leave", "out", this.isEnded ? this._host.onBack : onLeave),
      ...(this.isRoom ? [item(`Block ${this._name}`, "block", onBlock), item(`Report ${this._name}`, "flag", onReport, true)] : []),
    ]);
  }

  #showState() {
    const isLooking = this.#state.dataset.looking === "true";
    const ai = isLooking ? "We go on looking for a person" : roleOf({ slug: this._session.template ?? "", name: this._name });
    const person = this.isEnded ? "" : this.#isAway ? `${this._name} is away` : "is here";
    const text = this.isRoom ? person : ai;
    if (this.#state.textContent !== text) this.#state.textContent = text;
    this.element?.classList.toggle("is-away", this.isRoom && this.#isAway && !this.isEnded);
  }

  _intro() {
    const nodes = [];
    const { greeting, created_at: createdAt } = this._session;
    if (this.#farewell) {
      const { message, slug } = this.#farewell;
      const { element } = new MessageView(message, { ...this._messageContext(), keyOf: () => slug });
      element.classList.add("message--farewell");
      nodes.push(element);
    }
    if (this.isRoom) nodes.push(h("p", { class: "meeting__hello" }, avatar(this._name, this._session.id, "large"),
      h("strong", {}, this._name === NOBODY ? "You have met somebody" : `You have met ${this._name}`),
      h("span", {}, "A person, not an AI. Be kind, and tell nobody where you live.")));
    else if (greeting) nodes.push(new MessageView({ role: "assistant", sender: { name: this._name }, content: greeting, status: "complete",
      created_at: createdAt }, this._messageContext()).element);
    return nodes;
  }

  #showFoot() {
    const { status, disclosure } = this._session;
    const kind = status === "ended" ? `ended ${this.#ended}` : status;
    if (this._foot.dataset.state === kind) return;
    this._foot.dataset.state = kind;
    this.element.classList.toggle("is-ended", this.isEnded);
    this.#showState();
    this._transcript.showTyping();
    const panels = { ended: () => [this.#endedPanel()], paused: () => [this.#pausedPanel(), this._composer.element] }[status];
    const told = !this.isEnded && h("p", { class: "disclosure" }, icon(this.isRoom ? "people" : "spark"), disclosure);
    const hadFocus = this._foot.contains(document.activeElement);
    this._foot.replaceChildren(this.#question.element, ...(panels ? panels() : [this._composer.element]), told || "");
    // Not the button: who is about to send with Enter would press it.
    if (hadFocus) (this._foot.querySelector("[data-first]") ?? this._composer).focus();
  }

  #pausedPanel() {
    return h("div", { class: "paused", role: "status" }, h("p", {}, h("strong", {}, "Paused,"), " because nobody wrote. Your next message goes on."));
  }

  #endedPanel() {
    const text = this.#endedText();
    const button = (label, kind, run) => h("button", { type: "button", class: `button ${kind}`, on: { click: run } }, label);
    this._host.announce(text);
    return h("div", { class: "ended" }, h("p", { tabindex: "-1", data: { first: "" } }, h("strong", {}, text)),
      h("div", { class: "ended__actions" }, button("Back", "", this._host.onBack),
        button(["Next", icon("arrow")], "button--primary", this._host.onNext)));
  }

  #endedText() {
    const reason = this.#ended || this._session.end_reason;
    return ENDINGS[reason]?.(this._name) ?? "This talk has ended.";
  }

  // A human room -----------------------------------------------------------------------------------

  _connect(messages) {
    super._connect(messages);
    if (!this.isRoom) return;
    const ofOther = (listen) => (frame) => frame.role !== this._session.your_role && listen(frame);
    this._on("ready", ({ participants = [] }) => this.#onReady(participants));
    this._on("typing.start", ofOther(() => this.#showTyping(true)));
    this._on("typing.stop", ofOther(() => this.#showTyping(false)));
    this._on("message.read", ofOther(({ seq }) => this.#onRead(seq)));
    this._on("presence", ofOther(({ online }) => this.#onPresence(online)));
  }

  #onReady(participants) {
    const other = participants.find(({ role }) => role !== this._session.your_role);
    if (other) this.#onRead(other.read_seq);
    if (other) this.#onPresence(other.online);
    this.#tellRead();
  }

  #onRead(seq) {
    this.#readSeq = Math.max(this.#readSeq, seq);
    this._transcript.showRead(this.#readSeq);
  }

  /** Whoever loads their page again is away for a moment; that is not worth a word. */
  #onPresence(isOnline) {
    clearTimeout(this.#timers.away);
    if (isOnline) return this.#showAway(false);
    this.#showTyping(false);
    this.#timers.away = setTimeout(() => this.#showAway(true), AWAY_AFTER_MS);
    return undefined;
  }

  #showAway(isAway) {
    if (this.#isAway === isAway || this.isEnded) return;
    this.#isAway = isAway;
    this.#showState();
    this._host.announce(`${this._name} is ${isAway ? "away" : "back"}.`);
  }

  #showTyping(isTyping) {
    clearTimeout(this.#timers.typing);
    const row = () => h("div", { class: "message message--other is-typing" }, avatar(this._name, this._session.id),
      h("div", { class: "message__main" }, h("div", { class: "message__body" }, typingDots(this._name))));
    this._transcript.showTyping(...(isTyping && !this.isEnded ? [row()] : []));
    if (isTyping) this.#timers.typing = setTimeout(() => this.#showTyping(false), TYPING_LASTS_MS);
  }

  _onMessage(message) {
    super._onMessage(message);
    if (!this.isRoom || message.role === this._session.your_role || message.role === "notice") return;
    this.#showTyping(false);
    this._announce(message);
    this.#tellRead();
  }

  _touched() { if (this.isRoom) this._transcript.showRead(this.#readSeq); }

  _send(text) {
    this._typed("");
    super._send(text);
  }

  _typed(text) {
    if (!this.isRoom) return;
    clearTimeout(this.#timers.pause);
    const isTyping = Boolean(text.trim());
    if (isTyping) this.#timers.pause = setTimeout(() => this.#tellTyping(false), TYPING_PAUSE_MS);
    if (!isTyping || Date.now() - this.#told.typingAt > TYPING_AGAIN_MS) this.#tellTyping(isTyping);
  }

  #tellTyping(isTyping) {
    if (!isTyping && !this.#told.typingAt) return;
    this.#told.typingAt = isTyping ? Date.now() : 0;
    this._connection?.typing(isTyping);
  }

  /** What is on the screen of somebody who looks at it has been read. */
  #tellRead() {
    const seq = this._transcript.lastSeqOfOthers;
    if (!this.isRoom || document.hidden || seq <= this.#told.read) return;
    if (this._connection?.markRead(seq)) this.#told.read = seq;
  }

  _messageContext() {
    const keyOf = (name) => (this.isRoom && name === this._name ? this._session.id : this._session.template ?? name);
    return { ...super._messageContext(), keyOf };
  }
}
