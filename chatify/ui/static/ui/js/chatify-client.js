/**
 * Everything a browser needs to talk to Chatify: REST, socket tickets, the WebSocket protocol, and
 * putting a streamed reply together again. One file, no dependencies, no page needed.
 *
 * @example
 * import { ChatifyClient } from "./chatify-client.js";
 *
 * const client = new ChatifyClient();                          // same origin: session cookie and CSRF
 * // const client = new ChatifyClient({ baseUrl: "https://chat.example.com", token: async () => askMyServer() });
 *
 * const chat = await client.startSession({ template: "casual_chat", user: { name: "Ada" } });
 * const connection = client.connect(chat.id);
 * connection.addEventListener("reply.text", ({ detail }) => render(detail.messageId, detail.text));
 * connection.addEventListener("reply.ended", ({ detail }) => render(detail.message.id, detail.message.content));
 * connection.addEventListener("state", ({ detail }) => showBanner(detail.state));
 * await connection.send("Hello!");                             // resolves once the message is on disk
 * connection.close();
 *
 * @example
 * const ticket = await client.joinMatch({ preferences: { language: "en" } });      // somebody to talk to
 * const queue = client.connectMatch(ticket.id);
 * queue.addEventListener("match.chatbot", ({ detail }) => chatIn(detail.session)); // nobody came: a personality
 * queue.addEventListener("match.human_found", ({ detail }) => ask(detail.proposal)); // client.acceptMatch(...)
 * queue.addEventListener("match.matched", ({ detail }) => chatIn(detail.session)); // the human room is open
 */

const RECONNECT_ATTEMPTS = 5;
const RECONNECT_FIRST_MS = 800;
const RECONNECT_LONGEST_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
const STABLE_AFTER_MS = 10_000;
const PING_EVERY_MS = 25_000;
const PONG_WITHIN_MS = 10_000;
const ACCEPT_WITHIN_MS = 15_000;
const GAP_PATIENCE_MS = 400;
const GAP_ASK_AGAIN_MS = 2_000;
const REQUEST_TIMEOUT_MS = 20_000;
const CLOCK_TOLERANCE_MS = 2_500;

/** Close codes that end the automatic tries: [state, our code, what to tell people]. 4401 is not among
 *  them: who is really signed out is refused the next ticket. */
const LASTING_CLOSE_CODES = {
  4400: ["offline", "bad_frames", "The server did not understand this page."],
  4403: ["closed", "forbidden", "This conversation is not open to you."],
  4404: ["closed", "not_found", "This conversation does not exist any more."],
  4409: ["offline", "too_many_sockets", "This conversation is open in too many places."],
};
const SLOW_CLOSE_CODE = 4429;
const FRAME_TOO_LARGE = 1009;
const CLOSED = { code: "closed", message: "This conversation is not open any more." };
const NO_TOKEN = { code: "no_token", message: "There is no token to sign in with." };
const TOO_LARGE = { code: "too_large", message: "The message is too long.", status: 413 };

/** A refusal by the server (`status` >= 400, or an error frame), or no answer at all (`code` "network"). */
export class ChatifyError extends Error {
  /** @param {{code: string, message: string, status?: number, errors?: object[], requestId?: string,
   *  retryAfter?: number}} fields */
  constructor({ code, message, status = 0, errors = [], requestId = "", retryAfter = 0 }) {
    super(message);
    this.name = "ChatifyError";
    Object.assign(this, { code, status, errors, requestId, retryAfter });
  }
}

/** Length in Unicode code points: what the server's `offset` counts. `"🙂".length` is 2, this is 1. */
export const countCodePoints = (text) => [...text].length;

/** Not `crypto.randomUUID`: that is missing on plain http, as in a local network. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readCookie(name) {
  return document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

const memoriesOf = (externalId) => `users/${encodeURIComponent(externalId)}/memories/`;

async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  return new ChatifyError({
    code: problem.code ?? `http_${response.status}`,
    message: problem.detail ?? problem.title ?? `The server answered ${response.status}.`,
    status: response.status,
    errors: problem.errors,
    requestId: problem.request_id,
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
  });
}

/** REST calls, one method each. All reject with {@link ChatifyError}. */
export class ChatifyClient {
  #baseUrl;
  #askToken;
  #token = null;
  #csrfCookie;
  #skewMs = 0;

