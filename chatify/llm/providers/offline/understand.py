"""What a message says, as far as patterns can tell. Pure, English."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chatify.llm.providers.offline.patterns import GRAVE, MAIN, SHORT, SOCIAL, Rules
from chatify.llm.providers.offline.words import (
    AGE,
    END_OF_ABOUT,
    ENGLISH,
    FILLER,
    FOREIGN,
    MOODS,
    NAMED,
    NAMED_BY_CASE,
    NO_ANSWER,
    NO_ECHO,
    NO_NAME,
    TOPICS,
    TURNED,
)

LONG = 700
"""Code points from which a message counts as very long."""

_WITH_COMPANY = ("fine", "happy")  # they leave room for what else the message says
_COMPANY = tuple(rule for rule in MAIN if rule[0] in ("like", "plan", "event", "doing"))
_FEW_WORDS = 5
_AGREEING = re.compile(r"^(?:yeah|yes|yep|no|nope|ok|okay|well|oh)\b[\s,]+(?=\S+ \S)", re.IGNORECASE)
_SCRAP = re.compile(r"\W*\w*\W*")
_APOSTROPHES = str.maketrans("\u2019\u2018\u02bc\u00b4", "''''")


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that a message says: its kind, and the words it is about, turned around ("my" is "your")."""

    kind: str
    about: str = ""


def hear(text: str) -> tuple[Heard, ...]:
    """What a message says: something grave or strange alone, else social kinds and a main kind (or two)."""
    plain = as_typed(text)
    alone = _first(GRAVE, plain) or _strange(plain)
    if alone:
        return (alone,)
    heard = []
    for kind, pattern in SOCIAL:
        if pattern.search(plain):
            heard.append(Heard(kind))
            plain = pattern.sub(" ", plain).strip(" ,.!")
    if heard and _SCRAP.fullmatch(plain) and _first((*MAIN, *SHORT), plain) is None:
        return tuple(heard)  # "Hi Milo"
    name = told_name(plain)
    if name:
        heard.append(Heard("name", name))
        plain = NAMED_BY_CASE.sub("", NAMED.sub("", plain)).strip(" ,.!")
    return (*heard, *_mains(plain)) if plain else tuple(heard)


def told_name(text: str) -> str:
    """The name that a message gives ("I'm Ada"), or nothing."""
    match = NAMED.search(text) or NAMED_BY_CASE.search(text)
    if match is None or NO_NAME.fullmatch(match[1].split()[0]):
        return ""
    name = match[1][:30].strip()
    return name[:1].upper() + name[1:]


def told_age(text: str) -> int | None:
    """The age that a message gives ("I'm 15"), if it does."""
    match = AGE.search(text)
    return int(match[1]) if match else None


def topic_of(text: str) -> str:
    """The first of TOPICS that a text is about, or nothing."""
    return next((topic for topic, pattern in TOPICS.items() if pattern.search(text)), "")


def is_grave(text: str) -> bool:
    """Whether a text speaks of harm: nothing to play with."""
    return _first(GRAVE, as_typed(text)) is not None


def as_typed(text: str) -> str:
    """The text on one line, with apostrophes as typewriters have them."""
    return " ".join(text.translate(_APOSTROPHES).split())


def turn_around(words: str) -> str:
    """The words as the other one says them: "my cat and me" is "your cat and you"."""
    turned = re.sub(r"[\w']+", lambda match: TURNED.get(match[0].lower(), match[0]), words)
    return re.sub(r"\byou was\b", "you were", turned)


def short_answer(text: str) -> str:
    """A short answer as it can be said back ("maybe jazz" is "jazz"), or nothing if it is a sentence or long."""
    plain = FILLER.sub("", as_typed(text))
    words = re.sub(r"[^\w\s'-]", "", plain).split()
    if len(words) > _FEW_WORDS or NO_ANSWER.search(plain) or NO_ECHO.search(plain):
        return ""
    return turn_around(" ".join(word for word in words if len(word) <= 30))


def _first(rules: Rules, plain: str) -> Heard | None:
    for kind, pattern in rules:
        match = pattern.search(plain)
        if match:
            about = _about(match)
            return Heard(kind, f"have {about}" if about.startswith("been ") else about)
    return None


def _mains(plain: str) -> list[Heard]:
    rest = _AGREEING.sub("", plain)  # "yeah, it was unfair"
    first = _first(MAIN, plain) or _first(SHORT, plain) or _first((*MAIN, *SHORT), rest)
    if first is None:
        return [Heard("topic" if topic_of(plain) else "default")]
    if NO_ECHO.search(first.about):
        return [Heard("edgy")]
    second = _first(_COMPANY, plain) if first.kind in _WITH_COMPANY else None
    return [first, second] if second else [first]


def _about(match: re.Match[str]) -> str:
    words = next((value for value in match.groupdict().values() if value), "")
    cut = re.sub(r"[^\w\s'%&+#-]", "", END_OF_ABOUT.split(words, maxsplit=1)[0])
    kept = [word for word in cut.split()[:8] if len(word) <= 30]
    return turn_around(" ".join(kept)).strip(" '-_")


def _strange(plain: str) -> Heard | None:
    letters = [character for character in plain if character.isalpha()]
    if not letters:
        mood = next((kind for kind, pattern in MOODS if pattern.search(plain)), "emoji")
        return Heard("confused" if set(plain) <= set("? !") else "number" if re.search(r"\d", plain) else mood)
    language = _foreign(plain, letters)
    if language:
        return Heard("foreign", language)
    if len(plain) > LONG:
        return Heard("long", topic_of(plain))
    if len(letters) > 5 and len(re.findall(r"[aeiouyäöü]", plain, re.IGNORECASE)) < len(letters) / 6:
        return Heard("gibberish")
    return None


def _foreign(plain: str, letters: list[str]) -> str:
    """The code of another language, `xx` for one that is only known by its script, or nothing."""
    if sum(letter > "\u02af" for letter in letters) > len(letters) / 2:
        return "xx"
    counts = {code: len(pattern.findall(plain)) for code, pattern in FOREIGN.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] >= 2 and counts[best] > len(ENGLISH.findall(plain)) else ""
