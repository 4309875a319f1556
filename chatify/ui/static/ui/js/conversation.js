/** A chat session with a personality, as the chat page shows it. */

import { avatar, h, icon, iconButton, roleOf } from "./dom.js";
import { MessageView } from "./message-view.js";
import { openMenu } from "./menu.js";
import { SuggestionBar } from "./suggestion.js";
import { openSummaries } from "./summary-panel.js";
import { Talk } from "./talk.js";

/** Why Chatify chose this personality, by what decided. Who was asked for needs no reason. */
const REASONS = {
  preference: () => "Chosen as the one you prefer",
  satisfaction: (reason) => `Chosen because you liked it: ${reason}`,
  context: (topic) => `Chosen for the topic “${topic}”`,
  time: (rule) => `Chosen for the time of day: ${rule}`,
  default: (reason) => `Chosen by default: ${reason}`,
};

export class Conversation extends Talk {
  #personality;
  #suggestion = new SuggestionBar({ onSwitch: (template) => this.#switch(template), onDecline: () => this.#decline() });
  #title = h("h1", { class: "chat-head__title" });
  #picture = h("span", { class: "chat-head__picture" });
  #who = h("span", { class: "chat-head__who" });
  #why = h("span", { class: "chat-head__why" });
  #disclosure = h("span");

  /**
   * @param {import("./chatify-client.js").ChatifyClient} client
   * @param {object} session chat session object
   * @param {{personalityOf: (slug: string) => object, slugOf: (name: string) => string, announce: (text: string) => void,
   *   onChange: (session: object) => void, onRename: (session: object) => void, onDelete: (session: object) => void,
   *   onMemories: () => void, onNew: (slug?: string) => void, onList: () => void, onSignIn: () => void}} host
   */
  constructor(client, session, host) {
    super(client, session, host);
    this.element = h("section", { class: "chat", "aria-label": "Conversation" },
      this.#head(), this._banner.element, this._transcript.frame, this._foot);
    this.update(session);
  }

  get _name() { return this.#personality.name; }

  /** Show it as it is; nobody else is told. */
  update(session) {
    super.update(session);
    this.#showPersonality();
    this.#title.textContent = this._session.title || this._name;
    this.#showFoot();
  }

  #head() {
    const menu = iconButton("more", "Conversation options", { "aria-haspopup": "menu",
      on: { click: ({ currentTarget }) => this.#openMenu(currentTarget) } });
    const subtitle = h("p", { class: "chat-head__sub" }, h("span", { class: "badge badge--ai" }, "AI"), this.#who, this.#why);
    return h("header", { class: "chat-head" },
      iconButton("menu", "Conversations", { class: "icon-button only-narrow", on: { click: this._host.onList } }),
      this.#picture, h("div", { class: "chat-head__text" }, this.#title, subtitle), menu);
  }

  /** Who answers from now on, and why it is them. */
  #showPersonality() {
    const { template, disclosure, selection } = this._session;
    this.#disclosure.textContent = disclosure;
    const reason = REASONS[selection?.by]?.(selection.reason) ?? "";
    this.#why.textContent = reason;
    this.#why.title = reason;
    if (this.#personality?.slug === template) return;
    this.#personality = this._host.personalityOf(template);
    this.#picture.replaceChildren(avatar(this._name, template));
    this.#who.textContent = [this._name, roleOf(this.#personality)].filter(Boolean).join(" · ");
    this._composer.placeholder = `Message ${this._name}…`;
  }

  #openMenu(button) {
    const pause = { label: "Pause conversation", icon: "pause", run: () => this.#step("pauseSession") };
    const end = { label: "End conversation", icon: "stop", run: () => this.#step("endSession") };
    const steps = { active: [pause, end], paused: [end], ended: [] }[this._session.status];
    openMenu(button, [
      { label: "Rename", icon: "pencil", run: () => this._host.onRename(this._session) },
      { label: "What has been said so far", icon: "list", run: () => openSummaries(this._client, this._session) },
      { label: "What is remembered about me", icon: "bookmark", run: this._host.onMemories },
      ...steps,
      { label: "Delete", icon: "trash", isDanger: true, run: () => this._host.onDelete(this._session) },
    ]);
  }

  _intro() {
    const { greeting, created_at: createdAt } = this._session;
    if (!greeting) return [];
    // After a switch the greeting is still of whom one talked to at first.
    const hello = { role: "assistant", sender: this._transcript.firstSpeaker, content: greeting, status: "complete" };
    return [new MessageView({ ...hello, created_at: createdAt }, this._messageContext()).element];
  }

  #showFoot() {
    const { status, suggestion } = this._session;
    this.#suggestion.show(status === "ended" ? null : suggestion ?? null);
    if (this._foot.dataset.state === status) return;
    this._foot.dataset.state = status;
    this.element.classList.toggle("is-ended", status === "ended");
    const disclosure = h("p", { class: "disclosure" }, icon("spark"), this.#disclosure);
    const panel = { ended: () => [this.#endedPanel()], paused: () => [this.#pausedPanel(), this._composer.element] }[status];
    this._foot.replaceChildren(this.#suggestion.element, ...(panel ? panel() : [this._composer.element]), disclosure);
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
      h("button", { type: "button", class: "button button--primary", on: { click: () => this._host.onNew(slug) } },
        icon("plus"), `New conversation with ${this._name}`));
  }

  _connect(messages) {
    super._connect(messages);
    this._on("personality.suggested", ({ template, name, reason }) => this._change({ suggestion: { template, name, reason } }));
    this._on("personality.declined", () => this._change({ suggestion: null }));
    this._on("personality.switched", ({ session }) => this._change(session));
  }

  _change(session) {
    super._change(session);
    this._host.onChange(this._session);
  }

  /** The list shows this chat session first again; its title comes from the first message. */
  async _touched() {
    this._change({ message_count: this._session.message_count + 1, last_activity: new Date().toISOString() });
    if (this._session.title) return;
    const session = await this._client.getSession(this._session.id).catch(() => null);
    if (session && !this._isClosed) this._change(session);
  }

  async #resume() {
    await this.#step("resumeSession");
    this.focus();
  }

  /** @param {"pauseSession" | "resumeSession" | "endSession"} call of the client */
  async #step(call) {
    try {
      this._change(await this._client[call](this._session.id));
    } catch (error) {
      this._tell(error);
    }
  }

  async #switch(template) {
    try {
      this._change(await this._client.switchPersonality(this._session.id, template));
      this.focus();
    } catch (error) {
      this._tell(error);
    }
  }

  async #decline() {
    try {
      await this._client.declineSuggestion(this._session.id);
      this._change({ suggestion: null });
      this.focus();
    } catch (error) {
      this._tell(error);
    }
  }

  _messageContext() {
    const keyOf = (name) => (name === this._name ? this.#personality.slug : this._host.slugOf(name));
    return { ...super._messageContext(), keyOf };
  }

  _tell(error, before = "") {
    if (error.code !== "age_restricted") return super._tell(error, before);
    const message = `${this._name} is for adults only, so this conversation cannot go on.`;
    return super._tell({ message }, before);
  }
}
