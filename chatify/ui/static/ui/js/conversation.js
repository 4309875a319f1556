/** One chat session on the page: joins its connection, its transcript and the composer. */

import { randomId } from "./chatify-client.js";
import { ConnectionBanner } from "./banner.js";
import { Composer } from "./composer.js";
import { avatar, h, icon, iconButton, roleOf, toast } from "./dom.js";
import { MessageView } from "./message-view.js";
import { openMenu } from "./menu.js";
import { SuggestionBar } from "./suggestion.js";
import { openSummaries } from "./summary-panel.js";
import { Transcript } from "./transcript.js";

const PAGE = 50;
const MOST_AT_ONCE = 200;
const ANNOUNCED_LENGTH = 400;

/** Why Chatify chose this personality, by what decided. Who was asked for needs no reason. */
const REASONS = {
  preference: () => "Chosen as the one you prefer",
  satisfaction: (reason) => `Chosen because you liked it: ${reason}`,
  context: (topic) => `Chosen for the topic “${topic}”`,
  time: (rule) => `Chosen for the time of day: ${rule}`,
  default: (reason) => `Chosen by default: ${reason}`,
};

export class Conversation {
  #client;
  #connection = null;
  #host;
  #session;
  #personality;
  #transcript;
  #composer;
  #banner;
  #suggestion = new SuggestionBar({ onSwitch: (template) => this.#switch(template), onDecline: () => this.#decline() });
  #title = h("h1", { class: "chat-head__title" });
  #picture = h("span", { class: "chat-head__picture" });
  #who = h("span", { class: "chat-head__who" });
  #why = h("span", { class: "chat-head__why" });
  #disclosure = h("span");
  #foot = h("div", { class: "chat-foot" });
  #isLoadingEarlier = false;
  #isClosed = false;

