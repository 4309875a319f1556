"""The words that the stub model streams: each one says its place in the reply and when it was sent.

Digits are written with the letters a to p, so that a reply looks like prose to whatever scans it for
telephone or card numbers. Clocks are the machine's monotonic one, which all its processes share.
"""

import re
import time
from typing import NamedTuple

_LETTERS = "abcdefghijklmnop"
_TO_LETTERS = str.maketrans("0123456789abcdef", _LETTERS)
_TO_DIGITS = str.maketrans(_LETTERS, "0123456789abcdef")
_CLOCK_MASK = (1 << 40) - 1
_WORD = re.compile(r"(?:R([a-p]{10}))?T([a-p]{3})([a-p]{10}) ")

MAX_TOKENS = 1 << 12
TOKEN_LENGTH = 15
FIRST_TOKEN_LENGTH = 26


class Token(NamedTuple):
    """One word of a reply; times in microseconds. Only the first says when its request arrived."""

    place: int
    sent: int
    request_arrived: int | None


def clock() -> int:
    """Microseconds of the monotonic clock; wraps after twelve days of uptime, see `elapsed`."""
    return time.monotonic_ns() // 1000 & _CLOCK_MASK


def elapsed(start: int, end: int) -> int:
    """Microseconds from `start` to `end`, also across a wrap; negative when `end` is earlier."""
    difference = (end - start) & _CLOCK_MASK
    return difference if difference <= _CLOCK_MASK >> 1 else difference - _CLOCK_MASK - 1


def write_token(index: int, sent: int) -> str:
    """A token of `TOKEN_LENGTH` ASCII characters, the space behind it included."""
    return f"T{f'{index:03x}{sent:010x}'.translate(_TO_LETTERS)} "


def write_first_token(request_arrived: int, sent: int) -> str:
    """Token 0, of `FIRST_TOKEN_LENGTH` characters: it also carries when the request arrived."""
    return f"R{f'{request_arrived:010x}'.translate(_TO_LETTERS)}{write_token(0, sent)}"


def read_tokens(text: str) -> list[Token]:
    """The tokens that `text` holds, in its order."""
    return [
        Token(_number(index), _number(sent), _number(arrived) if arrived else None)
        for arrived, index, sent in _WORD.findall(text)
    ]


def _number(letters: str) -> int:
    return int(letters.translate(_TO_DIGITS), 16)
