/** What every open chat session on a page does, whoever is in it: joins its connection, its transcript and the composer. */

import { randomId } from "./chatify-client.js";
import { ConnectionBanner } from "./banner.js";
import { Composer } from "./composer.js";
import { h, toast } from "./dom.js";
import { Transcript } from "./transcript.js";

const PAGE = 50;
const MOST_AT_ONCE = 200;
const ANNOUNCED_LENGTH = 400;

/** Members that begin with `_` are for subclasses. */
export class Talk {
  _client;
  _host;
  _session;
  _connection = null;
  _transcript;
  _composer;
  _banner;
  _foot = h("div", { class: "chat-foot" });
  _isClosed = false;
  #isLoadingEarlier = false;

  /**
   * @param {import("./chatify-client.js").ChatifyClient} client
   * @param {object} session chat session object
   * @param {{announce: (text: string) => void, onSignIn: () => void}} host and what the subclass needs of it
   */
  constructor(client, session, host) {
    this._client = client;
    this._host = host;
    this._session = session;
    this._transcript = new Transcript(this._messageContext());
    this._composer = new Composer({ onSend: (text) => this._send(text), onStop: () => this.stop(), onInput: (text) => this._typed(text) });
    this._banner = new ConnectionBanner({ onReconnect: () => this._connection.reconnect(), onSignIn: host.onSignIn });
  }

  get session() { return this._session; }

  /** Of whom one talks to. */
  get _name() { throw new Error("A subclass knows who it is."); }

