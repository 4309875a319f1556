"""What the companion still knows from other conversations, as it says it, and questions that ask for it. Pure, English.

Memories are short texts about the user in the third person ("has a dog called Pickle"), each with its kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chatify.llm.providers.offline.understand import as_typed, is_grave
from chatify.llm.providers.offline.words import NO_ECHO

Known = tuple[str, str]
"""A kind of memory, and its text."""

MAX_SAID = 120
"""Code points of a memory that is said: what is longer is no note."""

_MOST_ANSWERS = 2
_MOST = 6
_FEW = {"person": 2, "fact": 2, "like": 2, "plan": 1, "dislike": 1, "topic": 1}
"""How many of a kind are named when somebody asks for all of it, in this order."""

_SYNONYMS = (
    ("mother", "mum", "mom"), ("father", "dad"), ("grandmother", "grandma", "granny"), ("grandfather", "grandpa"),
    ("dog", "puppy"), ("cat", "kitten"), ("wife", "husband", "partner", "spouse"), ("neighbour", "neighbor"),
)  # fmt: skip
_KIN = (
    r"(?:mother|mum|mom|father|dad|grand\w+|granny|brother|sister|sibling|husband|wife|spouse|son|daughter|baby|friend"
    r"|boyfriend|girlfriend|partner|fianc\w+|uncle|aunt|cousin|niece|nephew|boss|colleague|coworker|teacher"
    r"|neighbou?r|roommate|flatmate|therapist|coach|dog|cat|puppy|kitten|hamster|rabbit|parrot|horse|pony|bird|turtle)"
)
_CAPITAL = r"(?-i:[A-Z][\w'-]*\w)"
_ONE = rf"(?:[a-z]+ ){{0,2}}{_KIN}"
_TOLD = (
    re.compile(
        rf"\bmy (?P<who>{_ONE})(?:'s name is| is called| is named|,? called|,? named|,)? (?P<name>{_CAPITAL})", re.I
    ),
    re.compile(rf"\b(?:have|got) an? (?P<who>{_ONE})(?:,? called|,? named) (?P<name>{_CAPITAL})", re.I),
)
_PERSON = re.compile(rf"(?P<who>{_ONE}),? (?:called |named )?\(?(?P<name>{_CAPITAL})\)?", re.I)
_PERSON_LAST = re.compile(rf"(?P<name>{_CAPITAL})(?:,| \(| is their) ?(?P<who>{_ONE})\)?", re.I)

_MINE = r"(?!(?:first|last|full|middle|nick|user|own)\b)(?P<x>(?:\w+ ){0,2}?(?!(?:is|are)\b)\w+)"
_NAME_ASKED = (
    re.compile(rf"\bwhat(?:'s| is| was| are)? my {_MINE}(?:'s|s')? (?:names?|called)\b", re.I),
    re.compile(rf"\bwhat(?:'s| is| was) the names? of my {_MINE}\W*$", re.I),
    re.compile(rf"\b(?:know|remember)(?: what)? my {_MINE}(?:'s|s')? (?:is |are )?(?:names?|called|named)\b", re.I),
)
_WHO_ASKED = (re.compile(rf"\bwho(?:'s| is| was) my {_MINE}\W*$", re.I),)
_ABOUT_ASKED = (
    re.compile(rf"\b(?:do|can|did) you (?:still |also )?(?:know|remember) (?:about )?my {_MINE}\W*$", re.I),
    re.compile(rf"\bwhat (?:do|did) you (?:still )?(?:know|remember) (?:about|of) my {_MINE}\W*$", re.I),
    re.compile(r"\bwhat(?:'s| is| are) my (?P<x>favou?rite \w+(?: \w+)?)\W*$", re.I),
)
_SOMEBODY_ASKED = re.compile(
    rf"\b(?:who(?:'s| is| was)|do you (?:still )?(?:know|remember)(?: who)?) (?P<x>{_CAPITAL})(?: is)?\W*$", re.I
)
_ASKED = tuple(
    (re.compile(question, re.I), kind, re.compile(start, re.I))
    for question, kind, start in (
        (r"\bwhere (?:do )?i live\b", "fact", r"lives |moved to "),
        (r"\bwhere (?:am i|i'?m|i am|do i come) from\b", "fact", r"is from |comes from "),
        (r"\bwhere (?:do )?i work\b", "fact", r"works "),
        (r"\bdo i do for (?:a living|work)\b|\bwhat(?:'s| is) my job\b", "fact", r"works |is an? "),
        (r"\bwhat (?:do )?i study\b", "fact", r"studies |is studying "),
        (r"\bhow old (?:am i|i am)\b", "fact", r"is \d+ years"),
        (r"\bwhen(?:'s| is) my birthday\b|\bremember my birthday\b", "fact", r"birthday"),
        (r"\bwhat (?:do i|i|things i|things do i) (?:like|love|enjoy)\b", "like", r""),
        (r"\bwhat (?:don't i|do i not|i don't) like\b|\bwhat (?:do )?i (?:hate|dislike)\b", "dislike", r""),
        (r"\bwhat(?:'s| is| are) my plans?\b|\bremember my plans?\b|\bwhat (?:am i|i'?m|i am) planning\b", "plan", r""),
    )
)  # fmt: skip

_YOURS = {
    "they": "you", "they're": "you're", "they've": "you've", "they'll": "you'll", "they'd": "you'd", "them": "you",
    "their": "your", "theirs": "yours", "themself": "yourself", "themselves": "yourself",
}  # fmt: skip
_SECOND_PERSON = {"is": "are", "has": "have", "was": "were", "does": "do", "goes": "go", "isn't": "aren't"}
_VERB = re.compile(r"(?:(?P<y>[a-z]+)ies|(?P<es>[a-z]*(?:ch|sh|ss|x|zz))es|(?P<s>[a-z]+[^\Ws'])s)\Z")
_PAST = re.compile(r"(?:[a-z]+ed|grew|has|had|used|can|cannot|can't|won|went|got|met|lost|broke|doesn't)\Z")
_IN_BRACKETS = re.compile(r" \(([^()]+)\)\Z")


def told_ones(texts: Sequence[str]) -> list[Known]:
    """People and animals that messages name, the latest first: as memories have them."""
    found = [match for text in texts for pattern in _TOLD for match in pattern.finditer(as_typed(text))]
    return [("person", f"{match['who'].lower()} {match['name']}") for match in reversed(found)]


def can_say(known: Known) -> bool:
    """Whether a memory is something to come up with in a light conversation."""
    text = known[1].strip()
    return 0 < len(text) <= MAX_SAID and not NO_ECHO.search(text) and not is_grave(text)


def in_words(known: Known) -> str:
    """A memory as it is said to the one it is about: "you have a dog called Pickle". Nothing, if it is no clause."""
    kind, text = known[0], _turned(as_typed(known[1]).rstrip(" ."))
    if kind == "like":
        return f"you like {text}"
    if kind == "dislike":
        return f"you don't like {text}"
    if kind == "plan":
        return f"you spoke of {_planned(text)}" if _is_gerund(text) else f"you planned to {_planned(text)}"
    if kind == "topic":
        return f"we spoke of {text}"
    if kind == "person":
        return _person(as_typed(known[1]).rstrip(" ."))
    return _fact(text) if kind == "fact" else ""


def as_plan(text: str) -> str:
    """A plan as words behind "how are things with"."""
    turned = _turned(as_typed(text).rstrip(" ."))
    return _planned(turned) if _is_gerund(turned) else f"your plan to {_planned(turned)}"


def a_few(known: Sequence[Known]) -> list[str]:
    """What is worth naming when somebody asks for everything, in words."""
    return list(dict.fromkeys(words for kind, most in _FEW.items() for words in _said_of(kind, most, known)))[:_MOST]


def answer_to(text: str, known: Sequence[Known]) -> str | None:
    """What answers a question about the user's people, animals, facts. Empty if it is not known; None: no question."""
    asked = as_typed(text)
    mine = _found(_NAME_ASKED, asked)
    if mine:
        return _clauses(one for one in known if _names(one, mine))
    mine = _found(_WHO_ASKED, asked)
    if mine:
        return _clauses(one for one in known if _mentions(one[1], mine))
    mine = _found(_ABOUT_ASKED, asked)
    if mine and mine not in ("name", "birthday", "plan", "plans"):
        return _clauses(one for one in known if _mentions(one[1], mine)) or None
    somebody = _SOMEBODY_ASKED.search(asked)
    if somebody:
        return _clauses(one for one in known if _has_word(one[1], somebody["x"])) or None
    for question, kind, start in _ASKED:
        if question.search(asked):
            return _clauses(one for one in known if one[0] == kind and start.match(one[1]))
    return None


