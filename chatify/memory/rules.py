"""What one message says in so many words about whoever wrote it. Pure, English, and rather silent than wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chatify.llm.providers.offline.understand import is_grave
from chatify.llm.providers.offline.words import NO_ECHO, NO_NAME
from chatify.memory.models import Memory
from chatify.memory.patterns import (
    DISLIKES,
    END,
    LIKES,
    LOSS,
    MOOD,
    NAMES,
    NO_CALLED,
    NO_JOB,
    QUOTED,
    RULES,
    SENTENCE,
    SOMEBODY,
    THEIRS,
    TOPICS,
    UNSURE,
    Rule,
)
from chatify.memory.words import plain

Statement = tuple[str, str]
"""A kind of memory, and its text."""

MAX_READ = 2_000
"""Code points of a message that patterns read."""

_MAX_WORDS = 14
_ASKING = re.compile(
    r"(?:and |but |so )?(?:do|does|did|can|could|what|who|why|how|when|where|which|is|are|will|shall|guess)\b",
    re.IGNORECASE,
)
_TAIL = re.compile(r"(?:\s+(?:now|today|too|and|or|so|again|here|any ?more|any longer))+$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"'s$")
_ITEM = re.compile(r"(?:[\w'&-]+ ){0,2}[\w'&-]+")
_NO_ITEM = re.compile(
    r"\b(?:i|i'm|it|it's|you|he|she|we|they|is|are|was|am|but|so|though|yes|no|really|actually|right|honestly|too)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?:[A-Z]|(?:the|an?|my|our|work|school|church|university|hospital)\b)")
_CALLED_KINDS = ("{y} {x}", "has a {y} called {x}")


def statements_in(text: str) -> list[Statement]:
    """All that a message says. Nothing, if it speaks of harm."""
    if is_grave(text):
        return []
    unquoted = QUOTED.sub(" ", text[:MAX_READ])
    return [one for sentence in _sentences(unquoted) for one in _told(sentence) if not NO_ECHO.search(one[1])]


def topics_in(text: str) -> list[str]:
    """What a message is about, of what patterns know."""
    return [topic for topic, pattern in TOPICS.items() if pattern.search(text[:MAX_READ])]


def _sentences(text: str) -> Iterator[str]:
    for line in SENTENCE.findall(text):
        sentence = plain(line)
        if sentence.endswith("?"):
            sentence = sentence.rpartition(",")[0]  # "I love hiking, do you?"
            if _ASKING.match(sentence):
                continue
        if sentence and not UNSURE.search(sentence):
            yield sentence


def _told(sentence: str) -> Iterator[Statement]:
    yield from ((Memory.Kind.NAME, name) for name in _names(sentence))
    for kind, patterns in ((Memory.Kind.LIKE, LIKES), (Memory.Kind.DISLIKE, DISLIKES)):
        yield from (
            (kind, item) for pattern in patterns for match in pattern.finditer(sentence) for item in _items(match)
        )
    yield from ((Memory.Kind.MOOD, " ".join(match["x"].lower().split())) for match in MOOD.finditer(sentence))
    for rule in RULES:
        for match in rule.pattern.finditer(sentence):
            text = _text(rule, match)
            if text and not (rule.kind == Memory.Kind.PERSON and LOSS.search(sentence)):
                yield rule.kind, text


def _names(sentence: str) -> Iterator[str]:
    for pattern in NAMES:
        match = pattern.search(sentence)
        if match is not None:
            name = _POSSESSIVE.sub("", match["x"])
            first = name.split()[0]
            if not NO_NAME.fullmatch(first) and not NO_CALLED.fullmatch(first):
                yield name[:1].upper() + name[1:]
                return


def _items(match: re.Match[str]) -> Iterator[str]:
    """ "hiking, jazz and tea because of you" is hiking, jazz, tea."""
    first, *others = match["x"].split(",")
    cut = END.split(first, maxsplit=1)[0]
    items = [cut]
    if cut == first:
        items += _further(others)
    yield from (kept for item in items if (kept := _kept(item)) and not SOMEBODY.match(kept))


def _further(others: list[str]) -> list[str]:
    found: list[str] = []
    for other in others:
        parts = re.split(r"\s+(?:and|or)\s+", re.sub(r"^\s*(?:and|or)\s+", "", other).strip())
        if not all(_ITEM.fullmatch(part) and not _NO_ITEM.search(part) for part in parts):
            return found  # the list is over
        found += parts
    return found


def _text(rule: Rule, match: re.Match[str]) -> str:
    groups = {name: value for name, value in match.groupdict().items() if value}
    when = groups.pop("w", "")
    other = groups.pop("y", "").lower() if "{y}" in rule.words else ""
    value = next(iter(groups.values()), "")
    if rule.words in _CALLED_KINDS and value[:1].isupper():
        value = _POSSESSIVE.sub("", value)
        if NO_CALLED.fullmatch(value):
            return ""
    elif rule.kind != Memory.Kind.STYLE:
        value = _kept(value)
    if not value or (rule.kind == Memory.Kind.FACT and rule.words == "is {x}" and NO_JOB.search(value)):
        return ""
    if rule.kind == Memory.Kind.PLAN and _PLACE.match(value):
        value = f"go to {value}"
    return rule.words.format(x=value, y=other, w=f" ({when.lower()})" if when else "")


def _kept(words: str) -> str:
    """The words as they are said about somebody, up to where another thought begins."""
    cut = _TAIL.sub("", END.split(words, maxsplit=1)[0].strip(" '-_,"))
    found = cut.split()
    if len(found) > _MAX_WORDS:
        return ""
    return " ".join(THEIRS.get(word.lower(), word) for word in found)
