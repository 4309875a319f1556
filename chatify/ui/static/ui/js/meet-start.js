/** Where meeting somebody begins: what it is, what one may say about oneself, and one big button. */

import { h, icon } from "./dom.js";

const MOST_INTERESTS = 20;
const LONGEST_INTEREST = 40;
const LANGUAGES = ["ar", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "ko", "nl", "no",
  "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "ur", "vi", "zh"];

/** Not in the middle of an emoji: the server counts code points, too. */
const cut = (text) => [...text].slice(0, LONGEST_INTEREST).join("").trim();

/** What was written, as a list: each once, none too long. */
function interestsOf(text) {
  const found = text.split(/[,;\n]/).map((one) => cut(one.trim().replaceAll(/\s+/g, " "))).filter(Boolean);
  return [...new Map(found.map((one) => [one.toLowerCase(), one])).values()].slice(0, MOST_INTERESTS);
}

function languageOptions(chosen) {
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const known = LANGUAGES.map((code) => [code, names.of(code)]).sort(([, a], [, b]) => a.localeCompare(b, "en"));
  return [["", "Any language"], ...known].map(([value, label]) => h("option", { value, selected: value === chosen }, label));
}

/** The language of the browser, as long as nobody has said another one. */
function browserLanguage() {
  const primary = (navigator.language ?? "").split("-")[0];
  return LANGUAGES.includes(primary) ? primary : "";
}

function field(label, input, { note = "optional", hint = "", id = "" } = {}) {
  return h("div", { class: "field" },
    h("label", {}, h("span", { class: "field__label" }, label, " ", note && h("small", {}, note)), input),
    hint && h("p", { class: "field__hint", id }, hint));
}

function steps(seconds) {
  const step = (symbol, title, text) => h("li", { class: "step" }, h("span", { class: "step__mark", "aria-hidden": "true" }, icon(symbol)),
    h("span", {}, h("strong", {}, title), " ", text));
  return h("ul", { class: "steps", "aria-label": "How it goes" },
    step("people", "A person,", "if somebody is there who fits."),
    step("spark", `After ${seconds} seconds`, "a personality steps in. It is an AI, and says so."),
    step("arrow", "Somebody comes later?", "You are asked, and nobody tears you out of a sentence."));
}

/**
 * @param {{name: string, age: number|null, interests: string[], language?: string}} about what is known already
 * @param {{isAgeKnown: boolean, isGuest: boolean, seconds: number, onFind: (about: object) => void}} host
 */
export function startView(about, { isAgeKnown, isGuest, seconds, onFind }) {
  const input = (name, props) => h("input", { class: "field__input", name, autocomplete: "off", ...props });
  const name = input("name", { value: about.name ?? "", maxlength: "80", autocomplete: "given-name", placeholder: "What they will call you" });
  const interests = input("interests", { value: (about.interests ?? []).join(", "), maxlength: "840", placeholder: "Sailing, films, Italian food",
    "aria-describedby": "interests-hint" });
  const language = h("select", { class: "field__input", name: "language" }, languageOptions(about.language ?? browserLanguage()));
  const age = input("age", { class: "field__input", type: "number", inputmode: "numeric", min: "0", max: "130", value: about.age ?? "",
    "aria-describedby": "age-hint" });
  const find = h("button", { type: "submit", class: "button button--primary button--wide meet__find" }, icon("people"), "Find somebody");
  const form = h("form", { class: "meet__form" },
    field("Your name", name),
    field("What you like", interests, { hint: "With commas between. You are more likely to meet somebody who likes it, too.", id: "interests-hint" }),
    h("div", { class: "meet__pair" }, field("Language", language, { note: "" }), !isAgeKnown && field("Your age", age)),
    !isAgeKnown && h("p", { class: "field__hint", id: "age-hint" },
      "Adults and minors never meet. Who does not say their age meets others who do not."),
    find);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onFind({ name: name.value.trim(), interests: interestsOf(interests.value), language: language.value,
      age: isAgeKnown ? about.age : age.value === "" ? null : Number(age.value) });
  });
  const demo = h("p", { class: "meet__demo" }, "This is a demo: each tab is a person of its own. ",
    h("a", { href: location.pathname, target: "_blank", rel: "noopener" }, "Open a second tab"), " to meet yourself.");
  return h("section", { class: "meet__start", "aria-labelledby": "meet-title" },
    h("div", { class: "meet__words" },
      h("h1", { id: "meet-title", class: "meet__title", tabindex: "-1" }, "Somebody to talk to"),
      h("p", { class: "meet__lead" }, "Press the button, and we look for a person who would like to talk, too. You are always told whether it is a person or an AI."),
      steps(seconds), isGuest && demo),
    h("div", { class: "meet__card" }, form));
}
