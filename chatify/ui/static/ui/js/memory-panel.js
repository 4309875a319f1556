/** What is remembered about the person who sits here: to read, to correct, to have forgotten. */

import { confirmForgetAll, openPanel } from "./dialogs.js";
import { h, icon, iconButton } from "./dom.js";

const PAGE = 100;
const LONGEST = 200;
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** In the order of the panel. */
const KINDS = new Map([
  ["name", "What to call you"],
  ["person", "People"],
  ["like", "What you like"],
  ["dislike", "What you do not like"],
  ["plan", "Plans"],
  ["topic", "Topics"],
  ["fact", "About your life"],
  ["style", "How you like to be talked to"],
  ["mood", "Mood"],
]);

export class MemoryPanel {
  #client;
  #externalId;
  #onOpen;
  #notes = new Map();
  #load = new AbortController();
  #list = h("div", { class: "notes" });
  #status = h("p", { class: "visually-hidden", role: "status" });
  #alert = h("p", { class: "alert", role: "alert", hidden: true });
  #forgetAll = h("button", { type: "button", class: "button button--quiet-danger", hidden: true,
    on: { click: () => this.#onForgetAll() } }, icon("trash"), "Forget everything");
  #dialog;

  /** Open it. @param {{externalId: string, onOpen: (source: {session: string, seq: number}) => void}} host */
  constructor(client, { externalId, onOpen }) {
    this.#client = client;
    this.#externalId = externalId;
    this.#onOpen = onOpen;
    const lead = h("p", { class: "dialog__lead" }, "Short notes from your conversations, so that you need not say everything twice.",
      " Correct what is wrong, and delete what shall not be kept.");
    this.#dialog = openPanel({ title: "What is remembered about me", content: [lead, this.#alert, this.#list, this.#status],
      actions: [this.#forgetAll] });
    this.#dialog.addEventListener("close", () => this.#load.abort());
    this.#read();
  }

  async #read() {
    this.#list.replaceChildren(...["long", "short", "long"].map((size) => h("div", { class: `blank blank--${size}` })));
    this.#list.setAttribute("aria-busy", "true");
    this.#say("Loading…");
    try {
      const found = await this.#readAll();
      this.#notes = new Map(found.map((memory) => [memory.id, new Note(memory, this.#noteHost())]));
      this.#draw();
      this.#say(found.length ? `${found.length} notes.` : "");
    } catch (error) {
      if (!this.#load.signal.aborted) this.#showFailure(error);
    }
    this.#list.removeAttribute("aria-busy");
  }

  async #readAll() {
    const found = [];
    let page = {};
    do {
      page = await this.#client.listMemories(this.#externalId, { limit: PAGE, next: page.next, signal: this.#load.signal });
      found.push(...page.results);
    } while (page.next);
    return found;
  }

  #noteHost() {
    return {
      correct: (memory, text) => this.#client.correctMemory(this.#externalId, memory.id, text),
      forget: (memory) => this.#client.forgetMemory(this.#externalId, memory.id),
      onCorrected: (note) => this.#onCorrected(note),
      onGone: (memory, text) => this.#onGone(memory, text),
      onOpen: (source) => {
        this.#dialog.close();
        this.#onOpen(source);
      },
    };
  }

