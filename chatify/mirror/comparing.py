"""A document of a personality beside ours: has somebody edited it, and on top of what? Pure: it knows no rows.

Each document that we write carries a digest of what we wrote. As long as that fits, nobody else has touched the
document, however old it is; when it does not fit, it still says on which state of ours the edit was made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from chatify.common.strict_json import is_storable
from templates_app.actions import Draft
from templates_app.checks import with_plain_newlines

DIGEST = "digest"
OWN = ("name", "description", "greeting", "welcome_back", "goodbye", "adult_only", "is_active")
VERSIONED = tuple(one.name for one in fields(Draft))
TAKEN = (*OWN, *VERSIONED)
"""What may be edited in Firestore."""

FIXED = ("slug", "tenant", "is_default")
"""What is decided here only."""

_UNSIGNED = (DIGEST, "created_at", "updated_at")
_STRIPPED = ("name", "description", "greeting", "welcome_back", "goodbye", "model")


class Outcome(StrEnum):
    """What a document is to us."""

    SAME = "same"
    STALE = "stale"  # as we once wrote it
    EDIT = "edit"
    CONFLICT = "conflict"
    NEW = "new"
    REFUSED = "refused"
    LEFTOVER = "leftover"  # as we once wrote it, of a personality that is not there


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing has found. `values` are those that differ from ours, or all of a new one."""

    outcome: Outcome
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    must_restore: bool = False
    """Theirs must not stay in Firestore until somebody has looked at it."""


def compare(
    document: Mapping[str, Any],
    ours: Mapping[str, Any] | None,
    past: Mapping[str, Any] | None = None,
    also_ours: Collection[str] = (),
) -> Verdict:
    """What a document is, beside the payload that we would write now (None: there is no such personality).

    `past` is our version of the number that the document names, if there is one. `also_ours` are the bases that have
    become ours by nothing but edits in Firestore. A field that the document lacks is as ours.
    """
    if is_untouched(document):
        return _verdict_of_untouched(document, ours)
    values, problems = read(document)
    if problems:
        return Verdict(Outcome.REFUSED, problems=problems)
    if ours is None:
        return Verdict(Outcome.CONFLICT if DIGEST in document else Outcome.NEW, values)
    changed = {name: value for name, value in values.items() if value != _normal(name, ours[name])}
    fixed = tuple(name for name in FIXED if document.get(name) is not None and document[name] != ours[name])
    if not changed:
        return Verdict(Outcome.REFUSED, problems=_told(fixed), must_restore=True) if fixed else Verdict(Outcome.SAME)
    if base_of(document) in also_ours or _is_on_ours(document, ours):
        return _verdict_of_edit(changed, _told(fixed))
    if past is not None and DIGEST not in document and _is_old_copy(values, changed, past):
        return Verdict(Outcome.STALE)
    return Verdict(Outcome.CONFLICT, changed)


