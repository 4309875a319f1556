/** Whom to talk to: the personalities on offer, and what they are like. */

import { avatar, h, icon, iconButton, roleOf } from "./dom.js";

const MOST_TRAITS = 4;
const LONGEST_CONTEXT = 500;

function card(personality, onPick) {
  const { slug, name, description, personality_traits: traits, adult_only: isAdultOnly } = personality;
  const role = roleOf(personality);
  const badge = isAdultOnly && h("span", { class: "badge badge--adult", title: "For adults" }, "18+");
  return h("li", {}, h("button", { type: "button", class: "card", data: { slug }, on: { click: () => onPick(personality) } },
    avatar(name, slug, "large"),
    h("span", { class: "card__head" }, h("span", { class: "card__name" }, name), role && h("span", { class: "card__role" }, role), badge),
    h("span", { class: "card__text" }, description),
    h("span", { class: "chips" }, (traits ?? []).slice(0, MOST_TRAITS).map((trait) => h("span", { class: "chip" }, trait))),
    h("span", { class: "card__go", "aria-hidden": "true" }, "Start talking", icon("arrow"))));
}

/** Chatify chooses, by what it shall be about, if that is said. */
function choiceCard(onChoose) {
  const about = h("input", { class: "field__input choice__about", name: "about", "aria-label": "What is on your mind?",
    placeholder: "What is on your mind? (optional)", maxlength: String(LONGEST_CONTEXT), autocomplete: "off", enterkeyhint: "go" });
  const start = h("button", { type: "submit", class: "button button--primary" }, "Let Chatify choose", icon("arrow"));
  const card = h("form", { class: "choice" }, h("span", { class: "choice__mark", "aria-hidden": "true" }, icon("spark")),
    h("div", { class: "choice__text" }, h("h2", { class: "choice__title" }, "Not sure? Let Chatify choose"),
      h("p", {}, "By what you like, what it is about, and the time of day. You are told why.")),
    h("div", { class: "choice__go" }, about, start));
  card.addEventListener("submit", (event) => {
    event.preventDefault();
    onChoose(about.value.trim());
  });
  return card;
}

/**
 * @param {object[]} personalities
 * @param {{name: string, onPick: (personality: object) => void, onChoose: (about: string) => void, onList: () => void}} host
 */
export function personalityPicker(personalities, { name, onPick, onChoose, onList }) {
  const title = name ? `Who would you like to talk to, ${name}?` : "Who would you like to talk to?";
  return h("section", { class: "picker", "aria-labelledby": "picker-title" },
    h("header", { class: "picker__bar only-narrow" }, iconButton("menu", "Conversations", { on: { click: onList } })),
    h("div", { class: "picker__inner" },
      h("h1", { id: "picker-title", class: "picker__title", tabindex: "-1" }, title),
      h("p", { class: "picker__sub" }, "Every one of them is an AI, always says so, and answers in a voice of its own."),
      personalities.length > 1 && choiceCard(onChoose),
      personalities.length
        ? h("ul", { class: "cards" }, personalities.map((personality) => card(personality, onPick)))
        : h("p", { class: "state" }, "No personality is on offer yet. Staff can add one in the admin.")));
}

export function pickerSkeleton() {
  const blank = () => h("li", { class: "card card--blank" });
  return h("section", { class: "picker", "aria-busy": "true", "aria-label": "Loading" },
    h("div", { class: "picker__inner" }, h("div", { class: "blank blank--title" }), h("ul", { class: "cards" }, [1, 2, 3, 4].map(blank))));
}

/** A whole-pane word about something that went wrong, with what to do. */
export function problemPane({ title, text, action, onAction, onList }) {
  return h("section", { class: "picker" },
    h("header", { class: "picker__bar only-narrow" }, iconButton("menu", "Conversations", { on: { click: onList } })),
    h("div", { class: "state state--pane", role: "alert" }, icon("cloud"), h("h1", { tabindex: "-1" }, title), h("p", {}, text),
      h("button", { type: "button", class: "button button--primary", on: { click: onAction } }, action)));
}
