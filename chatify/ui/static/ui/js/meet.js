/** The page where people meet: shows what the match ticket says, from the start over the search to the talk. */

import { ChatifyClient } from "./chatify-client.js";
import { ConnectionBanner } from "./banner.js";
import { askReport, confirmBlock, confirmNext } from "./dialogs.js";
import { h, icon, toast } from "./dom.js";
import { Guest } from "./guest.js";
import { LookingView } from "./meet-looking.js";
import { startView } from "./meet-start.js";
import { Meeting, partnerName } from "./meeting.js";
import { recall, remember } from "./tab-memory.js";

const ABOUT_KEY = "chatify.meet.about";
const TICKET_KEY = "chatify.meet.ticket";
const STATUSES = ["waiting", "with_chatbot", "matched_human"]; // in the order in which a ticket comes to them

const config = JSON.parse(document.getElementById("ui-config").textContent);
const main = document.getElementById("main");
const announcer = document.getElementById("announcer");
const hasMouse = matchMedia("(hover: hover) and (pointer: fine)");
const csrfToken = () => document.cookie.split("; ").find((pair) => pair.startsWith(`${config.csrfCookie}=`))?.split("=")[1] ?? "";
const guest = config.guestUrl && new Guest({ url: config.guestUrl, csrfToken });
const client = new ChatifyClient({ csrfCookie: config.csrfCookie, token: guest ? () => guest.token() : "" });

let about = aboutNow();
let ticket = null;
let queue = null; // the socket of matchmaking
let looking = null; // a LookingView
let talk = null; // a Meeting
let navigation = new AbortController();
let answered = null; // {id, isYes} of the last question
const banner = new ConnectionBanner({ onReconnect: () => queue?.reconnect(), onSignIn: signIn });

/** What the person said last in this tab, unless they are somebody else now. */
function aboutNow() {
  const kept = recall(ABOUT_KEY);
  return kept?.of === config.user.external_id ? kept : { ...config.user, of: config.user.external_id };
}

function signIn() {
  location.assign(`${config.loginUrl}?next=${encodeURIComponent(location.pathname)}`);
}

const isSignedOut = (error) => error.status === 401 || error.code === "not_authenticated";

function announce(text) {
  announcer.textContent = "";
  // A region that gets the same text again is silent without the pause.
  setTimeout(() => { announcer.textContent = text; }, 50);
}

function tell(error) {
  if (isSignedOut(error) && !guest) signIn();
  else toast(error.message, { kind: "error", forMs: 8_000 });
}

/** Do something that the server may refuse. Gives what it answers, null when it refuses. */
async function attempt(call) {
  try {
    return await call();
  } catch (error) {
    tell(error);
    return null;
  }
}

// Panes -------------------------------------------------------------------------------------------

/** Leave what is shown. What was still being loaded for it is loaded for nothing. */
function leave() {
  navigation.abort();
  navigation = new AbortController();
  looking?.close();
  talk?.close();
  looking = null;
  talk = null;
  return navigation.signal;
}

const titleOf = (text) => `${text} · Chatify`;

function show(title, ...elements) {
  main.inert = false;
  main.replaceChildren(...elements);
  document.title = titleOf(title);
}

function showStart() {
  leave();
  forget();
  document.body.classList.remove("is-talking");
  show("Meet somebody", startView(about, { isAgeKnown: config.user.age !== null, isGuest: Boolean(guest), seconds: config.timeoutSeconds,
    onFind: find }));
  main.querySelector("h1").focus({ preventScroll: true });
}

function showLooking() {
  if (!looking) {
    leave();
    looking = new LookingView(ticket, { now: () => client.now, onCancel: cancel });
    document.body.classList.remove("is-talking");
    show("Looking for somebody", banner.element, looking.element);
    looking.focus();
    announce(`Looking for somebody. After ${config.timeoutSeconds} seconds a personality steps in.`);
  }
  looking.update(ticket);
}

/** A whole-pane word, with what to do. */
function showPane(title, text, action, onAction, more = null) {
  leave();
  document.body.classList.remove("is-talking");
  const button = (label, kind, run) => h("button", { type: "button", class: `button ${kind}`, on: { click: run } }, label);
  show(title, h("section", { class: "state state--pane", role: "alert" }, icon("cloud"), h("h1", { tabindex: "-1" }, title), h("p", {}, text),
    button(action, "button--primary", onAction), more && button(more.label, "", more.run)));
  main.querySelector("h1").focus({ preventScroll: true });
}