def sign(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with its digest."""
    return {**payload, DIGEST: digest_of(payload)}


def digest_of(document: Mapping[str, Any]) -> str:
    """Of all that a document holds, except for its times: 1 and 1.0 are the same."""
    signed = {name: value for name, value in document.items() if name not in _UNSIGNED}
    return hashlib.sha256(json.dumps(plain(signed), sort_keys=True).encode()).hexdigest()


def is_untouched(document: Mapping[str, Any]) -> bool:
    """Whether it is as one of us wrote it."""
    return DIGEST in document and document[DIGEST] == digest_of(document)


def base_of(document: Mapping[str, Any]) -> str:
    """Which state of ours a document was made from; empty: it does not say, so the current one."""
    if isinstance(document.get(DIGEST), str):
        return str(document[DIGEST])
    number = version_of(document)
    return "" if number is None else f"version {number}"


def version_of(document: Mapping[str, Any]) -> int | None:
    """The number of our version that it names."""
    number = document.get("version")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def plain(value: Any) -> Any:
    """A value of Firestore as JSON can hold it, and PostgreSQL store it; every number as a float."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if is_storable(value) else value.encode("utf-8", "replace").decode().replace("\0", "␀")
    if isinstance(value, int | float):
        return _plain_number(value)
    if isinstance(value, Mapping):
        return {str(plain(str(name))): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return _plain_other(value)


# The fields ---------------------------------------------------------------------------------------


def read(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The values of what may be edited, in the form in which they are stored, and what is wrong with their types."""
    values: dict[str, Any] = {}
    problems = []
    for name in TAKEN:
        value = document.get(name)
        if value is None:
            continue
        is_right, expected = _TYPES[name]
        if is_right(value):
            values[name] = _normal(name, value)
        else:
            problems.append(f"{name}: This has to be {expected}.")
    return values, tuple(problems)


def _normal(name: str, value: Any) -> Any:
    """As the admin's form would give it."""
    if name == "personality_traits":
        return tuple(dict.fromkeys(text for one in value if (text := " ".join(one.split()))))
    if name == "temperature":
        return float(value)
    if isinstance(value, str):
        value = with_plain_newlines(value)
        return value.strip() if name in _STRIPPED else value
    return value if isinstance(value, bool) else int(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_storable(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == int(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_is_text(one) for one in value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


_TEXT = (_is_text, "a text without NUL")
_TYPES: Mapping[str, tuple[Callable[[Any], bool], str]] = dict.fromkeys(TAKEN, _TEXT) | {
    "temperature": (_is_number, "a number"),
    "max_tokens": (_is_whole, "a whole number"),
    "context_tokens": (_is_whole, "a whole number"),
    "personality_traits": (_is_texts, "a list of texts"),
    "adult_only": (_is_bool, "true or false"),
    "is_active": (_is_bool, "true or false"),
}


# What it was made from ----------------------------------------------------------------------------


def _verdict_of_untouched(document: Mapping[str, Any], ours: Mapping[str, Any] | None) -> Verdict:
    if ours is None:
        return Verdict(Outcome.LEFTOVER)
    if document[DIGEST] == ours[DIGEST]:
        return Verdict(Outcome.SAME)
    if (version_of(document) or 0) <= ours["version"]:
        return Verdict(Outcome.STALE)
    values, problems = read(document)  # of a database that is no more: ours was restored from an older copy
    changed = {name: value for name, value in values.items() if value != _normal(name, ours[name])}
    return Verdict(Outcome.CONFLICT, changed, problems)


def _verdict_of_edit(changed: Mapping[str, Any], problems: tuple[str, ...]) -> Verdict:
    if changed.get("adult_only") is False:
        problem = "adult_only: A personality for adults stays one. Write a new one that is for everybody."
        return Verdict(Outcome.REFUSED, problems=(problem,), must_restore=True)
    return Verdict(Outcome.EDIT, changed, problems)


def _is_on_ours(document: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    if DIGEST in document:
        return bool(document[DIGEST] == ours[DIGEST])
    number = version_of(document)
    return number is None or number >= ours["version"]


def _is_old_copy(values: Mapping[str, Any], changed: Mapping[str, Any], past: Mapping[str, Any]) -> bool:
    """Whether nothing differs from ours but what that version of ours had otherwise, too."""
    return all(name in VERSIONED and values[name] == _normal(name, past[name]) for name in changed)


def _told(fixed: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}: This is decided in the admin and was not taken." for name in fixed)


def _plain_number(value: float) -> Any:
    try:
        number = float(value)
    except OverflowError:
        return str(value)
    return number if math.isfinite(number) else str(number)


def _plain_other(value: Any) -> str:
    """References, places, bytes: never their repr, which may hold an address in memory."""
    if isinstance(value, bytes):
        return value.hex()
    known = [str(getattr(value, name)) for name in ("path", "latitude", "longitude") if hasattr(value, name)]
    return f"{type(value).__name__} {' '.join(known)}".strip()
