/** What has been said so far in one chat session: its summaries, the newest first. */

import { openPanel } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { MarkdownView } from "./markdown.js";

const MOST = 10;
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Open it. @param {{id: string}} session */
export function openSummaries(client, session) {
  const body = h("div", { class: "summaries", role: "region", "aria-label": "Summary", tabindex: "0" });
  const load = new AbortController();
  const lead = h("p", { class: "dialog__lead" }, "When a conversation grows long, its older messages are kept in mind like this.",
    " The messages themselves stay as they are.");
  openPanel({ title: "What has been said so far", content: [lead, body] }).addEventListener("close", () => load.abort());
  read(client, session, body, load.signal);
}

async function read(client, session, body, signal) {
  body.setAttribute("aria-busy", "true");
  body.replaceChildren(...["long", "long", "short"].map((size) => h("div", { class: `blank blank--${size}` })));
  try {
    const { results } = await client.listSummaries(session.id, { limit: MOST, signal });
    body.replaceChildren(...drawn(results));
  } catch (error) {
    if (!signal.aborted) body.replaceChildren(failure(error, () => read(client, session, body, signal)));
  }
  body.removeAttribute("aria-busy");
}

function drawn(summaries) {
  const [newest, ...older] = [...summaries].sort((a, b) => b.to_seq - a.to_seq);
  if (!newest) return [emptyState()];
  const before = older.length > 0 && h("details", { class: "summaries__older" },
    h("summary", {}, older.length === 1 ? "An earlier one" : "Earlier ones"), older.map(card));
  // Each holds what those before it held.
  return [card(newest), before].filter(Boolean);
}

function card(summary) {
  const text = h("div", { class: "summary__text" });
  new MarkdownView(text).finish(summary.text);
  const notes = [`Messages 1 to ${summary.to_seq}`, TIME.format(new Date(summary.created_at)), summary.edited && "edited by staff",
    summary.model === "extractive" && "in sentences of the conversation", summary.is_stale && "being made again"];
  return h("article", { class: "summary" }, text, h("p", { class: "summary__origin" }, notes.filter(Boolean).join(" · ")));
}

function emptyState() {
  return h("div", { class: "state state--panel" }, icon("spark"), h("p", {}, h("strong", {}, "Nothing had to be summed up yet.")),
    h("p", {}, "So far, every message is kept in mind word for word."));
}

function failure(error, onRetry) {
  return h("div", { class: "state state--panel", role: "alert" }, icon("cloud"), h("p", {}, `This cannot be shown. ${error.message}`),
    h("button", { type: "button", class: "button", on: { click: onRetry } }, "Try again"));
}
