"""Match tickets under their locks: how they are taken, changed and closed. All writes of the queue are made of these.

The order of locks is: the end user, tickets by id, chat sessions by id, the rest. A ticket is locked together with
those that it is tied to, by a question that is open or by a room: what closes one changes the other. Who is tied to
whom is read before the locks and once more under them; if somebody has come in between, all is undone and begun anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from chatify.common.errors import Conflict, NotFound, Unavailable
from chatify.events.bus import Event, emit_all
from chatify.matchmaking.models import MatchProposal, MatchTicket
from sessions.models import ChatSession

TRIES = 10
RETRY_SECONDS = 1.0

Tickets = dict[UUID, MatchTicket]
State = MatchProposal.State
Status = MatchTicket.Status
T = TypeVar("T")


class Moved(Exception):
    """A ticket is not any more what it was when it was read."""


def database_now() -> datetime:
    """What time it is for the database: processes may disagree, and it decides."""
    if connection.vendor == "sqlite":  # in this process
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        now: datetime = cursor.fetchone()[0]
    return now


def in_one_go(work: Callable[[], T]) -> T:
    """Do something in one transaction, once more from the beginning if a ticket has moved meanwhile.

    Raises Unavailable when tickets go on moving all the time.
    """
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                return work()
        except Moved:
            continue
    raise Unavailable("This match ticket is changing all the time. Try again.", retry_after=RETRY_SECONDS)


@contextmanager
def among_the_erased() -> Iterator[None]:
    """Around a transaction that writes what refers to people: those may be erased in this moment, which foreign keys
    tell at its end. Raises Conflict (`user_erased`) then."""
    try:
        yield
    except IntegrityError:
        raise Conflict("This user is being erased.", code="user_erased") from None


# Locks --------------------------------------------------------------------------------------------


def lock_tied(ticket_ids: Collection[UUID], *, is_patient: bool = True) -> Tickets:
    """Lock these tickets and those that they are tied to. Those that are gone are missing in the answer.

    One that is not `is_patient` passes over what somebody else is at, which is missing, too. Raises Moved.
    """
    wanted = {*ticket_ids, *_ties_of(ticket_ids)}
    # Without joins: whoever waits for a row on PostgreSQL gets it as it is then, but joined with what it was before.
    rows = MatchTicket.objects.select_for_update(skip_locked=not is_patient).filter(id__in=wanted).order_by("id")
    locked = {row.id: row for row in rows}
    ties = _ties_of([id_ for id_ in ticket_ids if id_ in locked])
    if not ties <= wanted:
        raise Moved
    if not ties <= locked.keys():  # somebody else is at who is tied to one of them: which one does not matter
        raise Moved
    return locked


def lock_one(ticket_id: UUID) -> tuple[MatchTicket, Tickets]:
    """One ticket, with all that were locked for it. Raises NotFound, Moved."""
    locked = lock_tied([ticket_id])
    if ticket_id not in locked:
        raise NotFound("There is no such match ticket.")
    return locked[ticket_id], locked


def _ties_of(ticket_ids: Collection[UUID]) -> set[UUID]:
    """The live tickets that have to do with these: of the same open question, and of the same room."""
    live = MatchTicket.objects.live().order_by()
    mine = live.filter(id__in=ticket_ids)
    asked = live.filter(proposal__state=State.OPEN, proposal__in=mine.values("proposal"))
    beside = live.filter(room__in=mine.filter(room__isnull=False).values("room"))
    return set(asked.values_list("id", flat=True).union(beside.values_list("id", flat=True)))


# Changes ------------------------------------------------------------------------------------------


def change(ticket: MatchTicket, **changes: Any) -> None:
    """Write to a locked ticket. Raises Moved when it is not what was locked (SQLite knows no locks of rows)."""
    version = ticket.version + 1
    rows = MatchTicket.objects.filter(id=ticket.id, version=ticket.version)
    if not rows.update(version=version, **changes):
        raise Moved
    for name, value in {**changes, "version": version}.items():
        setattr(ticket, name, value)


def close(ticket: MatchTicket, locked: Tickets, *, now: datetime, reason: str, status: str | None = None) -> None:
    """Close a locked live ticket; whoever was to meet its person is told. `status` is where it ends, if elsewhere."""
    withdraw([ticket], locked, now=now)
    change(ticket, closed_at=now, close_reason=reason, status=status or ticket.status)
    tell("match.closed" if status is None else f"match.{status}", ticket)


def withdraw(tickets: Iterable[MatchTicket], locked: Tickets, *, now: datetime, but: UUID | None = None) -> None:
    """Close the open questions of locked tickets (`but` this one), since their people go elsewhere."""
    asked = {row.proposal_id for row in tickets if row.proposal_id is not None} - {but}
    if not asked:
        return
    open_ = MatchProposal.objects.filter(id__in=asked, state=State.OPEN)
    for proposal in open_.select_for_update().order_by("id"):
        end_proposal(proposal, locked, State.WITHDRAWN, now=now)


def end_proposal(
    proposal: MatchProposal,
    locked: Tickets,
    state: MatchProposal.State,
    *,
    now: datetime,
    ask_after: datetime | None = None,
) -> None:
    """An open question, locked with its tickets, is over, and the two do not meet. `ask_after` is when those who have
    not said yes are asked again."""
    MatchProposal.objects.filter(id=proposal.id).update(state=state, closed_at=now)
    willing = {proposal.first_id: proposal.is_first_willing, proposal.second_id: proposal.is_second_willing}
    for ticket_id, is_willing in willing.items():
        ticket = locked.get(ticket_id)
        if ticket is not None and ticket.closed_at is None:
            change(ticket, **({} if is_willing or ask_after is None else {"ask_after": ask_after}))
            tell("match.declined", ticket)


def tell(name: str, *tickets: MatchTicket) -> None:
    """Say that something happened to tickets, in the caller's transaction."""
    emit_all(Event(name, one.tenant_id, one.room_id or one.chat_session_id, one.id) for one in tickets)


# What is over -------------------------------------------------------------------------------------


def is_over(field: str) -> Q:
    """A condition on tickets: the chat session of this field (`room`, `chat_session`) has ended, or is gone."""
    ended = Q(**{f"{field}__status": ChatSession.Status.ENDED})
    return Q(**{f"{field}__isnull": True}) | ended | Q(**{f"{field}__deleted_at__isnull": False})


WITH_NOBODY = (Q(status=Status.MATCHED_HUMAN) & is_over("room")) | (
    Q(status=Status.WITH_CHATBOT) & is_over("chat_session")
)
"""Tickets of people whose room or chat session is over."""
