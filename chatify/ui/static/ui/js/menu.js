/** A small menu below a button, for mouse and keyboard (WAI-ARIA menu button pattern). */

import { h, icon } from "./dom.js";

const GAP_PX = 4;

/** @param {HTMLElement} button @param {Array<{label: string, icon: string, run: () => void, isDanger?: boolean}>} items */
export function openMenu(button, items) {
  const menu = h("div", { class: "menu", role: "menu", popover: "auto" }, items.map((item) => entry(item, () => menu.hidePopover())));
  menu.addEventListener("keydown", (event) => onKey(event, menu));
  menu.addEventListener("toggle", ({ newState }) => {
    button.setAttribute("aria-expanded", String(newState === "open"));
    if (newState === "closed") menu.remove();
  });
  // Beside its button, so that a menu inside a dialog or a slide-over is not inert.
  button.after(menu);
  menu.showPopover();
  place(menu, button.getBoundingClientRect());
  menu.firstElementChild.focus();
}

function entry({ label, icon: symbol, run, isDanger }, close) {
  const choose = () => {
    close();
    run();
  };
  return h("button", { type: "button", role: "menuitem", tabindex: "-1", class: `menu__item ${isDanger ? "is-danger" : ""}`,
    on: { click: choose } }, icon(symbol), label);
}

function place(menu, anchor) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const isRoomBelow = anchor.bottom + GAP_PX + height < innerHeight;
  menu.style.left = `${Math.max(GAP_PX, Math.min(anchor.right - width, innerWidth - width - GAP_PX))}px`;
  menu.style.top = `${isRoomBelow ? anchor.bottom + GAP_PX : anchor.top - GAP_PX - height}px`;
}

function onKey(event, menu) {
  const items = [...menu.children];
  const at = items.indexOf(document.activeElement);
  const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Tab") menu.hidePopover();
  if (target === undefined) return;
  event.preventDefault();
  items.at(target % items.length).focus();
}
