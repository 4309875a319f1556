"""What is kept about end users here: how it is exported, and how it is erased."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model, Q, QuerySet

from chatify.accounts.models import EndUser
from chatify.accounts.personal_data import Holding, Page, blank_admin_log, register_holding
from chatify.matchmaking.access import OBJECT_RELATED
from chatify.matchmaking.models import Block, MatchTicket, Report
from chatify.matchmaking.objects import block_object, ticket_object
from chatify.matchmaking.purging import PURGED_AT_ONCE, delete_tickets
from chatify.matchmaking.rooms import end_room
from chatify.matchmaking.tickets import Status, close, database_now, in_one_go, lock_tied

READ_AT_ONCE = 50
ERASED = "erased"

_NOT_TOLD = ("user", "proposal", "disclosure", "reason", "ws_url")
"""Of match tickets: told elsewhere, no data, or about somebody else, too."""


def register_holdings() -> None:
    """Said by the app when it is ready."""
    register_holding(Holding("match_tickets", export=_tickets, leave=leave_queue, erase=_erase))
    register_holding(Holding("blocks", export=_blocks))
    register_holding(Holding("reports", export=_reports))


def leave_queue(end_user: EndUser) -> None:
    """Nobody meets them any more: their ticket is closed, who was asked about them goes on, who is with them in a room
    is told that it is over."""
    in_one_go(partial(_leave, end_user.id))


def _leave(end_user_id: UUID) -> None:
    live = MatchTicket.objects.live().filter(end_user=end_user_id)
    locked = lock_tied(list(live.values_list("id", flat=True)))
    for ticket in [one for one in locked.values() if one.end_user_id == end_user_id]:
        if ticket.status == Status.MATCHED_HUMAN and ticket.room_id is not None:
            end_room(ticket.room_id, locked, leaver=end_user_id)
        if ticket.closed_at is None:
            status = Status.CANCELLED if ticket.status == Status.WAITING else None
            close(ticket, locked, now=database_now(), reason=ERASED, status=status)


def _erase(end_user: EndUser) -> None:
    """Also blocks and reports by others: they say of somebody what nobody may know any more."""
    leave_queue(end_user)  # if the application has queued them again meanwhile
    tickets = MatchTicket.objects.filter(end_user=end_user).order_by("id").values_list("id", flat=True)
    while ids := list(tickets[:PURGED_AT_ONCE]):
        delete_tickets(ids)
    _delete(Block.objects.filter(Q(blocker=end_user) | Q(blocked=end_user)))
    _delete(Report.objects.filter(Q(reporter=end_user) | Q(reported=end_user)))


@transaction.atomic
def _delete(rows: QuerySet[Any]) -> None:
    model: type[Model] = rows.model
    ids = list(rows.select_for_update().order_by("id").values_list("id", flat=True))
    blank_admin_log(model, ids)
    model._base_manager.filter(pk__in=ids).delete()


# Exports ------------------------------------------------------------------------------------------


def _tickets(end_user: EndUser, after: UUID | None) -> Page:
    rows = MatchTicket.objects.filter(end_user=end_user).select_related(*OBJECT_RELATED)
    found = _page(rows, after)
    told = [{name: one for name, one in ticket_object(row, "").items() if name not in _NOT_TOLD} for row in found]
    return told, _next(found)


def _blocks(end_user: EndUser, after: UUID | None) -> Page:
    """Their own; who has blocked them is others' to know."""
    found = _page(Block.objects.filter(blocker=end_user), after)
    return [block_object(row) for row in found], _next(found)


def _reports(end_user: EndUser, after: UUID | None) -> Page:
    """Those that they made; who has reported them is others' to know."""
    found = _page(Report.objects.filter(reporter=end_user), after)
    told = ("id", "chat_session_id", "reason", "comment", "created_at")
    return [{name: getattr(row, name) for name in told} for row in found], _next(found)


def _page(rows: QuerySet[Any], after: UUID | None) -> list[Any]:
    return list((rows.filter(id__gt=after) if after else rows).order_by("id")[:READ_AT_ONCE])


def _next(found: list[Any]) -> UUID | None:
    return found[-1].id if len(found) == READ_AT_ONCE else None
