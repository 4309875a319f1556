/** Questions that stop the page: native <dialog>, so focus and Esc are the browser's. */

import { avatar, h, iconButton, roleOf } from "./dom.js";

let dialogs = 0;

/** Put a dialog on the page; it is gone once it is closed. */
function open(className, content, titleId) {
  const dialog = h("dialog", { class: className, "aria-labelledby": titleId }, content);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function heading(text) {
  dialogs += 1; // one dialog may stand on another
  return h("h2", { class: "dialog__title", id: `dialog-title-${dialogs}` }, text);
}

/**
 * Show a dialog and wait for its end.
 * @returns {Promise<FormData|null>} the form's fields, null when it was left
 */
function ask({ title, content, action, cancel = "Cancel", isDanger = false }) {
  const confirm = action && h("button", { type: "submit", value: "yes", class: `button ${isDanger ? "button--danger" : "button--primary"}` }, action);
  const leave = h("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, cancel);
  const head = heading(title);
  const form = h("form", { method: "dialog" }, head, content, h("div", { class: "dialog__actions" }, leave, confirm));
  const dialog = open("dialog", form, head.id);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? new FormData(form) : null));
  });
}

/**
 * Show something to read or to work on, as high as the window at most; the content scrolls.
 * @param {{title: string, content: Node[], actions?: Node[]}} parts
 * @returns {HTMLDialogElement} to be closed by the caller, too
 */
export function openPanel({ title, content, actions = [] }) {
  const head = heading(title);
  const leave = iconButton("close", "Close", { on: { click: () => dialog.close() } });
  const dialog = open("dialog dialog--panel", [h("header", { class: "dialog__head" }, head, leave),
    h("div", { class: "dialog__body" }, content), h("footer", { class: "dialog__foot" }, actions)], head.id);
  return dialog;
}

export async function confirmDelete(title) {
  const content = h("p", {}, h("strong", {}, title), " and all its messages will be gone. This cannot be undone.");
  return Boolean(await ask({ title: "Delete this conversation?", content, action: "Delete", isDanger: true }));
}

export async function confirmForgetAll(count) {
  const content = h("p", {}, h("strong", {}, count === 1 ? "The one note" : `All ${count} notes`),
    " about you will be gone, and nobody here will know them any more. Your conversations stay. This cannot be undone.");
  return Boolean(await ask({ title: "Forget everything?", content, action: "Forget everything", isDanger: true }));
}

/** Leave a person for the next one? It ends for both. */
export async function confirmNext(name) {
  const content = h("p", {}, "Your talk with ", h("strong", {}, name), " ends, for both of you, and we look for somebody else.");
  return Boolean(await ask({ title: "Meet the next one?", content, action: "Next", cancel: "Stay" }));
}

export async function confirmBlock(name) {
  const content = h("p", {}, "You and ", h("strong", {}, name), " will never meet again. They are not told why. This talk ends.");
  return Boolean(await ask({ title: `Block ${name}?`, content, action: "Block", isDanger: true }));
}

/**
 * Ask what somebody did.
 * @param {string} name of whom
 * @param {Array<[string, string]>} reasons values and what they mean
 * @returns {Promise<{reason: string, comment?: string, isBlock: boolean}|null>}
 */
export async function askReport(name, reasons) {
  const reason = ([value, label]) => h("label", { class: "option" }, h("input", { type: "radio", name: "reason", value, required: true }),
    h("span", {}, label[0].toUpperCase() + label.slice(1)));
  const content = h("div", {}, h("p", { class: "dialog__intro" }, "Our staff will look at it, and read this talk. ", name, " is not told who it was."),
    h("fieldset", { class: "options" }, h("legend", { class: "field__label" }, "What is it about?"), reasons.map(reason)),
    h("label", { class: "field" }, h("span", { class: "field__label" }, "What happened? ", h("small", {}, "optional")),
      h("textarea", { name: "comment", class: "field__input", rows: "3", maxlength: "2000" })),
    h("label", { class: "option option--last" }, h("input", { type: "checkbox", name: "block", checked: true }),
      h("span", {}, `Also block ${name}, and leave`)));
  const form = await ask({ title: `Report ${name}`, content, action: "Send report", isDanger: true });
  if (!form) return null;
  const comment = form.get("comment").trim();
  return { reason: form.get("reason"), ...(comment && { comment }), isBlock: form.has("block") };
}

/** @returns {Promise<string|null>} the new title */
export async function askTitle(title) {
  const input = h("input", { name: "title", class: "field__input", value: title, required: true, maxlength: "200", autofocus: true,
    autocomplete: "off" });
  const content = h("label", { class: "field" }, h("span", { class: "field__label" }, "Title"), input);
  setTimeout(() => input.select());
  const form = await ask({ title: "Rename conversation", content, action: "Save" });
  return form?.get("title").trim() || null;
}

function profileFields({ name, age }, isAgeNeeded) {
  const ageHint = isAgeNeeded
    ? "This personality is for adults: it needs an age of 18 or more."
    : "Some personalities are for adults only. Leave it empty if you would rather not say.";
  return [
    h("label", { class: "field" }, h("span", { class: "field__label" }, "Your name ", h("small", {}, "optional")),
      h("input", { name: "name", class: "field__input", value: name ?? "", maxlength: "80", autocomplete: "given-name",
        placeholder: "What shall they call you?", autofocus: !isAgeNeeded })),
    h("label", { class: "field" }, h("span", { class: "field__label" }, "Your age ", h("small", {}, isAgeNeeded ? "needed" : "optional")),
      h("input", { name: "age", class: "field__input field__input--short", type: "number", inputmode: "numeric", min: "0", max: "130",
        value: age ?? "", required: isAgeNeeded, autofocus: isAgeNeeded, "aria-describedby": "age-hint" })),
    h("p", { class: "field__hint", id: "age-hint" }, ageHint),
  ];
}

function preferenceField(preferred, personalities) {
  const option = (value, label) => h("option", { value, selected: value === (preferred ?? "") }, label);
  return h("label", { class: "field" }, h("span", { class: "field__label" }, "When Chatify chooses who answers"),
    h("select", { name: "preferred", class: "field__input" }, option("", "Whoever suits the moment"),
      personalities.map((personality) => option(personality.slug, [personality.name, roleOf(personality)].filter(Boolean).join(", ")))));
}

/**
 * Ask for name and age; where personalities are given, also for the preferred one.
 * @returns {Promise<{name: string, age: number|null, preferred_template?: string|null}|null>}
 */
export async function askProfile({ profile, title, intro, action = "Save", isAgeNeeded = false, personalities = [] }) {
  const preference = personalities.length > 0 && preferenceField(profile.preferred_template, personalities);
  const content = h("div", {}, h("p", { class: "dialog__intro" }, intro), profileFields(profile, isAgeNeeded), preference || "");
  const form = await ask({ title, content, action });
  if (!form) return null;
  const age = form.get("age");
  const answer = { name: form.get("name").trim(), age: age === "" ? null : Number(age) };
  return preference ? { ...answer, preferred_template: form.get("preferred") || null } : answer;
}

/** Say kindly that a personality is for adults. */
export function explainAdultOnly({ name, slug }) {
  const content = h("div", { class: "dialog__kind" }, avatar(name, slug, "large"),
    h("p", {}, `${name} talks about things that are meant for people of 18 and older, so we keep it closed at the age you gave us.`),
    h("p", {}, "You did nothing wrong. All the others are happy to talk with you."));
  return ask({ title: `${name} is for adults`, content, cancel: "Choose someone else" });
}
