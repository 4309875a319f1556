"""The steps of a look, each for several at once and under locks; and how one of them that fails holds up nobody."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, transaction

from chatify.common.errors import Unavailable
from chatify.matchmaking import meters
from chatify.matchmaking.meeting import Pair, blocks_among, correct_bands, open_rooms
from chatify.matchmaking.pairing import Candidate
from chatify.matchmaking.tickets import Moved, Status, close, database_now, lock_tied

UNSEEN = timedelta(seconds=30)
"""Who waits and was not seen for so long meets nobody, and is gone."""

FORGOTTEN = timedelta(minutes=5)
"""Who was here at their deadline gets a personality even if all servers were away then, if there is one; but not after
so long."""

AWAY = (OperationalError, InterfaceError)
EXPECTED = (Moved, IntegrityError, Unavailable)
"""What may happen to a ticket that others are at. Anything else is a mistake of ours."""

Found = tuple[Candidate, Candidate]
T = TypeVar("T")
log = structlog.get_logger(__name__)


@transaction.atomic
def meet(found: Sequence[Found]) -> list[Found]:
    """Let those of these pairs meet who both still wait, as they were seen. Gives them.

    Whom another process is at is left to it. Raises Moved; IntegrityError when somebody is being erased.
    """
    locked = lock_tied([one.ticket_id for pair in found for one in pair], is_patient=False)

    def is_as_seen(one: Candidate) -> bool:
        row = locked.get(one.ticket_id)
        return row is not None and row.version == one.version and row.status == Status.WAITING and not row.closed_at

    there = [pair for pair in found if all(map(is_as_seen, pair))]
    blocked = blocks_among({one.end_user_id for pair in there for one in pair}) if there else set()
    now = database_now()
    moved = correct_bands([locked[one.ticket_id] for pair in there for one in pair], locked, now=now)
    met = [pair for pair in there if people_of(pair) not in blocked and moved.isdisjoint(one.ticket_id for one in pair)]
    if met:
        open_rooms([Pair(one.ticket_id, other.ticket_id) for one, other in met], locked, now=now)
    return met


@transaction.atomic
def expire(ticket_ids: Sequence[UUID], left_out: Collection[UUID] = ()) -> list[UUID]:
    """Close the tickets of those who wait and are gone. Whom somebody is at is there after all. For those who are
    `left_out` there is no personality. Raises Moved."""
    locked = lock_tied(ticket_ids, is_patient=False)
    now = database_now()
    gone = [
        row
        for id_ in ticket_ids
        if (row := locked.get(id_)) is not None
        and row.status == Status.WAITING
        and row.closed_at is None
        and is_gone(row.seen_at, row.deadline, now, id_ in left_out)
    ]
    for row in gone:
        close(row, locked, now=now, reason="not_seen", status=Status.EXPIRED)
    return [row.id for row in gone]


@transaction.atomic
def correct(ticket_ids: Sequence[UUID]) -> list[UUID]:
    """Put these into the age bands of their people, if they are in no room. Whom somebody is at is passed over. Gives
    those that were in another one. Raises Moved."""
    locked = lock_tied(ticket_ids, is_patient=False)
    live = [row for id_ in ticket_ids if (row := locked.get(id_)) is not None and row.closed_at is None]
    free = [row for row in live if row.status != Status.MATCHED_HUMAN]
    return list(correct_bands(free, locked, now=database_now()))


def is_here(seen_at: datetime, now: datetime) -> bool:
    """Whether somebody who waits was seen so lately that others may meet them."""
    return now - seen_at <= UNSEEN


def is_gone(seen_at: datetime, deadline: datetime, now: datetime, is_left_out: bool = False) -> bool:
    """Whether somebody who waits is not here any more. Who was here when they were due gets what is due to them, even
    if that is late, but for those who are left out: there is nothing for them."""
    if is_here(seen_at, now):
        return False
    was_here = is_here(seen_at, min(now, deadline)) and now - seen_at <= FORGOTTEN + UNSEEN
    return is_left_out or not was_here


def people_of(pair: Found) -> frozenset[UUID]:
    """Who they are, as blocks name them."""
    return frozenset(one.end_user_id for one in pair)


def in_halves(
    items: Sequence[T], work: Callable[[Sequence[T]], list[T]], give_up: Callable[[T, Exception], None]
) -> list[T]:
    """Do it for all at once; where that fails, for each half of them, so that one who is gone, or whom nobody has
    thought of, holds up nobody. Raises OperationalError and InterfaceError: the database is away from all."""
    try:
        return work(items)
    except AWAY:
        raise
    except Exception as error:  # not only what is expected: people of all tenants are in the queue
        if len(items) == 1:
            if not isinstance(error, EXPECTED):
                _report_failure()
            give_up(items[0], error)
            return []
    middle = len(items) // 2
    return in_halves(items[:middle], work, give_up) + in_halves(items[middle:], work, give_up)


def do_apart(step: Callable[[], object]) -> None:
    """Do something that is not to hold up the rest of the look. Raises OperationalError, InterfaceError."""
    try:
        step()
    except AWAY:
        raise
    except Exception:
        _report_failure()


def _report_failure() -> None:
    meters.failures.inc()
    log.exception("match_step_failed")
