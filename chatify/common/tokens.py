"""How many tokens a text is, without the tokenizer of whichever model reads it."""

from __future__ import annotations

import re

_PARTS = re.compile(r"[A-Za-z]+|[0-9]+|[^\S\n]{2,}|\n+|[^\sA-Za-z0-9]")


def estimate_tokens(text: str) -> int:
    """Tokens of a text, rather too many than too few: the models' vocabularies differ.

    A word is a token per four letters begun, a number one per three digits. Every other sign is one of its own, and
    what is not ASCII one per two bytes of UTF-8.
    """
    return sum(map(_tokens, _PARTS.findall(text)))


def most_tokens(text: str) -> int:
    """What a text is at most: vocabularies that are built on bytes need no more tokens than there are bytes (UTF-8)."""
    return len(text.encode("utf-8", "surrogatepass"))


def _tokens(part: str) -> int:
    first = part[0]
    if first.isascii():
        return 1 if not first.isalnum() else -(-len(part) // (3 if first.isdigit() else 4))
    return -(-len(first.encode("utf-8", "surrogatepass")) // 2)