  #draw() {
    const notes = [...this.#notes.values()];
    const kinds = new Set([...KINDS.keys(), ...notes.map(({ memory }) => memory.kind)]);
    const groups = [...kinds].map((kind) => [kind, notes.filter(({ memory }) => memory.kind === kind)]);
    this.#list.replaceChildren(...groups.filter(([, members]) => members.length).map(([kind, members]) =>
      h("section", { class: "notes__group", "aria-label": KINDS.get(kind) ?? kind },
        h("h3", { class: "notes__kind" }, KINDS.get(kind) ?? kind),
        h("ul", { class: "notes__list" }, members.map(({ element }) => element)))));
    if (!notes.length) this.#list.replaceChildren(emptyState());
    this.#forgetAll.hidden = !notes.length;
    this.#alert.hidden = true;
  }

  async #onCorrected(note) {
    note.focus();
    this.#say("Saved.");
    // Another note that said the same has become one with it.
    const left = await this.#readAll().catch(() => null);
    const gone = left ? [...this.#notes.keys()].filter((id) => !left.some((memory) => memory.id === id)) : [];
    if (!gone.length) return;
    gone.forEach((id) => this.#notes.delete(id));
    this.#draw();
    note.focus();
  }

  #onGone(memory, text) {
    const notes = [...this.#list.querySelectorAll(".note")];
    const at = notes.findIndex((element) => element.dataset.memory === memory.id);
    const next = (notes[at + 1] ?? notes[at - 1])?.dataset.memory;
    this.#notes.delete(memory.id);
    this.#draw();
    if (next) this.#notes.get(next).focus("forget");
    else this.#focusClose();
    this.#say(text);
  }

  async #onForgetAll() {
    if (!(await confirmForgetAll(this.#notes.size))) return;
    this.#forgetAll.disabled = true;
    try {
      await this.#client.forgetAllMemories(this.#externalId);
      this.#notes.clear();
      this.#draw();
      this.#focusClose();
      this.#say("Everything is forgotten.");
    } catch (error) {
      this.#alert.hidden = false;
      this.#alert.textContent = `Nothing was forgotten. ${error.message}`;
    } finally {
      this.#forgetAll.disabled = false;
    }
  }

  #showFailure(error) {
    const retry = h("button", { type: "button", class: "button", on: { click: () => this.#read() } }, "Try again");
    this.#list.replaceChildren(h("div", { class: "state state--panel", role: "alert" }, icon("cloud"),
      h("p", {}, `What is remembered cannot be shown. ${error.message}`), retry));
    this.#say("");
  }

  #focusClose() { this.#dialog.querySelector(".dialog__head button").focus(); }

  #say(text) { this.#status.textContent = text; }
}

/** One memory: a line, or the field in which it is corrected. */
class Note {
  #host;
  #isBusy = false;

  constructor(memory, host) {
    this.#host = host;
    this.element = h("li", { class: "note", data: { memory: memory.id } });
    this.show(memory);
  }

  show(memory) {
    this.memory = memory;
    const button = (name, label, run) => iconButton(name, `${label}: ${memory.text}`, { title: label,
      class: "icon-button icon-button--small", data: { do: label.toLowerCase() }, on: { click: run } });
    this.element.replaceChildren(
      h("div", { class: "note__main" }, h("p", { class: "note__text" }, memory.text), this.#origin()),
      h("div", { class: "note__actions" }, button("pencil", "Correct", () => this.#edit()),
        button("trash", "Forget", () => this.#forget())), this.#failure());
  }

  /** @param {"correct" | "forget"} what */
  focus(what = "correct") { this.element.querySelector(`[data-do="${what}"]`)?.focus(); }

  #origin() {
    const { source, said_at: saidAt, corrected: isCorrected } = this.memory;
    const day = h("time", { datetime: saidAt }, DAY.format(new Date(saidAt)));
    const link = source && h("a", { href: `?c=${encodeURIComponent(source.session)}&m=${source.seq}`, on: { click: (event) => this.#follow(event) } },
      "where you said it");
    return h("p", { class: "note__origin" }, day, link && " · ", link, isCorrected && " · corrected");
  }

  #follow(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.#host.onOpen(this.memory.source);
  }

  #failure() { return h("p", { class: "note__failure", role: "alert", hidden: true }); }

  #edit() {
    const field = h("textarea", { class: "field__input note__field", name: "text", rows: "2", maxlength: String(LONGEST),
      required: true, "aria-label": "Correct this note", autocomplete: "off" });
    field.value = this.memory.text;
    const cancel = h("button", { type: "button", class: "button button--small", on: { click: () => this.#leaveEditor() } }, "Cancel");
    const save = h("button", { type: "submit", class: "button button--small button--primary" }, "Save");
    const form = h("form", { class: "note__form" }, field, h("div", { class: "note__buttons" }, cancel, save), this.#failure());
    form.addEventListener("submit", (event) => this.#save(event, field.value));
    form.addEventListener("keydown", (event) => this.#onKey(event, form));
    this.element.replaceChildren(form);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  #onKey(event, form) {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault(); // it leaves the field, not the panel
      event.stopPropagation();
      this.#leaveEditor();
    } else if (event.key === "Enter" && event.target.matches("textarea")) {
      event.preventDefault();
      form.requestSubmit();
    }
  }

  #leaveEditor() {
    this.show(this.memory);
    this.focus();
  }

  #save(event, value) {
    event.preventDefault();
    const text = value.replaceAll(/\s+/g, " ").trim();
    if (!text || text === this.memory.text) return this.#leaveEditor();
    return this.#run("It was not saved.", async () => {
      this.show(await this.#host.correct(this.memory, text));
      this.#host.onCorrected(this);
    });
  }

  #forget() {
    return this.#run("It was not forgotten.", async () => {
      await this.#host.forget(this.memory);
      this.#host.onGone(this.memory, "Forgotten.");
    });
  }

  async #run(failure, act) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.element.setAttribute("aria-busy", "true");
    try {
      await act();
    } catch (error) {
      if (error.status === 404) this.#host.onGone(this.memory, "That was forgotten already.");
      else this.#showFailure(`${failure} ${error.message}`);
    } finally {
      this.#isBusy = false;
      this.element.removeAttribute("aria-busy");
    }
  }

  #showFailure(text) {
    const line = this.element.querySelector(".note__failure");
    line.hidden = false;
    line.textContent = text;
  }
}

function emptyState() {
  return h("div", { class: "state state--panel" }, icon("spark"), h("p", {}, h("strong", {}, "Nothing is remembered yet.")),
    h("p", {}, "When a conversation ends, what you told about yourself is noted here: a name, what you like, what you plan."));
}