  /** @param {{baseUrl?: string, token?: string | (() => Promise<string>), csrfCookie?: string}} [options]
   *  `baseUrl` is what stands before `/api/v1/`. `token`: an end-user token, or how to get one: asked at the
   *  first call, and again when the server does not take the last one any more. Without it the cookie of this
   *  origin speaks for the user. */
  constructor({ baseUrl = "", token = "", csrfCookie = "csrftoken" } = {}) {
    this.#baseUrl = baseUrl.replace(/\/$/, "");
    this.#askToken = typeof token === "function" ? token : null;
    this.#token = typeof token === "string" && token ? Promise.resolve(token) : null;
    this.#csrfCookie = csrfCookie;
  }

  listTemplates(query) { return this.#list("templates/", query); }
  getTemplate(slug, options) { return this.#call("GET", `templates/${slug}/`, options); }
  startSession(body) { return this.#call("POST", "sessions/", { body }); }
  getSession(id, options) { return this.#call("GET", `sessions/${id}/`, options); }
  renameSession(id, title) { return this.#call("PATCH", `sessions/${id}/`, { body: { title } }); }
  deleteSession(id) { return this.#call("DELETE", `sessions/${id}/`); }
  deleteAllSessions() { return this.#call("DELETE", "sessions/"); }
  endSession(id) { return this.#call("POST", `sessions/${id}/end/`); }
  pauseSession(id) { return this.#call("POST", `sessions/${id}/pause/`); }
  resumeSession(id) { return this.#call("POST", `sessions/${id}/resume/`); }
  stopReply(id) { return this.#call("POST", `sessions/${id}/stop/`); }
  retryReply(id, messageId) { return this.#call("POST", `sessions/${id}/messages/${messageId}/retry/`); }
  createTicket(id, options) { return this.#call("POST", `sessions/${id}/ticket/`, options); }

  /** Go on with another personality, such as the one of the chat session's `suggestion`. */
  switchPersonality(id, template) { return this.#call("POST", `sessions/${id}/switch/`, { body: { template } }); }
  declineSuggestion(id) { return this.#call("DELETE", `sessions/${id}/suggestion/`); }

  /** What has been said so far: {results}, ascending; the last one holds what those before it say, too.
   *  @param {{beforeSeq?: number, limit?: number, signal?: AbortSignal}} [range] */
  listSummaries(id, { beforeSeq, limit, signal } = {}) {
    return this.#call("GET", `sessions/${id}/summaries/`, { query: { before_seq: beforeSeq, limit }, signal });
  }

  /** What is remembered about a user (`session.user.external_id`).
   *  @param {{kind?: string, limit?: number, next?: string}} [query] `next` is the `next` of an earlier answer. */
  listMemories(externalId, query) { return this.#list(memoriesOf(externalId), query); }
  correctMemory(externalId, memoryId, text) {
    return this.#call("PATCH", `${memoriesOf(externalId)}${memoryId}/`, { body: { text } });
  }
  forgetMemory(externalId, memoryId) { return this.#call("DELETE", `${memoriesOf(externalId)}${memoryId}/`); }
  /** Forget everything about a user: {deleted}. */
  forgetAllMemories(externalId) { return this.#call("DELETE", memoriesOf(externalId)); }

  /** Look for somebody: the match ticket, also the one that is live already. `next` leaves whom one is with.
   *  @param {{preferences?: {language?: string, interests?: string[], strict?: string[], template?: string},
   *   user?: object, next?: boolean}} [body] */
  joinMatch(body = {}) { return this.#call("POST", "match/tickets/", { body }); }
  getMatch(ticketId, options) { return this.#call("GET", `match/tickets/${ticketId}/`, options); }
  /** Look no more. A talk with a personality goes on; a room has to be left instead. */
  cancelMatch(ticketId) { return this.#call("DELETE", `match/tickets/${ticketId}/`); }
  /** Yes to `ticket.proposal`: leave the personality, and meet who was found. */
  acceptMatch(ticketId, proposal) { return this.#call("POST", `match/tickets/${ticketId}/accept/`, { body: { proposal } }); }
  /** No to it. */
  declineMatch(ticketId, proposal) { return this.#call("POST", `match/tickets/${ticketId}/stay/`, { body: { proposal } }); }
  createMatchTicket(ticketId, options) { return this.#call("POST", `match/tickets/${ticketId}/ticket/`, options); }

  /** What one does in a human room beside talking: leaving ends it for both. */
  leaveRoom(id) { return this.#call("POST", `sessions/${id}/leave/`, { body: {} }); }
  /** Never meet them again, and leave. */
  blockPartner(id) { return this.#call("POST", `sessions/${id}/block/`, { body: {} }); }
  /** @param {{reason: string, comment?: string}} body */
  reportPartner(id, body) { return this.#call("POST", `sessions/${id}/report/`, { body }); }

  /** @param {{rating: number, message_id?: string, comment?: string}} body `rating` from 1 to 5 */
  sendFeedback(id, body) { return this.#call("POST", `sessions/${id}/feedback/`, { body }); }

  /** @param {{search?: string, status?: string, mode?: "ai" | "human", limit?: number, next?: string}} [query]
   *  `next` is the `next` of an earlier answer. */
  listSessions(query) { return this.#list("sessions/", query); }

  /** @param {{afterSeq?: number, limit?: number, signal?: AbortSignal}} [range] ascending by `seq` */
  listMessages(id, { afterSeq = 0, limit = 50, signal } = {}) {
    return this.#call("GET", `sessions/${id}/messages/`, { query: { after_seq: afterSeq, limit }, signal });
  }

  /** The time at the server, in ms, as far as its last answer told: a person's clock may be wrong by minutes. */
  get now() { return Date.now() + this.#skewMs; }

  /** Open a socket to a chat session. @returns {ChatConnection} */
  connect(id, options) { return new ChatConnection(this, id, options).open(); }

  /** Open the socket of matchmaking. @returns {MatchConnection} */
  connectMatch(ticketId) { return new MatchConnection(this, ticketId).open(); }

  /** Where a ticket's socket is. `ws_url` may be absolute or a path. */
  socketUrl({ ws_url: path, ticket }) {
    const url = new URL(path, new URL(`${this.#baseUrl}/`, globalThis.location?.href));
    url.protocol = url.protocol.replace(/^http/, "ws");
    url.searchParams.set("ticket", ticket);
    return url.href;
  }

  #list(path, { next, signal, ...query } = {}) {
    // Behind a proxy the scheme or host of `next` may not be ours: only its query is used.
    const fields = next ? Object.fromEntries(new URL(next, "http://any").searchParams) : query;
    return this.#call("GET", path, { query: fields, signal });
  }

  async #call(method, path, { body, query = {}, signal } = {}) {
    const search = new URLSearchParams(Object.entries(query).filter(([, value]) => (value ?? "") !== "")).toString();
    const url = `${this.#baseUrl}/api/v1/${path}${search && `?${search}`}`;
    const asked = this.#tokenNow();
    let response = await this.#fetch(url, await this.#requestOf(method, body, signal, asked));
    if (response.status === 401 && this.#askToken) {
      if (this.#token === asked) this.#token = null; // of several calls at once only the first asks for a new one
      response = await this.#fetch(url, await this.#requestOf(method, body, signal, this.#tokenNow()));
    }
    this.#noteTime(response);
    if (response.ok) return response.status === 204 ? null : response.json();
    throw await problemOf(response);
  }

  #noteTime(response) {
    const skewMs = Date.parse(response.headers.get("Date") ?? "") - Date.now();
    // The header is in whole seconds, and it took its time to come.
    if (!Number.isNaN(skewMs)) this.#skewMs = Math.abs(skewMs) > CLOCK_TOLERANCE_MS ? skewMs : 0;
  }

  #tokenNow() {
    if (!this.#token && this.#askToken) {
      const asking = Promise.resolve().then(this.#askToken).catch((cause) => {
        throw Object.assign(new ChatifyError(NO_TOKEN), { cause });
      });
      this.#token = asking;
      asking.catch(() => { if (this.#token === asking) this.#token = null; });
    }
    return this.#token;
  }

  async #requestOf(method, body, given, asked) {
    const token = asked && await asked;
    const signal = AbortSignal.any([AbortSignal.timeout(REQUEST_TIMEOUT_MS), given].filter(Boolean));
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    else if (method !== "GET") headers["X-CSRFToken"] = readCookie(this.#csrfCookie);
    const credentials = token ? "omit" : "same-origin";
    return { method, headers, credentials, signal, body: body && JSON.stringify(body) };
  }

  async #fetch(url, request) {
    try {
      return await fetch(url, request);
    } catch (cause) {
      if (cause.name === "AbortError") throw cause;
      throw new ChatifyError({ code: "network", message: "The server cannot be reached." });
    }
  }
}

/**
 * A socket that is kept open: asks for a ticket, opens, pings, and reconnects when it is lost. What is said on it is
 * its subclasses' affair. Members that begin with `_` are for them.
 *
 * Events (in `detail`):
 * - `state` {state, attempt, attempts, delayMs, error}: "connecting", "open", "reconnecting", "offline"
 *   (gave up for now: `reconnect()`), "closed" (for good)
 * - every frame that no subclass keeps to itself, under its own name
 *
 * After `close()` no event fires, whatever is still on its way.
 */
class Connection extends EventTarget {
  _client;
  /** Ids of timeouts by name. All of them are gone when the socket is. */
  _timers = {};
  /** By a frame's type, what to do with it instead of telling it on. */
  _handlers = {};
  #state = "closed";
  #run = 0;
  #socket = null;
  #attempt = 0;
  #readySince = 0;
  #heardAt = 0;
  #wake = () => globalThis.document?.visibilityState !== "hidden" && this.reconnect();

  constructor(client) {
    super();
    this._client = client;
  }

  get state() { return this.#state; }

  open() {
    if (this.#state !== "closed") return this;
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#setState("connecting");
    this.#connect();
    return this;
  }

  /** Try again now, with a fresh count of attempts. */
  reconnect() {
    if (this.#state !== "reconnecting" && this.#state !== "offline") return;
    this.#drop();
    this.#attempt = 0;
    this.#setState("reconnecting", { delayMs: 0 });
    this.#connect();
  }

  /** Leave for good. */
  close() {
    this.#shut();
    this._onClosed(new ChatifyError(CLOSED));
  }

  /** A ticket for the socket: {ticket, ws_url}. */
  _createTicket() { throw new Error("A subclass says which socket it is."); }

  /** It is closed for good. */
  _onClosed() {}

  /** The server found a frame too large, and has closed the socket over it. */
  _onTooLarge() {}

  _emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  /** False when there is no open socket. */
  _transmit(frame) {
    if (this.#state !== "open") return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** The first frame has come: the socket is open. */
  _opened() {
    clearTimeout(this._timers.connect);
    this.#readySince = Date.now();
    this.#setState("open");
    this.#heartbeat();
  }

  /** Give this socket up, and try again a little later. */
  _lost({ error = null, delayMs = 0 } = {}) {
    this.#drop();
    if (this.#readySince && Date.now() - this.#readySince > STABLE_AFTER_MS) this.#attempt = 0;
    this.#readySince = 0;
    if (this.#attempt >= RECONNECT_ATTEMPTS) return this.#settleIn("offline", error);
    const backoff = Math.min(RECONNECT_FIRST_MS * 2 ** this.#attempt, RECONNECT_LONGEST_MS);
    const wait = Math.min(Math.max(backoff * (0.75 + Math.random() / 4), delayMs), RECONNECT_LONGEST_MS);
    this.#attempt += 1;
    this._timers.reconnect = setTimeout(() => this.#connect(), wait);
    return this.#setState("reconnecting", { delayMs: wait, error });
  }

  async #connect() {
    const run = ++this.#run;
    const abort = new AbortController();
    this._timers.connect = setTimeout(() => {
      abort.abort();
      this._lost();
    }, CONNECT_TIMEOUT_MS);
    try {
      const ticket = await this._createTicket({ signal: abort.signal });
      if (run === this.#run) this.#openSocket(run, this._client.socketUrl(ticket));
    } catch (error) {
      if (run === this.#run) this.#ticketRefused(error);
    }
  }

  #openSocket(run, url) {
    const socket = new WebSocket(url);
    const whileCurrent = (handle) => (event) => { if (run === this.#run) handle(event); };
    socket.onmessage = whileCurrent(({ data }) => this.#receive(data));
    socket.onclose = whileCurrent((event) => this.#onClose(event));
    this.#socket = socket;
  }

  #ticketRefused(error) {
    if (error.status === 429) return this._lost({ error, delayMs: error.retryAfter * 1000 });
    if (error.status >= 400 && error.status < 500) return this.#settleIn("closed", error);
    return this._lost({ error });
  }

  #onClose({ code }) {
    if (code in LASTING_CLOSE_CODES) {
      const [state, reason, message] = LASTING_CLOSE_CODES[code];
      return this.#settleIn(state, new ChatifyError({ code: reason, message }));
    }
    if (code === FRAME_TOO_LARGE) this._onTooLarge();
    return this._lost(code === SLOW_CLOSE_CODE ? { delayMs: RECONNECT_LONGEST_MS } : {});
  }

  #settleIn(state, error) {
    this.#drop();
    this.#setState(state, { error });
    if (state !== "closed") return;
    this.#shut();
    this._onClosed(error);
  }

  #drop() {
    this.#run += 1;
    Object.values(this._timers).forEach(clearTimeout);
    this._timers = {};
    this.#socket?.close();
    this.#socket = null;
  }

  #shut() {
    this.#drop();
    this.#state = "closed";
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
  }

  #setState(state, detail = {}) {
    this.#state = state;
    this._emit("state", { state, attempt: this.#attempt, attempts: RECONNECT_ATTEMPTS, ...detail });
  }

  #heartbeat() {
    this._timers.ping = setTimeout(() => {
      const pingedAt = Date.now();
      this._transmit({ type: "ping" });
      this._timers.pong = setTimeout(() => {
        return this.#heardAt < pingedAt ? this._lost() : this.#heartbeat();
      }, PONG_WITHIN_MS);
    }, PING_EVERY_MS);
  }

  #receive(data) {
    this.#heardAt = Date.now();
    const frame = JSON.parse(data);
    const handle = this._handlers[frame.type];
    if (handle) handle(frame);
    else this._emit(frame.type, frame);
  }
}

/**
 * One chat session's socket, kept open: reconnects, fills gaps, resends what was not accepted.
 *
 * Events (in `detail`), beside `state` (see Connection):
 * - `ready` {session, last_seq, running, participants}: in a human room {role, name, online, read_seq} of both
 * - `accepted` {clientMessageId, messageId, seq}: one of ours is on disk
 * - `message` {message}: a finished message, also one that was written on another device
 * - `reply.started` {messageId, seq} · `reply.text` {messageId, text, added} · `reply.ended` {messageId, message}
 * - `personality.suggested` {template, name, reason}: another one may suit better: switch, or decline
 * - `personality.declined` {}: it is suggested no more
 * - `personality.switched` {session}: another one answers from now on, whoever asked for it
 * - `error` {error, eventId}: a frame of ours was refused
 * - in a human room: `typing.start` and `typing.stop` {role}, `message.read` {role, seq}, `presence` {role, online};
 *   messages of one's own have the role `session.your_role`
 * - every other frame under its own name: `session.ended`, `notice`, ...
 */
export class ChatConnection extends Connection {
  #id;
  #watermark = null;
  #finished = new Set();
  #endedIds = new Set();
  #replies = new Map();
  #outbox = new Map();
  _handlers = {
    "session.ready": (frame) => this.#ready(frame),
    "message.accepted": (frame) => this.#settle(frame.client_message_id, { messageId: frame.message_id, seq: frame.seq }),
    "message.created": ({ message }) => this.#finishMessage(message),
    "reply.started": (frame) => this.#replyStarted(frame),
    "reply.delta": (frame) => this.#replyDelta(frame),
    "reply.completed": (frame) => this.#replyEnded(frame),
    "reply.failed": (frame) => this.#replyEnded(frame),
    "reply.cancelled": (frame) => this.#replyEnded(frame),
    error: (frame) => this.#refused(frame),
  };

  /** @param {{messages?: object[]}} [options] `messages`: what is already on screen (ascending, without
   *  holes), so that only what came later is fetched. Without it the connection starts at the present. */
  constructor(client, id, { messages } = {}) {
    super(client);
    this.#id = id;
    if (messages) this.#adopt(messages);
  }

  /**
   * Send a message. Resolves with {messageId, seq} when it is stored; survives reconnects, because it is
   * resent under the same `clientMessageId` until the server says one or the other. Rejects on refusal.
   */
  send(content, { clientMessageId = randomId(), ...options } = {}) {
    if (this.state === "closed") return Promise.reject(new ChatifyError(CLOSED));
    const ids = { event_id: clientMessageId, client_message_id: clientMessageId };
    return new Promise((resolve, reject) => {
      const entry = { frame: { type: "message.send", ...ids, content, ...options }, resolve, reject };
      this.#outbox.set(clientMessageId, entry);
      if (this.state === "open") this.#sendEntry(entry);
    });
  }

  /** Take back a message that was not accepted. False when it is too late. */
  withdraw(clientMessageId) { return this.#outbox.delete(clientMessageId); }

  /** These return false when there is no open socket. */
  stop() { return this._transmit({ type: "reply.stop" }); }
  retry(messageId) { return this._transmit({ type: "reply.retry", message_id: messageId, event_id: messageId }); }
  switchPersonality(template) { return this._transmit({ type: "personality.switch", template, event_id: template }); }
  declineSuggestion() { return this._transmit({ type: "personality.decline" }); }
  /** In a human room: all messages up to this one were read. */
  markRead(seq) { return this._transmit({ type: "message.read", seq }); }
  typing(isTyping) { return this._transmit({ type: isTyping ? "typing.start" : "typing.stop" }); }

  _createTicket(options) { return this._client.createTicket(this.#id, options); }

  /** Messages that were not accepted are rejected. */
  _onClosed(error) { this.#rejectAll(error); }

  _onTooLarge() { this.#rejectAll(new ChatifyError(TOO_LARGE)); }

  #sendEntry(entry) {
    this._transmit(entry.frame);
    this.#watchAcceptance();
  }

  #watchAcceptance() {
    clearTimeout(this._timers.accept);
    if (this.#outbox.size) this._timers.accept = setTimeout(() => this._lost(), ACCEPT_WITHIN_MS);
  }

  #sync(messageId) {
    const reply = this.#replies.get(messageId);
    if (reply) reply.askedAt = Date.now();
    const resume = reply && { message_id: messageId, offset: reply.length };
    this._transmit({ type: "sync", after_seq: this.#watermark, ...resume });
  }

  #ready(frame) {
    this.#watermark ??= frame.last_seq;
    this._opened();
    this._emit("ready", frame);
    this.#catchUp(frame);
    this.#outbox.forEach((entry) => this.#sendEntry(entry));
  }

  #catchUp({ last_seq: lastSeq, running }) {
    if (running) this.#track(running.message_id);
    // What runs is followed from `running.offset` on, so each unfinished reply asks for the part before.
    for (const id of this.#replies.keys()) this.#sync(id);
    if (!this.#replies.size && this.#watermark < lastSeq) this.#sync();
  }

  #settle(clientMessageId, accepted) {
    this.#finishSeq(accepted.seq);
    const entry = this.#outbox.get(clientMessageId);
    if (!entry) return;
    this.#outbox.delete(clientMessageId);
    this.#watchAcceptance();
    this._emit("accepted", { clientMessageId, ...accepted });
    entry.resolve(accepted);
  }

  #refused({ event_id: eventId, code, message, errors, retry_after: retryAfter }) {
    const error = new ChatifyError({ code, message, errors, retryAfter });
    // A frame that could not even be parsed is refused without its id; only a message's text can be like that.
    const id = eventId ?? this.#outbox.keys().next().value;
    const entry = this.#outbox.get(id);
    if (!entry) return this._emit("error", { error, eventId });
    this.#outbox.delete(id);
    this.#watchAcceptance();
    return entry.reject(error);
  }

  #rejectAll(error) {
    const entries = [...this.#outbox.values()];
    this.#outbox.clear();
    entries.forEach((entry) => entry.reject(error));
  }

  #replyStarted({ message_id: messageId, seq }) {
    if (this.#endedIds.has(messageId)) return;
    this.#track(messageId).seq = seq;
    this._emit("reply.started", { messageId, seq });
    this.#checkGap(seq);
  }

  #track(messageId, text = "") {
    const fresh = { text, length: countCodePoints(text), seq: 0, askedAt: 0 };
    if (!this.#replies.has(messageId)) this.#replies.set(messageId, fresh);
    return this.#replies.get(messageId);
  }

  #replyDelta({ message_id: messageId, offset, text }) {
    if (this.#endedIds.has(messageId)) return;
    const reply = this.#track(messageId);
    if (offset > reply.length) {
      if (Date.now() - reply.askedAt > GAP_ASK_AGAIN_MS) this.#sync(messageId);
      return;
    }
    const added = [...text].slice(reply.length - offset).join("");
    if (!added) return;
    reply.text += added;
    reply.length += countCodePoints(added);
    reply.askedAt = 0;
    this._emit("reply.text", { messageId, text: reply.text, added });
  }

  #replyEnded({ message_id: messageId, message }) {
    this.#replies.delete(messageId);
    if (this.#endedIds.has(messageId)) return;
    this.#endedIds.add(messageId);
    this.#finishSeq(message.seq);
    this._emit("reply.ended", { messageId, message });
  }

  #finishMessage(message) {
    if (this.#replies.has(message.id)) return this.#replyEnded({ message_id: message.id, message });
    if (message.role === "assistant") this.#endedIds.add(message.id);
    this.#settle(message.client_message_id, { messageId: message.id, seq: message.seq });
    this._emit("message", { message });
    return this.#checkGap(message.seq);
  }

  #adopt(messages) {
    this.#watermark = messages.length ? messages[0].seq - 1 : 0;
    for (const message of messages) {
      if (message.status === "streaming") this.#track(message.id, message.content).seq = message.seq;
      else this.#finishSeq(message.seq);
    }
  }

  #finishSeq(seq) {
    if (this.#watermark === null || seq <= this.#watermark) return;
    this.#finished.add(seq);
    while (this.#finished.delete(this.#watermark + 1)) this.#watermark += 1;
  }

  #checkGap(seq) {
    if (!this.#isMissingBefore(seq) || this._timers.gap) return;
    this._timers.gap = setTimeout(() => {
      this._timers.gap = undefined;
      if (this.#isMissingBefore(seq)) this.#sync();
    }, GAP_PATIENCE_MS);
  }

  #isMissingBefore(seq) {
    const known = new Set([...this.#replies.values()].map((reply) => reply.seq).concat(...this.#finished));
    for (let n = this.#watermark + 1; n < seq; n += 1) if (!known.has(n)) return true;
    return false;
  }
}

/**
 * The socket of matchmaking: tells where one's match ticket stands, and is the sign of life that keeps it. What one
 * does (join, cancel, accept, decline) goes over REST: see {@link ChatifyClient}.
 *
 * Events (in `detail`), beside `state` (see Connection):
 * - `match.ready` {ticket}: at each connecting; null when no ticket is live
 * - `match.waiting` {ticket} · `match.chatbot` {ticket, session, reason, disclosure}
 * - `match.human_found` {ticket, proposal}: with `proposal.must_answer` one is asked
 * - `match.matched` {ticket, session} · `match.declined` {ticket, reason}
 * - `match.cancelled`, `match.expired`, `match.closed` {ticket, reason}: the ticket is done with
 */
export class MatchConnection extends Connection {
  #ticketId;

  /** @param {string} ticketId of any ticket of this person; the socket follows the later ones, too */
  constructor(client, ticketId) {
    super(client);
    this.#ticketId = ticketId;
  }

  _handlers = {
    "match.ready": (frame) => {
      if (this.state !== "open") this._opened();
      this._emit("match.ready", frame);
    },
  };

  _createTicket(options) { return this._client.createMatchTicket(this.#ticketId, options); }
}
