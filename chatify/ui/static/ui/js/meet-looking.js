/** Somebody is being looked for: a ring that fills until a personality steps in, and the seconds in it. */

import { h } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const PATIENCE_MS = 3_000;
const RADIUS = 54;
const LENGTH = 2 * Math.PI * RADIUS;

function circle(className) {
  const element = document.createElementNS(SVG, "circle");
  Object.entries({ class: className, cx: 60, cy: 60, r: RADIUS }).forEach(([name, value]) => element.setAttribute(name, value));
  return element;
}

export class LookingView {
  #now;
  #ticket;
  #timer = 0;
  #bar = circle("ring__bar");
  #seconds = h("span", { class: "ring__seconds" }, "0");
  #unit = h("small", {}, "seconds");
  #text = h("p", { class: "looking__text" });
  #word = h("p", { class: "looking__word", role: "status" });
  #title = h("h1", { class: "looking__title", tabindex: "-1" });

  /** @param {object} ticket @param {{now: () => number, onCancel: () => void}} host */
  constructor(ticket, { now, onCancel }) {
    this.#now = now;
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("class", "ring__picture");
    picture.setAttribute("viewBox", "0 0 120 120");
    picture.setAttribute("aria-hidden", "true");
    picture.append(circle("ring__track"), this.#bar);
    this.#bar.style.strokeDasharray = `${LENGTH}`;
    const timer = h("div", { class: "ring", role: "timer", "aria-label": "Seconds that we have been looking" }, picture,
      h("p", { class: "ring__text" }, this.#seconds, this.#unit));
    this.element = h("section", { class: "looking" }, timer, this.#title, this.#text, this.#word,
      h("button", { type: "button", class: "button looking__cancel", on: { click: onCancel } }, "Cancel"));
    this.update(ticket);
    this.#timer = setInterval(() => this.#tick(), 250);
  }

  update(ticket) {
    this.#ticket = ticket;
    this.element.classList.toggle("is-asking", this.#isAsking);
    this.#title.textContent = this.#isAsking ? "We found somebody and are asking them" : "Looking for somebody…";
    this.#tick();
  }

  /** What has just happened, in a sentence. */
  say(text) { this.#word.textContent = text; }

  get #isAsking() { return this.#ticket.proposal?.state === "open"; }

  focus() { this.#title.focus({ preventScroll: true }); }

  close() { clearInterval(this.#timer); }

  #tick() {
    const since = Date.parse(this.#ticket.created_at);
    const wholeMs = Date.parse(this.#ticket.deadline) - since;
    const waitedMs = Math.max(0, this.#now() - since);
    const seconds = Math.floor(waitedMs / 1000);
    this.#seconds.textContent = seconds;
    this.#unit.textContent = seconds === 1 ? "second" : "seconds";
    this.#bar.style.strokeDashoffset = `${LENGTH * (1 - Math.min(1, waitedMs / wholeMs))}`;
    const text = this.#textAfter(waitedMs, wholeMs);
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }

  #textAfter(waitedMs, wholeMs) {
    if (this.#isAsking) return "They are talking to a personality, and have a few seconds to say whether they come over.";
    if (waitedMs > wholeMs + PATIENCE_MS) return "Nobody is free right now. We go on looking.";
    return `If nobody comes within ${Math.round(wholeMs / 1000)} seconds, a personality steps in. It is an AI, and says so.`;
  }
}
