/** The page: which pane is shown, and what the list, the dialogs and the open conversation tell each other. */

import { ChatifyClient } from "./chatify-client.js";
import { Conversation } from "./conversation.js";
import { askProfile, askTitle, confirmDelete, explainAdultOnly } from "./dialogs.js";
import { toast } from "./dom.js";
import { MemoryPanel } from "./memory-panel.js";
import { personalityPicker, pickerSkeleton, problemPane } from "./picker.js";
import { Sidebar } from "./sidebar.js";

const ASKED_KEY = "chatify.asked";

const config = JSON.parse(document.getElementById("ui-config").textContent);
const client = new ChatifyClient({ csrfCookie: config.csrfCookie });
const main = document.getElementById("main");
const drawer = document.getElementById("sidebar");
const backdrop = document.getElementById("backdrop");
const announcer = document.getElementById("announcer");
const isNarrow = matchMedia("(max-width: 820px)");
const hasMouse = matchMedia("(hover: hover) and (pointer: fine)");

/** What the page asks about the person, as it is sent. */
function fieldsOf({ name, age, preferred_template: preferred }) {
  return { name: name ?? "", age: age ?? null, preferred_template: preferred || null };
}

let profile = fieldsOf(config.user); // as the server has it
let wanted = profile; // as it shall be from the next start on
let personalities = null;
let conversation = null;
const drafts = new Map();
let navigation = new AbortController();

const personalityOf = (slug) => personalities.find((one) => one.slug === slug) ?? { slug, name: nameOf(slug) };
const slugOf = (name) => personalities.find((one) => one.name === name)?.slug ?? name;
const nameOf = (slug) => personalities?.find((one) => one.slug === slug)?.name ?? slug.replaceAll("_", " ");
const sidebar = new Sidebar(client, drawer, { nameOf, onOpen: (id) => go(id), onRename: rename, onDelete: remove });

function signIn() {
  location.assign(`${config.loginUrl}?next=${encodeURIComponent(location.pathname + location.search)}`);
}

function isSignedOut(error) {
  return error.status === 401 || error.code === "not_authenticated";
}

function announce(text) {
  announcer.textContent = "";
  // A region that gets the same text again is silent without the pause.
  setTimeout(() => { announcer.textContent = text; }, 50);
}

function openDrawer() {
  drawer.inert = false;
  document.body.classList.add("is-drawer-open");
  drawer.querySelector("[data-new]").focus();
}

function closeDrawer() {
  document.body.classList.remove("is-drawer-open");
  drawer.inert = isNarrow.matches;
}

function show(element, title) {
  main.inert = false;
  main.replaceChildren(element);
  document.title = title ? `${title} · Chatify` : "Chatify";
}

function leave() {
  navigation.abort();
  navigation = new AbortController();
  if (conversation) drafts.set(conversation.session.id, conversation.draft);
  conversation?.close();
  conversation = null;
  main.inert = true;
  return navigation.signal;
}

