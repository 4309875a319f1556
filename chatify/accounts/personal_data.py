"""Where data about an end user is kept: each app says how to export and how to erase its own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from chatify.accounts.models import EndUser

Page = tuple[list[dict[str, Any]], Any]
"""Some objects for JSON (dates and UUIDs may be as they are), and where to go on after them: None at the end."""

ERASED = "(erased)"


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of data about end users. What a kind has no need for is left out.

    `export` reads one page: the first after None, each other one after what the page before gave. A page may be empty
    without being the last, and may be read twice.
    `leave` is the beginning of an erasure's first transaction: they leave what they are in with others, who are told.
    It comes before anything else is locked, since match tickets are locked before chat sessions.
    `hide` is part of the same transaction: from then on nobody sees the data, and what runs stops.
    `erase` removes the data for good, in transactions of its own. It is called again when the first time was cut short,
    or when something came in meanwhile, and has to find that.
    `tell` is part of the last transaction, in which the end user's own row goes.
    """

    name: str
    export: Callable[[EndUser, Any], Page] | None = None
    leave: Callable[[EndUser], None] | None = None
    hide: Callable[[EndUser], None] | None = None
    erase: Callable[[EndUser], None] | None = None
    tell: Callable[[EndUser], None] | None = None


_holdings: dict[str, Holding] = {}


def register_holding(holding: Holding) -> None:
    """Say that there is data of this kind; said by each app when it is ready. The name stands in exports."""
    _holdings[holding.name] = holding


def holdings() -> list[Holding]:
    """All kinds, in the order in which they were registered: what is further on refers to what comes before."""
    return list(_holdings.values())


def blank_admin_log(model: type[Model], ids: Collection[UUID]) -> None:
    """Take what Django's admin calls these rows (a name, a title) out of its log. Who did what to which id stays."""
    entries = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
    entries.filter(object_id__in=[str(id_) for id_ in ids]).update(object_repr=ERASED)
