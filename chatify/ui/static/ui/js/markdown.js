/** Markdown of a reply into nodes that cannot do harm, and cheaply while it is still growing. */

import { Marked } from "../vendor/marked.js";
import DOMPurify from "../vendor/purify.js";
import { copyText, h, icon } from "./dom.js";

const ALLOWED_TAGS = (
  "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li a table thead tbody tr th td"
).split(" ");
const ALLOWED_ATTR = ["href", "title", "class", "start", "align"];
const SLOWEST_SHARE = 4;

const escapeHtml = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // HTML in a reply is shown as the text that it is.
    html: ({ text }) => escapeHtml(text),
    // An image would tell its server who reads this, and when.
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (!node.hasAttribute("href")) return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

function toFragment(tokens) {
  const fragment = DOMPurify.sanitize(marked.parser(tokens), {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    ADD_URI_SAFE_ATTR: ["align", "start"], // else their values are held to the addresses' pattern
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    RETURN_DOM_FRAGMENT: true,
  });
  fragment.querySelectorAll("pre").forEach(dressCode);
  fragment.querySelectorAll("table").forEach((table) => {
    const frame = h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Table" });
    table.replaceWith(frame);
    frame.append(table);
  });
  return fragment;
}

function dressCode(pre) {
  const language = /language-([\w+#-]+)/.exec(pre.querySelector("code")?.className ?? "")?.[1] ?? "";
  const label = h("span", {}, "Copy");
  const copy = h("button", { type: "button", class: "code__copy", "aria-label": "Copy code" }, icon("copy"), label);
  copy.addEventListener("click", async () => {
    await copyText(pre.textContent);
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = "Copy"; }, 2_000);
  });
  const frame = h("div", { class: "code" }, h("div", { class: "code__head" }, h("span", {}, language || "code"), copy));
  pre.replaceWith(frame);
  pre.tabIndex = 0;
  frame.append(pre);
}

/**
 * Keeps an element showing a growing Markdown text. Blocks that can no longer change are rendered once;
 * only the tail is rendered again, once per frame at most, and less often when it is slow.
 */
export class MarkdownView {
  #element;
  #tail = h("div", { class: "markdown__tail" });
  #text = "";
  #stableLength = 0;
  #timer = 0;
  #cost = 0;

  constructor(element) {
    this.#element = element;
    element.classList.add("markdown");
  }

  /** The text so far, which begins with the text of the call before. */
  grow(text) {
    this.#text = text.replace(/\r\n?/g, "\n"); // as the lexer counts
    this.#timer ||= setTimeout(() => requestAnimationFrame(() => this.#draw()), this.#cost * SLOWEST_SHARE);
  }

  /** The text for good. */
  finish(text) {
    clearTimeout(this.#timer);
    this.#timer = -1;
    this.#element.replaceChildren(toFragment(marked.lexer(text)));
  }

  #draw() {
    if (this.#timer === -1) return;
    this.#timer = 0;
    const startedAt = performance.now();
    const tokens = marked.lexer(this.#text.slice(this.#stableLength));
    const settled = tokens.splice(0, Math.max(0, tokens.length - 2));
    if (!this.#tail.isConnected) this.#element.replaceChildren(this.#tail);
    if (settled.length) this.#tail.before(toFragment(settled));
    this.#stableLength += settled.reduce((sum, token) => sum + token.raw.length, 0);
    this.#tail.replaceChildren(toFragment(tokens));
    this.#cost = performance.now() - startedAt;
  }
}