function go(id, { isReplace = false, seq = 0 } = {}) {
  const query = id && new URLSearchParams({ c: id, ...(seq && { m: seq }) });
  const url = id ? `?${query}` : location.pathname;
  if (isReplace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  return route();
}

async function route() {
  const query = new URLSearchParams(location.search);
  const id = query.get("c");
  const signal = leave();
  sidebar.activeId = id;
  closeDrawer();
  try {
    if (!personalities) await loadPersonalities(signal);
    if (signal.aborted) return;
    if (id) await openConversation(id, { signal, seq: Number(query.get("m")) });
    else showPicker();
  } catch (error) {
    if (!signal.aborted) showProblem(error, id);
  }
}

async function loadPersonalities(signal) {
  show(pickerSkeleton());
  const found = [];
  let page = {};
  do {
    page = await client.listTemplates({ next: page.next, signal });
    found.push(...page.results);
  } while (page.next);
  personalities = found;
  sidebar.refresh();
}

function showPicker() {
  show(personalityPicker(personalities, { name: wanted.name, onPick: pick, onChoose: letChoose, onList: openDrawer }));
  main.querySelector("h1").focus({ preventScroll: true });
}

async function openConversation(id, { signal, seq }) {
  const session = await client.getSession(id, { signal });
  if (session.mode === "human") return location.replace(config.meetUrl);
  const opened = new Conversation(client, session, { personalityOf, slugOf, announce, onChange: onSessionChange, onRename: rename,
    onDelete: remove, onMemories: showMemories, onNew: startAnew, onList: openDrawer, onSignIn: signIn });
  opened.draft = drafts.get(id) ?? "";
  conversation = opened;
  await opened.open({ signal, seq });
  if (signal.aborted) return undefined;
  show(opened.element, session.title || nameOf(session.template));
  // On a phone, focus would raise the keyboard over the conversation.
  if (hasMouse.matches) opened.focus();
  return undefined;
}

function showProblem(error, id) {
  if (isSignedOut(error)) return signIn();
  const isGone = error.status === 404;
  const gone = { title: "This conversation is not here", text: "It was deleted, or it belongs to someone else.",
    action: "Start a new one", onAction: () => go(null) };
  const failed = { title: "Chatify cannot be reached", text: `${error.message} Check your connection, then try again.`,
    action: "Try again", onAction: () => route() };
  return show(problemPane({ ...(isGone && id ? gone : failed), onList: openDrawer }));
}

function onSessionChange(session) {
  sidebar.put(session);
  if (conversation?.session.id === session.id && session.title) document.title = `${session.title} · Chatify`;
}

function wasAsked() {
  try {
    return Boolean(localStorage.getItem(ASKED_KEY));
  } catch {
    return false;
  }
}

function rememberAsked() {
  try {
    localStorage.setItem(ASKED_KEY, "1");
  } catch {
    // Then the question comes once per page.
  }
}

/** The profile to start with: null when the question was left. No personality: Chatify will choose. */
async function profileFor(personality) {
  const isAgeNeeded = Boolean(personality?.adult_only) && wanted.age === null;
  const isKnown = wasAsked() || wanted.name || wanted.age !== null;
  if (!isAgeNeeded && isKnown) return wanted;
  const intro = isAgeNeeded
    ? `${personality.name} is for adults, so we have to ask your age first.`
    : "Two small questions, so that the conversation fits you. Both are optional.";
  const answer = await askProfile({ profile: wanted, title: "Before you start", intro, action: "Continue", isAgeNeeded });
  if (!answer) return null;
  rememberAsked();
  wanted = { ...wanted, ...answer };
  return wanted;
}

const isChanged = (answer) => Object.entries(answer).some(([field, value]) => value !== profile[field]);

async function pick(personality) {
  const answer = await profileFor(personality);
  if (!answer) return;
  const untouched = isChanged(answer) ? null : sidebar.untouched(({ template }) => template === personality.slug);
  if (untouched) go(untouched.id);
  else await start({ template: personality.slug, user: isChanged(answer) ? answer : undefined }, personality);
}

/** What was said to choose by is what one came to say: it waits in the composer. */
async function letChoose(about) {
  const answer = await profileFor(null);
  if (!answer) return;
  const untouched = about || isChanged(answer) ? null : sidebar.untouched(({ selection }) => selection.by !== "explicit");
  if (untouched) go(untouched.id);
  else await start({ context: about || undefined, user: isChanged(answer) ? answer : undefined }, null, about);
}

async function start(body, personality, draft = "") {
  main.inert = true; // a second click would start a second one
  try {
    const session = await client.startSession(body);
    drafts.set(session.id, draft);
    profile = fieldsOf(session.user);
    wanted = profile;
    sidebar.put(session);
    await go(session.id);
  } catch (error) {
    main.inert = false;
    if (isSignedOut(error)) signIn();
    else if (error.code === "age_restricted") await explainAdultOnly(personality);
    else toast(error.message, { kind: "error" });
  }
}

function startAnew(slug) {
  const personality = personalities.find((one) => one.slug === slug);
  if (personality) pick(personality);
  else go(null);
}

function showMemories() {
  return new MemoryPanel(client, { externalId: config.user.external_id, onOpen: ({ session, seq }) => go(session, { seq }) });
}

async function editProfile() {
  const intro = "Used from your next conversation on. All of it is optional.";
  const answer = await askProfile({ profile: wanted, title: "About you", intro, personalities: personalities ?? [] });
  if (answer) wanted = { ...wanted, ...answer };
}

async function rename(session) {
  const title = await askTitle(session.title);
  if (title === null || title === session.title) return;
  try {
    const renamed = await client.renameSession(session.id, title);
    sidebar.put(renamed);
    if (conversation?.session.id === session.id) conversation.update(renamed);
  } catch (error) {
    toast(`The name was not saved. ${error.message}`, { kind: "error" });
  }
}

async function remove(session) {
  if (!(await confirmDelete(session.title || "This conversation"))) return;
  try {
    await client.deleteSession(session.id);
    sidebar.remove(session.id);
    announce("Conversation deleted.");
    if (conversation?.session.id === session.id) go(null, { isReplace: true });
    else drawer.querySelector("[data-new]").focus();
  } catch (error) {
    toast(`The conversation was not deleted. ${error.message}`, { kind: "error" });
  }
}

drawer.querySelector("[data-new]").addEventListener("click", () => go(null));
drawer.querySelector("[data-close]").addEventListener("click", closeDrawer);
drawer.querySelector("[data-memories]").addEventListener("click", showMemories);
drawer.querySelector("[data-profile]")?.addEventListener("click", editProfile);
backdrop.addEventListener("click", closeDrawer);
isNarrow.addEventListener("change", closeDrawer);
addEventListener("popstate", route);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open], [popover]:popover-open")) return;
  if (document.body.classList.contains("is-drawer-open")) closeDrawer();
  else conversation?.stop();
});

route();