function showExpired() {
  forget();
  showPane("You were away for too long", "So we stopped looking for somebody. Your place is easily had again.", "Look again",
    () => find(about), { label: "Back to the start", run: showStart });
}

function showFailure(error) {
  if (isSignedOut(error) && !guest) return signIn();
  return showPane("Chatify cannot be reached", `${error.message} Check your connection, then try again.`, "Try again", begin);
}

/** The talk of the ticket, with whom it is. */
async function showTalk(given) {
  const { session: id } = ticket;
  if (!id || talk?.session.id === id) return showTicket();
  const former = talk;
  const isHandedOver = former && !former.isRoom && ticket.status === "matched_human";
  const farewell = isHandedOver ? await former.farewell().catch(() => null) : null; // meeting somebody counts more
  if (ticket?.session !== id || talk?.session.id === id) return undefined;
  const isAmidWords = Boolean(talk?.draft);
  const signal = leave();
  try {
    const session = given ?? await client.getSession(id, { signal });
    const personality = session.template ? await client.getTemplate(session.template, { signal }).catch(() => standIn(session)) : null;
    if (signal.aborted) return undefined;
    await openTalk(session, { personality, farewell }, { signal, isAmidWords });
  } catch (error) {
    if (!signal.aborted) showFailure(error);
  }
  return undefined;
}

/** A personality that is on offer no more still has the name that its disclosure gives. */
function standIn({ template, disclosure }) {
  return { slug: template, name: /talking to (.+?),/.exec(disclosure)?.[1] ?? template };
}

/** `isAmidWords`: they were writing to somebody else, and shall not go on with that to this one. */
async function openTalk(session, parts, { signal, isAmidWords }) {
  talk = new Meeting(client, session, { ...parts, now: () => client.now, announce, onSignIn: signIn, onMeet: (id) => answer(id, true),
    onStay: (id) => answer(id, false), onNext: next, onLeave: leaveTalk, onBlock: block, onReport: report, onBack: showStart });
  const opened = talk;
  await opened.open({ signal });
  if (signal.aborted) return;
  document.body.classList.add("is-talking");
  const name = partnerName(session, parts.personality);
  show(name, banner.element, opened.element);
  const who = opened.isRoom ? `${name}, a person` : `${name}, an AI`;
  announce(`You are talking to ${who}.`);
  // On a phone, focus would raise the keyboard over the talk.
  if (hasMouse.matches && !isAmidWords) opened.focus();
  showTicket();
}

/** What the ticket says beside whom one talks to. */
function showTicket() {
  if (!talk) return;
  const isNewlyAsked = talk.showTicket(ticket);
  if (!talk.isAsked) document.title = titleOf(talk.name);
  if (!isNewlyAsked) return;
  document.title = titleOf("Somebody is here");
  announce("Somebody is here. Meet them? You can answer above the message field. If you do not, you stay.");
}

// The ticket --------------------------------------------------------------------------------------

/** Whether this tells of a time before the other: answers and frames come by two ways, and may overtake each other. */
function isBefore(found, known) {
  if (found.id !== known.id) return Date.parse(found.created_at) < Date.parse(known.created_at);
  if (known.closed_at || found.closed_at) return !found.closed_at;
  if (found.status !== known.status) return STATUSES.indexOf(found.status) < STATUSES.indexOf(known.status);
  return isQuestionBefore(found.proposal, known.proposal);
}

function isQuestionBefore(found, known) {
  if (!known || !found) return Boolean(known);
  if (found.id !== known.id) return Date.parse(found.expires_at) < Date.parse(known.expires_at);
  return (found.state === "open" && known.state !== "open") || (found.must_answer && !known.must_answer);
}

/** Where one is now. */
function apply(found, session) {
  if (ticket && isBefore(found, ticket)) return;
  ticket = found;
  remember(TICKET_KEY, ticket.id);
  if (ticket.closed_at) showClosed();
  else if (ticket.status === "waiting") showLooking();
  else showTalk(session);
}

function showClosed() {
  if (talk) showTicket();
  else if (ticket.status === "expired") showExpired();
  else showStart();
}

function forget() {
  ticket = null;
  remember(TICKET_KEY, null);
  queue?.close();
  queue = null;
}