  /** Load the newest messages and go live. `seq`: the message that is looked for, if it is not too far back. */
  async open({ signal, seq = 0 }) {
    const { id, last_seq: lastSeq } = this._session;
    const isNear = seq > lastSeq - MOST_AT_ONCE + PAGE;
    const afterSeq = Math.max(0, Math.min(lastSeq - PAGE, isNear ? seq - PAGE / 2 : lastSeq));
    const { results } = await this._client.listMessages(id, { afterSeq, limit: MOST_AT_ONCE, signal });
    if (this._isClosed) return;
    results.forEach((message) => this._transcript.put(message));
    this._showIntro();
    this._transcript.onNearTop(() => this.#loadEarlier());
    if (this._session.status !== "ended") this._connect(results);
    this._showRunning();
    requestAnimationFrame(() => this._transcript.seek(seq) || this._transcript.toLatest());
  }

  /** Leave: nothing that is still on its way can reach the page any more. */
  close() {
    this._isClosed = true;
    this._connection?.close();
    this._transcript.destroy();
  }

  focus() { this._composer.focus(); }

  /** What is written and not sent, also for want of a connection. */
  get draft() {
    const isOnline = this._connection?.state === "open";
    return [...(isOnline ? [] : this._transcript.pendingTexts), this._composer.text].filter(Boolean).join("\n");
  }

  set draft(text) { this._composer.text = text; }

  get isReplying() { return Boolean(this._transcript.running); }

  stop() {
    if (!this.isReplying) return;
    if (!this._connection?.stop()) this._client.stopReply(this._session.id).catch((error) => this._tell(error));
  }

  /** The chat session has changed; some fields of it, or all. */
  update(session) { this._session = { ...this._session, ...session }; }

  /** What stands above the first message. */
  _showIntro() {
    const isWhole = this._transcript.firstSeq <= 1;
    const nodes = isWhole ? this._intro() : [h("p", { class: "log__more" }, "Scroll up for earlier messages")];
    this._transcript.showIntro(...nodes);
  }

  /** The nodes above the very first message. */
  _intro() { return []; }

  /** The server tells that the chat session has changed. */
  _change(session) { this.update(session); }

  /** What the person has written so far has changed. */
  _typed() {}

  /** Something was said, by whomever. */
  _touched() {}

  _connect(messages) {
    this._connection = this._client.connect(this._session.id, { messages });
    this._on("state", (detail) => this.#onState(detail));
    this._on("ready", ({ session }) => this._change(session));
    this._on("accepted", (detail) => this.#onAccepted(detail));
    this._on("message", ({ message }) => this._onMessage(message));
    this._on("reply.started", ({ messageId, seq }) => this.#onReplyStarted(messageId, seq));
    this._on("reply.text", ({ messageId, text }) => this.#onReplyText(messageId, text));
    this._on("reply.ended", ({ message }) => this.#onReplyEnded(message));
    this._on("session.ended", ({ reason }) => this._change({ status: "ended", end_reason: reason }));
    this._on("session.paused", () => this._change({ status: "paused" }));
    this._on("session.resumed", () => this._change({ status: "active" }));
    this._on("error", ({ error }) => this._tell(error));
  }

  _on(type, listen) { this._connection.addEventListener(type, ({ detail }) => listen(detail)); }

  #onState(detail) {
    const isExpected = detail.state === "closed" && this._session.status === "ended";
    this._banner.show(isExpected ? { state: "open" } : detail);
    this._transcript.showDelivery(detail.state === "open" ? "sending" : "waiting");
  }

  #onAccepted({ clientMessageId, messageId, seq }) {
    const view = this._transcript.pending(clientMessageId);
    if (view) this._transcript.put({ ...view.message, id: messageId, seq });
    this._touched();
  }

  _onMessage(message) {
    this._transcript.put(message);
    this._showRunning();
    if (message.role === "notice") this._host.announce(message.content);
    this._touched();
  }

  #onReplyStarted(messageId, seq) {
    this._transcript.startReply(messageId, seq);
    this._showRunning();
  }

  #onReplyText(messageId, text) {
    this._transcript.grow(messageId, text);
    this._showRunning();
  }

  #onReplyEnded(message) {
    this._transcript.put(message);
    this._showRunning();
    this._announce(message);
    this._touched();
  }

  /** Read a finished message to who cannot see it. */
  _announce({ status, content, sender, role }) {
    const name = sender?.name || this._name;
    const ending = { failed: `${name}: the reply failed. `, cancelled: `${name}: the reply was stopped. ` }[status];
    const text = content.length > ANNOUNCED_LENGTH ? `${content.slice(0, ANNOUNCED_LENGTH)}…` : content;
    this._host.announce(`${ending ?? `${name} ${role === "assistant" ? "replied" : "wrote"}: `}${text}`);
  }

  _showRunning() {
    this._composer.isReplying = this.isReplying;
    this.element.classList.toggle("is-replying", this.isReplying);
  }

  _send(text) {
    const clientMessageId = randomId();
    this._transcript.putPending(clientMessageId, text);
    this._transcript.showDelivery(this._connection.state === "open" ? "sending" : "waiting");
    this._transcript.toLatest();
    this.#deliver(clientMessageId, text);
  }

  #deliver(clientMessageId, text) {
    this._connection.send(text, { clientMessageId }).catch((error) => this.#onUnsent(clientMessageId, text, error));
  }

  #onUnsent(clientMessageId, text, error) {
    if (this._isClosed) return;
    const canGoBack = !this._composer.text && this._session.status !== "ended";
    if (canGoBack) {
      this._transcript.removePending(clientMessageId);
      this._composer.text = text;
      this._tell(error, "Your message was not sent. ");
    } else {
      this._transcript.pending(clientMessageId)?.showDelivery("unsent", error.message);
    }
  }

  async #loadEarlier() {
    const first = this._transcript.firstSeq;
    if (this.#isLoadingEarlier || first <= 1) return;
    this.#isLoadingEarlier = true;
    const afterSeq = Math.max(0, first - 1 - PAGE);
    try {
      const { results } = await this._client.listMessages(this._session.id, { afterSeq, limit: first - 1 - afterSeq });
      this._transcript.prepend(results);
      this._showIntro();
    } catch (error) {
      this._tell(error);
    } finally {
      this.#isLoadingEarlier = false;
    }
  }

  /** @returns {import("./message-view.js").MessageContext} */
  _messageContext() {
    return {
      ownRole: () => this._session.your_role ?? "user",
      nameNow: () => this._name,
      keyOf: (name) => name,
      onRetry: (message) => this.#retry(message),
      onRate: (message, rating) => this._client.sendFeedback(this._session.id, { rating, message_id: message.id }),
      onResend: (id) => this.#deliver(id, this._transcript.pending(id).message.content),
      onDiscard: (id) => this._transcript.removePending(id),
    };
  }

  #retry(message) {
    if (this._connection?.retry(message.id)) return;
    toast("There is no connection right now. Try again once you are back.", { kind: "error" });
  }

  _tell(error, before = "") { toast(before + error.message, { kind: "error", forMs: 8_000 }); }
}
