"""Where data about an end user is kept: each app says how to export and how to erase its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of data about end users.

    `export` gives what there is as objects for JSON, oldest first, a few rows at a time. `erase` removes it for good;
    it may be called again when the first time was cut short, and runs in transactions of its own.
    """

    name: str
    export: Callable[[UUID], Iterator[dict[str, Any]]]
    erase: Callable[[UUID], None]


_holdings: dict[str, Holding] = {}


def register_holding(holding: Holding) -> None:
    """Say that there is data of this kind; said by each app when it is ready."""
    _holdings[holding.name] = holding


def holdings() -> list[Holding]:
    """All kinds, in the order in which they are erased."""
    return list(_holdings.values())
