"""The one JSON parser for everything that comes from outside (DESIGN: input is everywhere the same).

Python's own parser takes NaN, duplicate keys, numbers that become infinite and nesting until the
interpreter gives up; PostgreSQL refuses NUL and lone surrogates where SQLite hides them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

from chatify.common.errors import InvalidInput, TooLarge

MAX_DEPTH = 32
MAX_DIGITS = 18
"""Longer integers fit neither a database column nor a JavaScript number."""

# Possessive, and with an end that may be missing: else an unclosed string costs the square of its length.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse(raw: bytes, *, max_bytes: int) -> Any:
    """Parse one JSON document of at most `max_bytes` bytes of UTF-8.

    Raises TooLarge, or InvalidInput with the field's dotted path where one is known.
    """
    if len(raw) > max_bytes:
        raise TooLarge(f"At most {max_bytes} bytes are taken here.")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput.at("", "not_utf8", f"Not UTF-8 at byte {error.start}.") from None
    _check_depth(raw)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidInput.at("", "not_json", f"Not JSON: {error.msg} at character {error.pos}.") from None
    if b"\\u" in raw:  # only an escape can smuggle them in: raw ones are not UTF-8, or not JSON
        _check_strings(value, "")
    return value


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can store the text: no NUL, no lone surrogate."""
    return _UNSTORABLE.search(text) is None


def _check_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise InvalidInput.at("", "too_deep", f"Nested deeper than {MAX_DEPTH} levels.")


def _check_strings(value: Any, path: str) -> None:
    if isinstance(value, str):
        if not is_storable(value):
            raise InvalidInput.at(path, "bad_characters", "NUL and lone surrogates are not allowed.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_strings(key, f"{path}.(key)".lstrip("."))
            _check_strings(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_strings(item, f"{path}.{index}".lstrip("."))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        field = twice if is_storable(twice) else ""
        raise InvalidInput.at(field, "duplicate_key", "This key stands here twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput.at("", "not_json", f"{name} is not JSON.")


def _int(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise InvalidInput.at("", "number_too_large", f"Integers have at most {MAX_DIGITS} digits.")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if abs(number) >= 10**MAX_DIGITS:  # PostgreSQL would give it back as an integer of that many digits
        raise InvalidInput.at("", "number_too_large", "This number is too large.")
    return number


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_int, parse_float=_float
)
