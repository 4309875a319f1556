"""Texts of memory: what people may write, what is stored of it, and which memories are the same. Pure."""

from __future__ import annotations

import re

from chatify.common.errors import InvalidInput
from chatify.common.strict_json import is_storable
from chatify.memory.models import MAX_MEMORY, Memory
from chatify.memory.words import plain, words_of
from templates_app.rendering import RECALLED_CLOSE, RECALLED_OPEN, clean

_MARKS = re.compile(f"{re.escape(RECALLED_OPEN)}|{re.escape(RECALLED_CLOSE)}|[{RECALLED_OPEN[0]}{RECALLED_OPEN[-1]}]")
_SPAN = re.compile(f"{re.escape(RECALLED_OPEN)}.*?(?:{re.escape(RECALLED_CLOSE)}|$)", re.DOTALL)
# Of these only one is true at a time: what is said later takes the place of what was said before.
_ONLY_ONE = frozenset({Memory.Kind.NAME, Memory.Kind.MOOD})
_ONLY_ONE_FACT = re.compile(r"(?:(lives|works|is from|birthday)\b|is \d+ (years old))", re.IGNORECASE)


def memory_text(text: str) -> str:
    """A text as a memory has it: cleaned as values of a profile are, and without the marks of recalled text."""
    return clean(without_marks(text), MAX_MEMORY)


def key_of(kind: str, text: str) -> str:
    """What tells a memory from others of its kind: its words in whatever order and form, or what it answers."""
    if kind in _ONLY_ONE:
        return kind
    if kind == Memory.Kind.FACT and (only := _ONLY_ONE_FACT.match(text)):
        return (only[1] or only[2]).casefold()
    return (" ".join(sorted(words_of(text))) or plain(text).casefold())[:MAX_MEMORY]


def without_recalled(text: str) -> str:
    """A message without what was recalled in it: that is no news, and would come back for ever."""
    return _SPAN.sub(" ", text)


def without_marks(text: str) -> str:
    """What stands between the marks of recalled text stays; no mark can come of what is left."""
    return _MARKS.sub("", text)


def check_written(text: str, *, most: int) -> None:
    """A text that staff write for memory. Raises InvalidInput (`text`: blank, too long, not storable)."""
    if not text.strip():
        raise InvalidInput.at("text", "blank", "This may not be empty.")
    if len(text) > most:
        raise InvalidInput.at("text", "too_long", f"At most {most} characters.")
    if not is_storable(text):
        raise InvalidInput.at("text", "bad_characters", "NUL and lone surrogates are not allowed.")