def _said_of(kind: str, most: int, known: Sequence[Known]) -> Iterator[str]:
    words = (in_words(one) for one in known if one[0] == kind)
    yield from [said for said in words if said][:most]


def _clauses(known: Iterator[Known]) -> str:
    clauses = list(dict.fromkeys(filter(None, map(in_words, known))))[:_MOST_ANSWERS]
    return " and ".join(clauses)


def _found(patterns: Sequence[re.Pattern[str]], asked: str) -> str:
    return next((match["x"].lower().removesuffix("'s") for pattern in patterns if (match := pattern.search(asked))), "")


def _names(known: Known, mine: str) -> bool:
    """Whether a memory says who or what the user calls `mine` is: "dog", "older sister"."""
    noun = _alternatives(mine)
    before = rf"\b{noun}s?,? (?:is )?(?:called |named )?\(?{_CAPITAL}"
    after = rf"\A{_CAPITAL}\b.*\b{noun}\b"
    return known[0] in ("person", "fact") and bool(re.search(f"{before}|{after}", known[1], re.I))


def _mentions(text: str, mine: str) -> bool:
    return bool(re.search(rf"\b{_alternatives(mine)}s?\b", text, re.I))


def _alternatives(mine: str) -> str:
    """What the last word may be called: the younger sister that is asked for is the sister who was named."""
    if mine.startswith(("favourite ", "favorite ")):
        return f"favou?rite {re.escape(mine.partition(' ')[2])}"
    word = mine.rsplit(maxsplit=1)[-1]
    group = next((words for words in _SYNONYMS if word in words or word.removesuffix("s") in words), (word,))
    singular = {one for found in group for one in (found, found.removesuffix("s"))}
    return f"(?:{'|'.join(sorted(map(re.escape, singular)))})"


