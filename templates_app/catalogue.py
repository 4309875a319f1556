"""The personalities on offer and the rules of selection, kept in the memory of each process.

What is kept for a tenant is good as long as its revision says the same: when each of its personalities and rules was
changed last, which the database is asked for at most every second, and only when somebody wants to know. A change in
this process drops all at once, a change in another one when the doorbell tells (see `chatify.turns.relay`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from time import monotonic
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q

from chatify.events.bus import Event
from templates_app.models import PromptTemplate, SelectionRule
from templates_app.selection import Offer, Rule, Words

KEPT_SECONDS = 1.0
MAX_TENANTS = 1000
MAX_RULES = 200
"""Of a tenant, everybody's among them: all of them are compared with every message."""

CATALOGUE_EVENTS = frozenset({"template.changed", "template.deleted", "rule.changed"})
"""After these it has to be read again, here and in all processes."""

Revision = frozenset[tuple[UUID, datetime]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Menu:
    """What a tenant's people may choose from. The rows are shared by all who ask: they are only read."""

    templates: Mapping[str, PromptTemplate] = field(default_factory=dict)
    offers: Mapping[str, Offer] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    revision: Revision = frozenset()
    asked_at: float = float("-inf")

    def template_of(self, template_id: UUID) -> PromptTemplate:
        """The personality of an offer."""
        return next(row for row in self.templates.values() if row.id == template_id)


class Catalogue:
    """The menus of the tenants that were asked for lately. Any thread may ask."""

    def __init__(self) -> None:
        self._menus: OrderedDict[UUID, Menu] = OrderedDict()
        self._lock = Lock()

    def menu(self, tenant_id: UUID, *, max_age: float = KEPT_SECONDS) -> Menu:
        """What is on offer to a tenant, as it was at most `max_age` seconds ago.

        In a transaction the database itself is read: it may hold changes that nobody else must see yet.
        """
        if connection.in_atomic_block:
            return _read(tenant_id)
        menu = self.known(tenant_id, max_age=max_age)
        return menu if menu is not None else self._refresh(tenant_id)

    def known(self, tenant_id: UUID, *, max_age: float = KEPT_SECONDS) -> Menu | None:
        """The same from memory only, so that event loops may ask; None if it is older, or not there."""
        with self._lock:
            menu = self._menus.get(tenant_id)
        return menu if menu is not None and monotonic() - menu.asked_at <= max_age else None

    def forget(self) -> None:
        """Something has changed: read all again when it is wanted."""
        with self._lock:
            self._menus.clear()

    def heard(self, event: Event) -> None:
        """For `bus.listen`."""
        if event.name in CATALOGUE_EVENTS:
            self.forget()

    def _refresh(self, tenant_id: UUID) -> Menu:
        asked_at = monotonic()  # before the database is asked: what changes while it answers is found the next time
        with self._lock:
            menu = self._menus.get(tenant_id)
        if menu is not None and menu.revision == _revision(tenant_id):
            menu = replace(menu, asked_at=asked_at)
        else:
            menu = _read(tenant_id, asked_at)
        with self._lock:
            self._menus[tenant_id] = menu
            self._menus.move_to_end(tenant_id)
            while len(self._menus) > MAX_TENANTS:
                self._menus.popitem(last=False)
        return menu


catalogue = Catalogue()
"""That of this process."""


def _read(tenant_id: UUID, asked_at: float = float("-inf")) -> Menu:
    """Read a menu. Its revision is read first, or a change in between would not be seen."""
    revision = _revision(tenant_id)
    default = PromptTemplate.objects.existing().filter(is_default=True, slug=OuterRef("slug"))
    rows = PromptTemplate.objects.on_offer_to(tenant_id).select_related("current_version")
    rows = rows.defer("welcome_back", "goodbye", "current_version__system_prompt")
    # A tenant's own in place of the shared default stands in for it, unless it is for adults.
    rows = rows.order_by("adult_only", Exists(default).desc(), "created_at")
    templates = {row.slug: row for row in rows}
    offered = {slug: Offer(row.id, slug, row.name, row.adult_only) for slug, row in templates.items()}
    return Menu(templates, offered, _read_rules(tenant_id), revision, asked_at)


def _read_rules(tenant_id: UUID) -> tuple[Rule, ...]:
    """The tenant's own and everybody's; of one priority its own go first. What is more than MAX_RULES is left out."""
    rows = SelectionRule.objects.filter(_of(tenant_id), is_active=True).select_related("template")
    in_order = rows.order_by("priority", F("tenant").asc(nulls_last=True), "id")[: MAX_RULES + 1]
    found = [
        Rule(row.name, row.template.slug, Words.of(row.words) if row.words else None, frozenset(row.parts_of_day))
        for row in in_order
    ]
    if len(found) > MAX_RULES:
        log.warning("selection_rules_left_out", tenant_id=str(tenant_id), most=MAX_RULES)
    return tuple(found[:MAX_RULES])


def _revision(tenant_id: UUID) -> Revision:
    """When each was changed. Not the latest of all: the later of two changes may be the first to be committed."""
    templates = PromptTemplate.objects.filter(_of(tenant_id)).order_by().values_list("id", "updated_at")
    changed = SelectionRule.objects.filter(_of(tenant_id)).order_by().values_list("id", "updated_at")
    return frozenset(templates.union(changed, all=True))


def _of(tenant_id: UUID) -> Q:
    return Q(tenant=tenant_id) | Q(tenant=None)
