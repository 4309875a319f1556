"""One look at the queue: who meets whom, who gets a personality, who is asked, who is gone.

Every process looks for itself, and what it finds is only where to go: each change is checked under locks. So it does no
harm that two see the same, or that what is kept between looks is old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from chatify.matchmaking import meters
from chatify.matchmaking.candidates import Waiting, read_askable, read_waiting, refresh
from chatify.matchmaking.deadlines import SERVED_AT_ONCE, menus_of, serve
from chatify.matchmaking.leaving import settle_after, settle_all
from chatify.matchmaking.meeting import Pair, blocks_about, blocks_among, open_rooms
from chatify.matchmaking.pairing import Candidate
from chatify.matchmaking.pool import Pool, pair_off, pair_up
from chatify.matchmaking.proposals import expire_proposals, propose
from chatify.matchmaking.tickets import Moved, Status, close, database_now, lock_tied
from templates_app.catalogue import catalogue

UNSEEN = timedelta(seconds=30)
"""Who waits and was not seen for so long is gone."""

FORGOTTEN = timedelta(minutes=5)
"""Who was here at their deadline gets a personality even if all servers were away then; but not after so long."""

MET_AT_ONCE = 25
ASKED_AT_ONCE = 20
BLOCK_ROUNDS = 5
BUSY_SECONDS = 0.2
"""What can wait is left to the next look when one has taken so long: people are due meanwhile."""

ASKABLE_SECONDS, TALKING_SECONDS, PROPOSALS_SECONDS, SETTLE_SECONDS = 1.0, 2.0, 1.0, 5.0
HOLD_SECONDS = 1.0
BAN_SECONDS = 5.0

Found = tuple[Candidate, Candidate]
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Outlook(NamedTuple):
    """When to look again: in how many seconds somebody is due (None: nobody is), or at once, as there is more to do."""

    due_in: float | None = None
    is_more: bool = False


class Lookout:
    """Looks at the queue. Belongs to one process, and is used by one thread at a time."""

    def __init__(self) -> None:
        self._waiting = Pool()
        self._talking = Pool()
        self._done_at: dict[str, float] = {}
        self._held: dict[UUID, float] = {}
        self._banned: dict[frozenset[UUID], float] = {}
        self._without: set[UUID] = set()
        self._ends_at = 0.0

    def look(self, ended: Collection[UUID] = ()) -> Outlook:
        """Do what is to be done now. `ended` are chat sessions that may be over since the last look."""
        started = monotonic()
        self._ends_at = started + BUSY_SECONDS
        self._forget(started)
        waiting = read_waiting()
        meters.waiting.set(len(waiting))
        outlook = self._serve_all(waiting)
        if ended:
            settle_after(ended)
        self._sweep(waiting)
        if waiting:
            meters.look.observe(monotonic() - started)
        return outlook

    # Who waits --------------------------------------------------------------------------------------

    def _serve_all(self, waiting: Sequence[Waiting]) -> Outlook:
        if not waiting:
            refresh(self._waiting, {})
            return Outlook()
        now, began = waiting[0].now, monotonic()
        gone = [one.id for one in waiting if _is_gone(one)]
        refresh(self._waiting, {one.id: one.version for one in waiting if one.id not in set(gone)})
        due = {one.id for one in waiting if one.deadline <= now and one.id in self._waiting.known}
        tenants = {id_: one.tenant_id for id_, one in self._waiting.known.items() if id_ in due}
        urgent, rest = _sorted_out(self._find_pairs(now), due)
        self._meet(urgent, now)
        self._serve(due - {one.ticket_id for pair in urgent for one in pair} - self._held.keys(), tenants)
        for start in range(0, len(gone), MET_AT_ONCE):
            _in_halves(gone[start : start + MET_AT_ONCE], expire, _ignore)
        is_more = not self._meet(rest, now)
        self._ask(waiting, now)
        next_due = min((one.deadline for one in waiting if one.deadline > now), default=None)
        due_in = None if next_due is None else (next_due - now).total_seconds() - (monotonic() - began)
        return Outlook(due_in, is_more)

    def _find_pairs(self, now: datetime) -> list[Found]:
        timeout = timedelta(seconds=settings.MATCH_TIMEOUT_SECONDS)
        return self._without_blocked(
            self._waiting, lambda banned: pair_off(self._waiting, now=now, timeout=timeout, banned=banned)
        )

    def _without_blocked(self, pool: Pool, find: Callable[[Collection[frozenset[UUID]]], list[Found]]) -> list[Found]:
        """What is found, but for people who blocked each other: those choose once more, knowing of all their blocks."""
        banned = set(self._banned)
        good: list[Found] = []
        for _ in range(BLOCK_ROUNDS):
            found = find(banned)
            if not found:
                break
            blocked = blocks_among({one.end_user_id for pair in found for one in pair})
            bad = [pair for pair in found if _people(pair) in blocked]
            good += [pair for pair in found if _people(pair) not in blocked]
            if not bad:
                break
            banned |= blocks_about({one.end_user_id for pair in bad for one in pair})
            pool.put(one for pair in bad for one in pair)
        return good

    def _meet(self, found: Sequence[Found], now: datetime) -> bool:
        """Let these meet. Whether there was time for all of them."""
        for start in range(0, len(found), MET_AT_ONCE):
            if start and monotonic() > self._ends_at:
                return False
            for met in _in_halves(found[start : start + MET_AT_ONCE], meet, self._ban):
                for one in met:
                    meters.wait.labels("human").observe(max(0.0, (now - one.created_at).total_seconds()))
        return True

    def _ban(self, pair: Found, error: Exception) -> None:
        """Somebody is at one of them, or they are being erased: let others have a go first."""
        if isinstance(error, IntegrityError):
            log.warning("match_not_made", tickets=[str(one.ticket_id) for one in pair])
            self._banned[_people(pair)] = monotonic() + BAN_SECONDS

    def _serve(self, due: Collection[UUID], tenants: Mapping[UUID, UUID]) -> None:
        ids = list(due)
        for start in range(0, len(ids), SERVED_AT_ONCE):
            _in_halves(ids[start : start + SERVED_AT_ONCE], lambda some: self._serve_some(some, tenants), self._hold)

    def _serve_some(self, ticket_ids: Sequence[UUID], tenants: Mapping[UUID, UUID]) -> list[UUID]:
        served = serve(ticket_ids, menus_of({tenants[id_] for id_ in ticket_ids}))
        for one in served.tickets:
            assert served.now is not None
            self._without.discard(one.tenant_id)
            meters.overshoot.observe(max(0.0, (served.now - one.deadline).total_seconds()))
            meters.wait.labels("personality").observe((served.now - one.created_at).total_seconds())
        for id_, code in served.left_out.items():
            self._leave_out(id_, tenants[id_], code)
        return [one.id for one in served.tickets]

    def _leave_out(self, ticket_id: UUID, tenant_id: UUID, code: str) -> None:
        """They go on waiting, and it is tried again; the log is told once."""
        meters.unserved.labels(code).inc()
        self._held[ticket_id] = monotonic() + HOLD_SECONDS
        if tenant_id not in self._without:
            self._without.add(tenant_id)
            log.error("no_personality_for_waiting", tenant_id=str(tenant_id), code=code)

    def _hold(self, ticket_id: UUID, error: Exception) -> None:
        self._held[ticket_id] = monotonic() + HOLD_SECONDS
        if isinstance(error, IntegrityError):
            catalogue.forget()  # the personality may be gone
            meters.unserved.labels("gone").inc()
            log.warning("match_ticket_not_served", ticket_id=str(ticket_id))

    # Who talks to a personality -----------------------------------------------------------------------

    def _ask(self, waiting: Sequence[Waiting], now: datetime) -> None:
        """Who waits and found nobody who does, too, is proposed to somebody who talks to a personality."""
        asked = {one.id for one in waiting if one.proposal_state == "open"}
        choosers = [one for id_, one in self._waiting.known.items() if id_ not in asked]
        if not choosers:
            return
        if self._is_time("askable", ASKABLE_SECONDS):
            refresh(self._talking, read_askable())
        if self._talking.known:
            self._propose(
                self._without_blocked(
                    self._talking, lambda banned: pair_up(choosers, self._talking, now=now, banned=banned)
                )
            )

    def _ask_among(self) -> None:
        """Two who talk to a personality could meet, too: both are asked."""
        refresh(self._talking, read_askable())
        self._done_at["askable"] = monotonic()
        if len(self._talking.known) > 1:
            now, none = database_now(), timedelta(0)
            self._propose(
                self._without_blocked(
                    self._talking, lambda banned: pair_off(self._talking, now=now, timeout=none, banned=banned)
                )
            )

    def _propose(self, found: Sequence[Found]) -> None:
        for one, other in found[:ASKED_AT_ONCE]:
            try:
                propose(Pair(one.ticket_id, other.ticket_id), versions=(one.version, other.version))
            except IntegrityError:  # one of them is being erased
                self._banned[_people((one, other))] = monotonic() + BAN_SECONDS

    # From time to time --------------------------------------------------------------------------------

    def _sweep(self, waiting: Sequence[Waiting]) -> None:
        if self._is_time("talking", TALKING_SECONDS):
            self._ask_among()
        if self._is_time("proposals", PROPOSALS_SECONDS):
            expire_proposals()
        if self._is_time("settle", SETTLE_SECONDS):
            settle_all()

    def _is_time(self, what: str, seconds: float) -> bool:
        now = monotonic()
        if now - self._done_at.get(what, float("-inf")) < seconds:
            return False
        self._done_at[what] = now
        return True

    def _forget(self, now: float) -> None:
        self._held = {id_: until for id_, until in self._held.items() if until > now}
        self._banned = {pair: until for pair, until in self._banned.items() if until > now}


# Single steps -----------------------------------------------------------------------------------------


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
    met = [pair for pair in there if _people(pair) not in blocked]
    if met:
        pairs = [Pair(one.ticket_id, other.ticket_id) for one, other in met]
        open_rooms(pairs, locked, now=database_now())
    return met


@transaction.atomic
def expire(ticket_ids: Sequence[UUID]) -> list[UUID]:
    """Close the tickets of those who wait and are gone. Whom somebody is at is there after all. Raises Moved."""
    locked = lock_tied(ticket_ids, is_patient=False)
    now = database_now()
    gone = [
        row
        for id_ in ticket_ids
        if (row := locked.get(id_)) is not None
        and row.status == Status.WAITING
        and row.closed_at is None
        and is_gone(row.seen_at, row.deadline, now)
    ]
    for row in gone:
        close(row, locked, now=now, reason="not_seen", status=Status.EXPIRED)
    return [row.id for row in gone]


def is_gone(seen_at: datetime, deadline: datetime, now: datetime) -> bool:
    """Whether somebody who waits is not here any more. Who was here when they were due gets what is due to them."""
    return min(now, deadline) - seen_at > UNSEEN or now - seen_at > FORGOTTEN + UNSEEN


def _is_gone(one: Waiting) -> bool:
    return is_gone(one.seen_at, one.deadline, one.now)


def _people(pair: Found) -> frozenset[UUID]:
    return frozenset(one.end_user_id for one in pair)


def _sorted_out(found: Sequence[Found], due: Collection[UUID]) -> tuple[list[Found], list[Found]]:
    """Those pairs in which somebody is due, and the others."""
    urgent = [pair for pair in found if any(one.ticket_id in due for one in pair)]
    return urgent, [pair for pair in found if pair not in urgent]


def _in_halves(
    items: Sequence[T], work: Callable[[Sequence[T]], list[T]], give_up: Callable[[T, Exception], None]
) -> list[T]:
    """Do it for all at once; where that fails, for each half of them, so that one who is gone holds up nobody."""
    try:
        return work(items)
    except (Moved, IntegrityError) as error:
        if len(items) == 1:
            give_up(items[0], error)
            return []
    middle = len(items) // 2
    return _in_halves(items[:middle], work, give_up) + _in_halves(items[middle:], work, give_up)


def _ignore(item: object, error: Exception) -> None:
    """It is tried again at the next look."""
