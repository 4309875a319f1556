"""The ten seconds: whoever has waited for so long gets a personality to talk to, and stays in the queue meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models.functions import Now

from chatify.accounts.models import EndUser
from chatify.common.errors import ChatifyError
from chatify.matchmaking.meeting import write_moved
from chatify.matchmaking.models import MatchTicket
from chatify.matchmaking.objects import REASON
from chatify.matchmaking.tickets import Status, database_now, tell
from sessions.models import ChatSession
from sessions.personalities import choose_personality, menu_for, satisfaction_of
from sessions.starting import new_chat_session, save_chat_sessions
from templates_app.catalogue import Menu

SERVED_AT_ONCE = 50

log = structlog.get_logger(__name__)


class Served(NamedTuple):
    """What came of a batch: those who got a personality, and those for whom there is none, with the error's code."""

    tickets: Sequence[MatchTicket] = ()
    left_out: Mapping[UUID, str] = {}
    now: datetime | None = None


def menus_of(tenant_ids: Collection[UUID]) -> dict[UUID, Menu]:
    """What is on offer to these tenants. To be read before a transaction: in one it is read anew each time."""
    return {tenant_id: menu_for(tenant_id, None) for tenant_id in tenant_ids}


@transaction.atomic
def serve(ticket_ids: Collection[UUID], menus: Mapping[UUID, Menu]) -> Served:
    """Give a personality to those of these people who are due. Those that another process is at are left to it.

    Raises IntegrityError when one of them, or a personality, is gone; Moved.
    """
    due = MatchTicket.objects.waiting().filter(id__in=ticket_ids, deadline__lte=Now(), tenant__in=menus)
    tickets = list(due.select_for_update(skip_locked=True).order_by("id"))
    if not tickets:
        return Served()
    started, left_out = _start(tickets, menus)
    if not started:
        return Served(left_out=left_out)
    save_chat_sessions(list(started.values()))
    now = database_now()
    served = _hand_out(tickets, started, now)
    return Served(served, left_out, now)


def _start(
    tickets: Sequence[MatchTicket], menus: Mapping[UUID, Menu]
) -> tuple[dict[UUID, ChatSession], dict[UUID, str]]:
    """Chat sessions, not yet saved, by ticket; and for whom there is nobody."""
    people = EndUser.objects.in_bulk([one.end_user_id for one in tickets])
    satisfied = satisfaction_of(list(people))
    started: dict[UUID, ChatSession] = {}
    left_out: dict[UUID, str] = {}
    for ticket in tickets:
        end_user = people.get(ticket.end_user_id)
        if end_user is None:
            left_out[ticket.id] = "user_erased"
            continue
        try:
            started[ticket.id] = _start_one(ticket, end_user, menus[ticket.tenant_id], satisfied)
        except ChatifyError as error:
            left_out[ticket.id] = error.code
    return started, left_out


def _start_one(
    ticket: MatchTicket, end_user: EndUser, menu: Menu, satisfied: Mapping[UUID, Mapping[UUID, float]]
) -> ChatSession:
    """Whom they asked for may be gone by now, or not for them any more: then it is the one that fits."""
    wanted = menu.offers.get(ticket.template)
    is_possible = wanted is not None and (end_user.is_adult or not wanted.is_for_adults)
    slug = ticket.template if is_possible else None
    template, choice = choose_personality(menu, end_user, slug, "", satisfied.get(end_user.id, {}))
    metadata = {"match_ticket": str(ticket.id), "reason": REASON}
    return new_chat_session(end_user, template, choice, metadata=metadata)


def _hand_out(tickets: Sequence[MatchTicket], started: Mapping[UUID, ChatSession], now: datetime) -> list[MatchTicket]:
    served = [one for one in tickets if one.id in started]
    for ticket in served:
        ticket.status, ticket.served_at, ticket.version = Status.WITH_CHATBOT, now, ticket.version + 1
        ticket.chat_session_id = started[ticket.id].id
    write_moved(served, "chat_session_id")
    tell("match.chatbot", *served)
    return served
