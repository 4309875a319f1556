"""How many tokens a text is, without the vocabulary of whichever model reads it."""

from __future__ import annotations

import re

MARGIN = 1.05
MAX_KNOWN = 20_000
"""Estimates that are kept: prompts, summaries and messages come again at every turn."""

_LATIN = "A-Za-z\u00c0-\u024f\u1e00-\u1eff"
_PARTS = re.compile(rf"[{_LATIN}]+|[0-9]+|[^\S\n]+(?=[0-9])|[^\S\n]{{2,}}|\n+|[^\s0-9{_LATIN}]")
_HUMPS = re.compile(r"[A-Z]?[^A-Z]+|[A-Z]+")
_VOWEL = re.compile(r"[aeiouy\u00c0-\u024f\u1e00-\u1eff]")
_UNSPEAKABLE = re.compile(
    r"[^aeiouy\u00c0-\u024f\u1e00-\u1eff]{5}|[aeiou]{4}|[jqxz][^aeiouy]|[^aeiouyl]j|uu|[hjkqvwxy]{3}"
)
_PER_SIGN = {1: 1.0, 2: 1.0, 3: 1.5, 4: 2.0}
_PER_LETTER = {2: 0.6, 3: 1.0, 4: 2.0}
"""By bytes of UTF-8, beyond the Latin script."""


_known: dict[tuple[int, int], int] = {}  # by hash: the texts themselves are people's, and not kept


def estimate_tokens(text: str) -> int:
    """Tokens of a text, rather too many than too few: the models' vocabularies differ.

    The rates were fitted to OpenAI's o200k. Prose in English comes out a quarter too high, text without words (keys,
    tables, base64) about right; `tests/common/test_tokens.py` compares them.
    """
    place = hash(text), len(text)
    known = _known.get(place)
    if known is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        known = _known[place] = min(round(MARGIN * sum(map(_tokens, _PARTS.findall(text)))), most_tokens(text))
    return known


def most_tokens(text: str) -> int:
    """What a text is at most: vocabularies that are built on bytes need no more tokens than there are bytes (UTF-8)."""
    return len(text.encode("utf-8", "surrogatepass"))


def _tokens(part: str) -> float:
    first = part[0]
    if first.isascii() and not first.isalpha():
        return -(-len(part) // 3) if first.isdigit() else min(len(part), 2) if first.isspace() else 1
    if first < "\u0250" or "\u1e00" <= first <= "\u1eff":
        return sum(map(_tokens_of_word, _HUMPS.findall(part))) if first.isalpha() else 1
    rates = _PER_LETTER if first.isalpha() else _PER_SIGN
    return rates[len(first.encode("utf-8", "surrogatepass"))]


def _tokens_of_word(word: str) -> int:
    """Vocabularies have most words that can be spoken, whole or in a few parts, and of other strings only bits."""
    length = len(word)
    if length <= 2:
        return length if not word.isascii() else 1
    if word.isupper():
        return -(-length // 2)
    lower = word.lower()
    is_word = 0.15 <= len(_VOWEL.findall(lower)) / length <= 0.75 and not _UNSPEAKABLE.search(lower)
    if not is_word:
        return -(-length * 3 // 4)
    parts = 1 if length <= 6 else 2 if length <= 9 else -(-length // 3)
    return parts if word.isascii() else parts + 1