function connect() {
  if (queue) return;
  queue = client.connectMatch(ticket.id);
  const on = (type, listen) => queue.addEventListener(type, ({ detail }) => listen(detail));
  on("state", onState);
  on("match.ready", ({ ticket: found }) => (found ? apply(found) : lookAgain()));
  for (const type of ["match.waiting", "match.chatbot", "match.matched", "match.cancelled", "match.expired", "match.closed"]) {
    on(type, ({ ticket: found, session }) => apply(found, session));
  }
  on("match.human_found", ({ ticket: found, proposal }) => proposal && apply(found)); // else `match.matched` follows
  on("match.declined", ({ ticket: found, reason }) => onDeclined(found, reason));
  on("error", ({ message }) => tell({ message }));
}

/** In a talk its own banner says how the connection is. */
function onState(detail) {
  banner.show(talk ? { state: "open" } : detail);
  if (detail.state === "closed" && detail.error && isSignedOut(detail.error) && !guest) signIn();
}

/** No ticket is live any more: it was closed while nobody was connected. */
async function lookAgain() {
  const id = ticket?.id;
  const found = id && await attempt(() => client.getMatch(id));
  if (found && ticket?.id === id) apply(found);
}

function onDeclined(found, reason) {
  const isOwn = answered && !answered.isYes;
  const wasAsked = Boolean(ticket?.proposal?.must_answer) && !answered;
  answered = null;
  apply(found);
  if (isOwn || !ticket || ticket.closed_at || ticket.status === "matched_human") return; // there is other news
  const text = wasAsked
    ? { expired: "You did not answer, so you stay here.", declined: "They stayed where they are.", withdrawn: "They are gone again." }[reason]
    : { withdrawn: "They are gone again; we go on looking." }[reason] ?? "They stayed where they are; we go on looking.";
  if (looking) looking.say(text);
  else toast(text);
}

// What one does -----------------------------------------------------------------------------------

function joinBody() {
  const { name, age, interests, language } = about;
  const profile = { name: name || null, interests, ...(!guest && config.user.age === null && { age }) };
  return { user: profile, preferences: { language: language || null, interests } };
}

async function find(said) {
  about = { ...about, ...said };
  remember(ABOUT_KEY, about);
  main.inert = true; // a second click would look twice
  const found = await attempt(async () => {
    await guest?.tellAge(about.age);
    return client.joinMatch(joinBody());
  });
  main.inert = false;
  if (found) enter(found);
}

function enter(found) {
  answered = null;
  apply(found);
  if (ticket && !ticket.closed_at) connect(); // else that is told, and done with
}

async function cancel() {
  const found = await attempt(() => client.cancelMatch(ticket.id));
  if (found) showStart();
  else await lookAgain(); // somebody may have come in this moment
}

async function answer(proposal, isYes) {
  answered = { id: proposal, isYes };
  const { id } = ticket;
  const found = await attempt(() => client[isYes ? "acceptMatch" : "declineMatch"](id, proposal));
  if (!found) answered = null;
  if (found && ticket?.id === id) apply(found);
  if (!isYes) talk?.focus();
}

async function next() {
  if (talk?.isRoom && !talk.isEnded && !(await confirmNext(talk.name))) return;
  main.inert = true;
  const found = await attempt(() => client.joinMatch({ ...joinBody(), next: true }));
  main.inert = false;
  if (!found) return;
  if (!ticket || !isBefore(found, ticket)) leave(); // else the socket has told already whom one is with now
  enter(found);
}

async function leaveTalk() {
  const { session, isRoom } = talk;
  const ending = isRoom ? () => client.leaveRoom(session.id) : () => client.endSession(session.id);
  if (await attempt(ending)) showStart();
}

async function block() {
  const here = talk;
  if (await confirmBlock(here.name)) await blockNow(here);
}

async function blockNow(here) {
  here.endedBy("blocked"); // before the socket can tell that one has left
  if (!(await attempt(() => client.blockPartner(here.session.id)))) here.notEndedBy("blocked");
}

async function report() {
  const here = talk;
  const said = await askReport(here.name, config.reportReasons);
  if (!said) return;
  const { isBlock, ...body } = said;
  if (!(await attempt(() => client.reportPartner(here.session.id, body)))) return;
  if (isBlock) await blockNow(here);
  toast("Thank you. We will look at it.");
}

/** Where one was before a reload, or the start. */
async function begin() {
  const id = recall(TICKET_KEY);
  if (!id) return showStart();
  try {
    enter(await client.getMatch(id));
  } catch (error) {
    if (error.status === 404) showStart();
    else showFailure(error);
  }
  return undefined;
}

begin();
