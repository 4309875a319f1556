"""What of a document is not as it should be. Pure: it knows no rows and no Firestore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

MAX_SHOWN = 60
"""So many characters of a value are shown."""

_NOTHING = object()


class What(StrEnum):
    """What is the matter with a document."""

    DIFFERS = "differs"
    MISSING = "missing in Firestore"
    EXTRA = "only in Firestore"
    FOREIGN = "not written by Chatify"


class FieldDifference(NamedTuple):
    """A field of which both sides say something else, as it is shown; empty: that side has no such field."""

    name: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        if not self.theirs:
            return f"{self.name}: missing in Firestore, database {self.ours}"
        if not self.ours:
            return f"{self.name}: only in Firestore, {self.theirs}"
        return f"{self.name}: Firestore {self.theirs}, database {self.ours}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A document that is not as it should be."""

    path: str
    what: What
    fields: tuple[FieldDifference, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        head = f"{self.path}: {self.what}" + (f" ({self.note})" if self.note else "")
        return "\n".join([head, *(f"    {field}" for field in self.fields)])


def find(path: str, theirs: Mapping[str, Any] | None, ours: Mapping[str, Any] | None) -> Finding | None:
    """Compare a document (None: it is not there) with what it should hold (None: it should not be there)."""
    if theirs is None:
        return None if ours is None else Finding(path, What.MISSING)
    if ours is None:
        return Finding(path, What.EXTRA)
    fields = differences(theirs, ours)
    return Finding(path, What.DIFFERS, fields) if fields else None


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[FieldDifference, ...]:
    """The fields that differ, by name."""
    found = []
    for name in sorted({*theirs, *ours}):
        there, here = theirs.get(name, _NOTHING), ours.get(name, _NOTHING)
        if not are_same(there, here):
            found.append(FieldDifference(name, *_shown(there, here)))
    return tuple(found)


def are_same(theirs: Any, ours: Any) -> bool:
    """Whether two values are the same to a reader: 1 is 1.0, but True is not 1."""
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return theirs is ours
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        return theirs.keys() == ours.keys() and all(are_same(theirs[name], ours[name]) for name in theirs)
    if isinstance(theirs, list | tuple) and isinstance(ours, list | tuple):
        return len(theirs) == len(ours) and all(map(are_same, theirs, ours))
    return bool(theirs == ours)


def _shown(theirs: Any, ours: Any) -> tuple[str, str]:
    """Both values, cut; long texts from shortly before the place where they part."""
    start = 0
    if isinstance(theirs, str) and isinstance(ours, str):
        start = max(0, _common_length(theirs, ours) - MAX_SHOWN // 3)
    return _cut(theirs, start), _cut(ours, start)


def _cut(value: Any, start: int) -> str:
    if value is _NOTHING:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if not isinstance(value, str):
        text = repr(value)
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    part = value[start : start + MAX_SHOWN]
    # repr: line breaks and what moves a terminal's cursor stay visible.
    return f"{'…' if start else ''}{part!r}{'…' if start + MAX_SHOWN < len(value) else ''}"


def _common_length(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
