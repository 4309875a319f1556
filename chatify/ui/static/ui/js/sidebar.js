/** The list of conversations: search, page, choose, rename, delete. */

import { avatar, h, iconButton } from "./dom.js";
import { openMenu } from "./menu.js";

const SEARCH_AFTER_MS = 250;
const DAY_MS = 86_400_000;

function groupOf(date) {
  const today = new Date().setHours(0, 0, 0, 0);
  if (date >= today) return "Today";
  if (date >= today - DAY_MS) return "Yesterday";
  return date >= today - 7 * DAY_MS ? "Previous 7 days" : "Earlier";
}

export class Sidebar {
  #client;
  #host;
  #list;
  #more;
  #state;
  #sessions = new Map();
  #next = null;
  #search = "";
  #timer = 0;
  #load = null;
  #activeId = null;

  /** @param {{nameOf: (slug: string) => string, onOpen: (id: string) => void,
   *   onRename: (session: object) => void, onDelete: (session: object) => void}} host */
  constructor(client, root, host) {
    this.#client = client;
    this.#host = host;
    this.#list = root.querySelector("[data-list]");
    this.#more = root.querySelector("[data-more]");
    this.#state = root.querySelector("[data-list-state]");
    this.#more.addEventListener("click", () => this.#loadMore());
    root.querySelector("[data-search]").addEventListener("input", (event) => this.#onSearch(event.target.value));
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Read the first page again. */
  async refresh() {
    this.#load?.abort();
    const load = new AbortController();
    this.#load = load;
    if (!this.#sessions.size) this.#showState("Loading…");
    try {
      const page = await this.#client.listSessions({ mode: "ai", search: this.#search, signal: load.signal });
      this.#sessions = new Map(page.results.map((session) => [session.id, session]));
      this.#next = page.next;
      this.#draw();
    } catch (error) {
      if (error.name !== "AbortError") this.#showFailure(error);
    }
  }

  /** A chat session that is new or has changed. */
  put(session) {
    if (this.#search && !this.#sessions.has(session.id)) return;
    this.#sessions.set(session.id, { ...this.#sessions.get(session.id), ...session });
    this.#draw();
  }

  remove(id) {
    this.#sessions.delete(id);
    this.#draw();
  }

  /** An active chat session of this kind in which nothing was said yet. */
  untouched(isFitting) {
    return [...this.#sessions.values()].find((session) =>
      session.status === "active" && session.message_count === 0 && isFitting(session));
  }

  set activeId(id) {
    this.#activeId = id;
    this.#draw();
  }

  #onSearch(text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#search = text.trim();
      this.refresh();
    }, SEARCH_AFTER_MS);
  }

  async #loadMore() {
    this.#more.disabled = true;
    try {
      const page = await this.#client.listSessions({ next: this.#next });
      page.results.forEach((session) => this.#sessions.set(session.id, session));
      this.#next = page.next;
      this.#draw();
    } catch (error) {
      this.#showFailure(error);
    } finally {
      this.#more.disabled = false;
    }
  }

  #draw() {
    const focused = document.activeElement?.closest?.("[data-session]")?.dataset.session;
    const sessions = [...this.#sessions.values()].sort((a, b) => new Date(b.last_activity) - new Date(a.last_activity));
    const groups = Map.groupBy ? Map.groupBy(sessions, ({ last_activity: at }) => groupOf(new Date(at))) : new Map([["", sessions]]);
    this.#list.replaceChildren(...[...groups].map(([label, members]) => this.#group(label, members)));
    this.#more.hidden = !this.#next;
    this.#showState(sessions.length ? "" : this.#emptyText());
    if (focused) this.#list.querySelector(`[data-session="${CSS.escape(focused)}"] .entry__open`)?.focus();
  }

  #emptyText() {
    return this.#search ? `Nothing found for “${this.#search}”.` : "No conversations yet. Choose someone to talk to.";
  }

  #group(label, sessions) {
    return h("li", { class: "group" }, h("h3", { class: "group__label" }, label),
      h("ul", {}, sessions.map((session) => this.#entry(session))));
  }

  #entry(session) {
    const { id, title, template, status } = session;
    const name = this.#host.nameOf(template);
    const isActive = id === this.#activeId;
    const open = h("a", { class: "entry__open", href: `?c=${encodeURIComponent(id)}`, "aria-current": isActive && "page",
      on: { click: (event) => this.#onOpen(event, id) } }, avatar(name, template, "small"),
      h("span", { class: "entry__text" }, h("span", { class: "entry__title" }, title || "New conversation"),
        h("span", { class: "entry__sub" }, status === "active" ? name : `${name} · ${status}`)));
    const more = iconButton("more", `Options for ${title || "New conversation"}`, { class: "icon-button icon-button--small entry__more",
      "aria-haspopup": "menu", on: { click: ({ currentTarget }) => this.#openMenu(currentTarget, session) } });
    return h("li", { class: "entry", data: { session: id } }, open, more);
  }

  #openMenu(button, session) {
    openMenu(button, [
      { label: "Rename", icon: "pencil", run: () => this.#host.onRename(session) },
      { label: "Delete", icon: "trash", isDanger: true, run: () => this.#host.onDelete(session) },
    ]);
  }

  #onOpen(event, id) {
    // Ctrl, middle and the like open a tab: that is the link's own doing.
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.#host.onOpen(id);
  }

  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches(".entry__open")) return;
    event.preventDefault();
    const links = [...this.#list.querySelectorAll(".entry__open")];
    links[links.indexOf(event.target) + step]?.focus();
  }

  #showState(text) {
    this.#state.textContent = text;
    this.#state.hidden = !text;
  }

  #showFailure(error) {
    const retry = h("button", { type: "button", class: "button button--small", on: { click: () => this.refresh() } }, "Try again");
    this.#state.hidden = false;
    this.#state.replaceChildren(h("p", {}, error.message), retry);
  }
}
