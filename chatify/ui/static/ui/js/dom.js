/** Small means to build the page with: no template strings near data, so nothing can be injected. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. `on` holds listeners, `data` the dataset; other fields are attributes, where `true` is an
 * empty one and `null`, `undefined` and `false` are none. Children: nodes, strings, or nothing (null, false).
 */
export function h(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  Object.assign(element.dataset, data);
  for (const [type, listener] of Object.entries(on)) element.addEventListener(type, listener);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An icon of the sprite in base.html. Decoration only: the control around it carries the name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function iconButton(name, label, props = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, ...props }, icon(name));
}

const HUES = 8;

/** A personality's round picture: its initial on a colour that its slug always gives. */
export function avatar(name, key = name, size = "") {
  const hue = [...key].reduce((sum, letter) => (sum * 57 + letter.codePointAt(0)) % 9973, 31) % HUES;
  const initial = [...name.trim()][0]?.toUpperCase() ?? "?";
  return h("span", { class: `avatar avatar--${hue} ${size && `avatar--${size}`}`, "aria-hidden": "true" }, initial);
}

/** What a personality is there for, by its slug: `casual_chat` is for casual chat. */
export function roleOf({ slug, name }) {
  const role = slug.replaceAll(/[_-]+/g, " ").trim();
  return role.toLowerCase() === name.toLowerCase() ? "" : role;
}

/** Copy text, also on plain http, where `navigator.clipboard` does not exist. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "visually-hidden", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("The browser does not let this page copy.");
  return undefined;
}

/** A word at the bottom of the page that goes away by itself. Screen readers hear it. */
export function toast(text, { kind = "info", forMs = 5_000 } = {}) {
  const note = h("div", { class: `toast toast--${kind}` }, icon(kind === "error" ? "alert" : "check"), h("span", {}, text));
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), forMs);
}
