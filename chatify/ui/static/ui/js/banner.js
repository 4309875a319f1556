/** Tells how the connection stands, and offers the one thing that helps. Says nothing while all is well. */

import { h, icon } from "./dom.js";

const LEAST_MS = 600;

export class ConnectionBanner {
  #timer = 0;

  /** @param {{onReconnect: () => void, onSignIn: () => void}} listeners */
  constructor({ onReconnect, onSignIn }) {
    this.element = h("div", { class: "banner", role: "status", hidden: true });
    this.onReconnect = onReconnect;
    this.onSignIn = onSignIn;
  }

  /** @param {{state: string, attempt: number, attempts: number, error?: Error}} detail of a "state" event */
  show({ state, attempt, attempts, error }) {
    clearTimeout(this.#timer);
    if (state === "open") this.#hide();
    else if (state === "reconnecting") this.#later(() => this.#showReconnecting(attempt, attempts));
    else if (state === "offline") this.#showOffline(error);
    else if (state === "closed") this.#showClosed(error);
  }

  #later(draw) {
    // A blink of the network is not worth a banner.
    if (this.element.hidden) this.#timer = setTimeout(draw, LEAST_MS);
    else draw();
  }

  #hide() { this.element.hidden = true; }

  #draw(kind, symbol, text, label, action) {
    this.element.dataset.kind = kind;
    this.element.hidden = false;
    const button = label && h("button", { type: "button", class: "button button--small", on: { click: action } }, label);
    this.element.replaceChildren(...[icon(symbol), h("span", { class: "banner__text" }, text), button].filter(Boolean));
  }

  #showReconnecting(attempt, attempts) {
    const text = `Connection lost. Reconnecting… (attempt ${Math.max(1, attempt)} of ${attempts})`;
    this.#draw("waiting", "retry", text, "Try now", this.onReconnect);
  }

  #showOffline(error) {
    const reason = error && error.code !== "network" ? error.message : "No connection to the server.";
    this.#draw("offline", "alert", `${reason} What you write is kept here and sent once you are back.`, "Reconnect",
      this.onReconnect);
  }

  #showClosed(error) {
    if (!error) return this.#hide();
    const isSignedOut = error.status === 401 || error.code === "not_authenticated";
    if (isSignedOut) return this.#draw("offline", "alert", "You are signed out.", "Sign in", this.onSignIn);
    const isGone = error.status === 404 || error.code === "not_found";
    return this.#draw("offline", "alert", isGone ? "This conversation was deleted." : error.message);
  }
}