  /**
   * @param {import("./chatify-client.js").ChatifyClient} client
   * @param {object} session chat session object
   * @param {{personalityOf: (slug: string) => object, slugOf: (name: string) => string, announce: (text: string) => void,
   *   onChange: (session: object) => void, onRename: (session: object) => void, onDelete: (session: object) => void,
   *   onMemories: () => void, onNew: (slug?: string) => void, onList: () => void, onSignIn: () => void}} host
   */
  constructor(client, session, host) {
    this.#client = client;
    this.#host = host;
    this.#session = session;
    this.#transcript = new Transcript(this.#messageContext());
    this.#composer = new Composer({ onSend: (text) => this.#send(text), onStop: () => this.stop() });
    this.#banner = new ConnectionBanner({ onReconnect: () => this.#connection.reconnect(), onSignIn: host.onSignIn });
    this.element = h("section", { class: "chat", "aria-label": "Conversation" },
      this.#head(), this.#banner.element, this.#transcript.frame, this.#foot);
    this.update(session);
  }

  get session() { return this.#session; }

  get #name() { return this.#personality.name; }

  /** Load the newest messages and go live. `seq`: the message that is looked for, if it is not too far back. */
  async open({ signal, seq }) {
    const { id, last_seq: lastSeq } = this.#session;
    const isNear = seq > lastSeq - MOST_AT_ONCE + PAGE;
    const afterSeq = Math.max(0, Math.min(lastSeq - PAGE, isNear ? seq - PAGE / 2 : lastSeq));
    const { results } = await this.#client.listMessages(id, { afterSeq, limit: MOST_AT_ONCE, signal });
    if (this.#isClosed) return;
    results.forEach((message) => this.#transcript.put(message));
    this.#showIntro();
    this.#transcript.onNearTop(() => this.#loadEarlier());
    if (this.#session.status !== "ended") this.#connect(results);
    this.#showRunning();
    requestAnimationFrame(() => this.#transcript.seek(seq) || this.#transcript.toLatest());
  }

  /** Leave: nothing that is still on its way can reach the page any more. */
  close() {
    this.#isClosed = true;
    this.#connection?.close();
    this.#transcript.destroy();
  }

  update(session) {
    this.#session = { ...this.#session, ...session };
    this.#showPersonality();
    this.#title.textContent = this.#session.title || this.#name;
    this.#showFoot();
  }

  focus() { this.#composer.focus(); }

  /** What is written and not sent, also for want of a connection. */
  get draft() {
    const isOnline = this.#connection?.state === "open";
    return [...(isOnline ? [] : this.#transcript.pendingTexts), this.#composer.text].filter(Boolean).join("\n");
  }

  set draft(text) { this.#composer.text = text; }

  get isReplying() { return Boolean(this.#transcript.running); }

  stop() {
    if (!this.isReplying) return;
    if (!this.#connection?.stop()) this.#client.stopReply(this.#session.id).catch((error) => this.#tell(error));
  }

  #head() {
    const menu = iconButton("more", "Conversation options", { "aria-haspopup": "menu",
      on: { click: ({ currentTarget }) => this.#openMenu(currentTarget) } });
    const subtitle = h("p", { class: "chat-head__sub" }, h("span", { class: "badge badge--ai" }, "AI"), this.#who, this.#why);
    return h("header", { class: "chat-head" },
      iconButton("menu", "Conversations", { class: "icon-button only-narrow", on: { click: this.#host.onList } }),
      this.#picture, h("div", { class: "chat-head__text" }, this.#title, subtitle), menu);
  }

  /** Who answers from now on, and why it is them. */
  #showPersonality() {
    const { template, disclosure, selection } = this.#session;
    this.#disclosure.textContent = disclosure;
    const reason = REASONS[selection?.by]?.(selection.reason) ?? "";
    this.#why.textContent = reason;
    this.#why.title = reason;
    if (this.#personality?.slug === template) return;
    this.#personality = this.#host.personalityOf(template);
    this.#picture.replaceChildren(avatar(this.#name, template));
    this.#who.textContent = [this.#name, roleOf(this.#personality)].filter(Boolean).join(" · ");
    this.#composer.placeholder = `Message ${this.#name}…`;
  }

  #openMenu(button) {
    const pause = { label: "Pause conversation", icon: "pause", run: () => this.#step("pauseSession") };
    const end = { label: "End conversation", icon: "stop", run: () => this.#step("endSession") };
    const steps = { active: [pause, end], paused: [end], ended: [] }[this.#session.status];
    openMenu(button, [
      { label: "Rename", icon: "pencil", run: () => this.#host.onRename(this.#session) },
      { label: "What has been said so far", icon: "list", run: () => openSummaries(this.#client, this.#session) },
      { label: "What is remembered about me", icon: "bookmark", run: this.#host.onMemories },
      ...steps,
      { label: "Delete", icon: "trash", isDanger: true, run: () => this.#host.onDelete(this.#session) },
    ]);
  }

  #showIntro() {
    const { greeting, created_at: createdAt } = this.#session;
    const isWhole = this.#transcript.firstSeq <= 1;
    // After a switch the greeting is still of whom one talked to at first.
    const hello = { role: "assistant", sender: this.#transcript.firstSpeaker, content: greeting, status: "complete" };
    const nodes = [];
    if (!isWhole) nodes.push(h("p", { class: "log__more" }, "Scroll up for earlier messages"));
    else if (greeting) nodes.push(new MessageView({ ...hello, created_at: createdAt }, this.#messageContext()).element);
    this.#transcript.showIntro(...nodes);
  }

  #showFoot() {
    const { status, suggestion } = this.#session;
    this.#suggestion.show(status === "ended" ? null : suggestion ?? null);
    if (this.#foot.dataset.state === status) return;
    this.#foot.dataset.state = status;
    this.element.classList.toggle("is-ended", status === "ended");
    const disclosure = h("p", { class: "disclosure" }, icon("spark"), this.#disclosure);
    const panel = { ended: () => [this.#endedPanel()], paused: () => [this.#pausedPanel(), this.#composer.element] }[status];
    this.#foot.replaceChildren(this.#suggestion.element, ...(panel ? panel() : [this.#composer.element]), disclosure);
  }

  #pausedPanel() {
    return h("div", { class: "paused", role: "status" },
      h("p", {}, h("strong", {}, "Paused."), " Go on whenever you like."),
      h("button", { type: "button", class: "button", on: { click: () => this.#resume() } }, "Resume"));
  }

  #endedPanel() {
    const { slug } = this.#personality;
    return h("div", { class: "ended", role: "status" },
      h("p", {}, h("strong", {}, "This conversation has ended."), " You can still read it."),
      h("button", { type: "button", class: "button button--primary", on: { click: () => this.#host.onNew(slug) } },
        icon("plus"), `New conversation with ${this.#name}`));
  }

  #connect(messages) {
    this.#connection = this.#client.connect(this.#session.id, { messages });
    const on = (type, listen) => this.#connection.addEventListener(type, ({ detail }) => listen(detail));
    on("state", (detail) => this.#onState(detail));
    on("ready", ({ session }) => this.#onSession(session));
    on("accepted", (detail) => this.#onAccepted(detail));
    on("message", ({ message }) => this.#onMessage(message));
    on("reply.started", ({ messageId, seq }) => this.#onReplyStarted(messageId, seq));
    on("reply.text", ({ messageId, text }) => this.#onReplyText(messageId, text));
    on("reply.ended", ({ message }) => this.#onReplyEnded(message));
    on("personality.suggested", ({ template, name, reason }) => this.#onSession({ suggestion: { template, name, reason } }));
    on("personality.declined", () => this.#onSession({ suggestion: null }));
    on("personality.switched", ({ session }) => this.#onSession(session));
    on("session.ended", () => this.#onSession({ status: "ended" }));
    on("session.paused", () => this.#onSession({ status: "paused" }));
    on("session.resumed", () => this.#onSession({ status: "active" }));
    on("error", ({ error }) => this.#tell(error));
  }

  #onState(detail) {
    const isExpected = detail.state === "closed" && this.#session.status === "ended";
    this.#banner.show(isExpected ? { state: "open" } : detail);
    this.#transcript.showDelivery(detail.state === "open" ? "sending" : "waiting");
  }

  #onSession(session) {
    this.update(session);
    this.#host.onChange(this.#session);
  }

  #onAccepted({ clientMessageId, messageId, seq }) {
    const view = this.#transcript.pending(clientMessageId);
    if (view) this.#transcript.put({ ...view.message, id: messageId, seq });
    this.#touch();
  }

  #onMessage(message) {
    this.#transcript.put(message);
    this.#showRunning();
    if (message.role === "notice") this.#host.announce(message.content);
    this.#touch();
  }

  #onReplyStarted(messageId, seq) {
    this.#transcript.startReply(messageId, seq);
    this.#showRunning();
  }

  #onReplyText(messageId, text) {
    this.#transcript.grow(messageId, text);
    this.#showRunning();
  }

  #onReplyEnded(message) {
    this.#transcript.put(message);
    this.#showRunning();
    this.#announce(message);
    this.#touch();
  }

  #announce({ status, content, sender }) {
    const name = sender?.name || this.#name;
    const ending = { failed: `${name}: the reply failed. `, cancelled: `${name}: the reply was stopped. ` }[status];
    const text = content.length > ANNOUNCED_LENGTH ? `${content.slice(0, ANNOUNCED_LENGTH)}…` : content;
    this.#host.announce(`${ending ?? `${name} replied: `}${text}`);
  }

  #showRunning() {
    this.#composer.isReplying = this.isReplying;
    this.element.classList.toggle("is-replying", this.isReplying);
  }

  /** The list shows this chat session first again; its title comes from the first message. */
  async #touch() {
    this.#onSession({ message_count: this.#session.message_count + 1, last_activity: new Date().toISOString() });
    if (this.#session.title) return;
    const session = await this.#client.getSession(this.#session.id).catch(() => null);
    if (session && !this.#isClosed) this.#onSession(session);
  }

  #send(text) {
    const clientMessageId = randomId();
    this.#transcript.putPending(clientMessageId, text);
    this.#transcript.showDelivery(this.#connection.state === "open" ? "sending" : "waiting");
    this.#transcript.toLatest();
    this.#deliver(clientMessageId, text);
  }

  #deliver(clientMessageId, text) {
    this.#connection.send(text, { clientMessageId }).catch((error) => this.#onUnsent(clientMessageId, text, error));
  }

  #onUnsent(clientMessageId, text, error) {
    if (this.#isClosed) return;
    const canGoBack = !this.#composer.text && this.#session.status !== "ended";
    if (canGoBack) {
      this.#transcript.removePending(clientMessageId);
      this.#composer.text = text;
      this.#tell(error, "Your message was not sent. ");
    } else {
      this.#transcript.pending(clientMessageId)?.showDelivery("unsent", error.message);
    }
  }

  async #loadEarlier() {
    const first = this.#transcript.firstSeq;
    if (this.#isLoadingEarlier || first <= 1) return;
    this.#isLoadingEarlier = true;
    const afterSeq = Math.max(0, first - 1 - PAGE);
    try {
      const { results } = await this.#client.listMessages(this.#session.id, { afterSeq, limit: first - 1 - afterSeq });
      this.#transcript.prepend(results);
      this.#showIntro();
    } catch (error) {
      this.#tell(error);
    } finally {
      this.#isLoadingEarlier = false;
    }
  }

  async #resume() {
    await this.#step("resumeSession");
    this.focus();
  }

  /** @param {"pauseSession" | "resumeSession" | "endSession"} call of the client */
  async #step(call) {
    try {
      this.#onSession(await this.#client[call](this.#session.id));
    } catch (error) {
      this.#tell(error);
    }
  }

  async #switch(template) {
    try {
      this.#onSession(await this.#client.switchPersonality(this.#session.id, template));
      this.focus();
    } catch (error) {
      this.#tell(error);
    }
  }

  async #decline() {
    try {
      await this.#client.declineSuggestion(this.#session.id);
      this.#onSession({ suggestion: null });
      this.focus();
    } catch (error) {
      this.#tell(error);
    }
  }

  #messageContext() {
    return {
      nameNow: () => this.#name,
      keyOf: (name) => (name === this.#name ? this.#personality.slug : this.#host.slugOf(name)),
      onRetry: (message) => this.#retry(message),
      onRate: (message, rating) => this.#client.sendFeedback(this.#session.id, { rating, message_id: message.id }),
      onResend: (id) => this.#deliver(id, this.#transcript.pending(id).message.content),
      onDiscard: (id) => this.#transcript.removePending(id),
    };
  }

  #retry(message) {
    if (this.#connection?.retry(message.id)) return;
    toast("There is no connection right now. Try again once you are back.", { kind: "error" });
  }

  #tell(error, before = "") {
    const text = error.code === "age_restricted"
      ? `${this.#name} is for adults only, so this conversation cannot go on.`
      : error.message;
    toast(before + text, { kind: "error", forMs: 8_000 });
  }
}