def _has_word(text: str, word: str) -> bool:
    return bool(re.search(rf"\b{re.escape(word)}\b", text))


def _turned(text: str) -> str:
    return re.sub(r"[\w']+", lambda match: _YOURS.get(match[0].lower(), match[0]), text)


def _person(text: str) -> str:
    match = _PERSON.fullmatch(text) or _PERSON_LAST.fullmatch(text)
    if match:
        return f"your {match['who'].lower()} is called {match['name']}"
    return f"your {_turned(text)}" if re.match(rf"{_ONE}\b", text) else _turned(text)


def _fact(text: str) -> str:
    first, _, rest = text.partition(" ")
    if first == "birthday:":
        return f"your birthday is {rest}"
    if not rest or not first.islower():
        return ""
    if first in _SECOND_PERSON:
        return f"you {_SECOND_PERSON[first]} {rest}"
    verb = _VERB.match(first)
    if verb:
        stem = f"{verb['y']}y" if verb["y"] else verb["es"] or verb["s"]
        return f"you {stem} {rest}"
    return f"you {text}" if _PAST.match(first) else ""


def _planned(text: str) -> str:
    return _IN_BRACKETS.sub(r" \1", text.removeprefix("to "))


def _is_gerund(text: str) -> bool:
    first = text.split(" ", 1)[0]
    return len(first) > 5 and first.endswith("ing")
