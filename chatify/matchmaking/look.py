"""One look at the queue: who meets whom, who gets a personality, who is asked, who is gone.

Every process looks for itself, and what it finds is only where to go: each change is checked under locks. So it does no
harm that two see the same, or that what is kept between looks is old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError

from chatify.matchmaking import meters
from chatify.matchmaking.candidates import Waiting, read_askable, read_misplaced, read_waiting, refresh
from chatify.matchmaking.deadlines import SERVED_AT_ONCE, menus_of, serve
from chatify.matchmaking.leaving import SETTLED_AT_ONCE, settle_after, settle_all
from chatify.matchmaking.meeting import Pair, blocks_about, blocks_among
from chatify.matchmaking.pool import Pool, pair_off, pair_up
from chatify.matchmaking.proposals import expire_proposals, propose
from chatify.matchmaking.steps import (
    EXPECTED,
    Found,
    correct,
    do_apart,
    expire,
    in_halves,
    is_gone,
    is_here,
    meet,
    people_of,
)
from chatify.matchmaking.tickets import Moved, database_now
from templates_app.catalogue import catalogue

MET_AT_ONCE = 25
ASKED_AT_ONCE = 20
BLOCK_ROUNDS = 5
BUSY_SECONDS = 0.2
"""What can wait is left to the next look when one has taken so long: people are due meanwhile."""

ALONE_UNTIL = 0.1
"""For such a share of the time until a personality steps in others may come who wait, too, before anybody who talks to
a personality is asked."""

ASKABLE_SECONDS, TALKING_SECONDS, PROPOSALS_SECONDS, BANDS_SECONDS, SETTLE_SECONDS = 1.0, 2.0, 1.0, 1.0, 5.0
HOLD_SECONDS = 1.0
BAN_SECONDS = 5.0

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
        self._left_out: set[UUID] = set()
        self._ended: set[UUID] = set()
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
        self._ended.update(ended)
        do_apart(self._settle)
        self._sweep()
        if waiting:
            meters.look.observe(monotonic() - started)
        return outlook._replace(is_more=outlook.is_more or bool(self._ended))

    # Who waits --------------------------------------------------------------------------------------

    def _serve_all(self, waiting: Sequence[Waiting]) -> Outlook:
        if not waiting:
            refresh(self._waiting, {})
            return Outlook()
        now, began = waiting[0].now, monotonic()
        self._left_out &= {one.id for one in waiting}
        gone = {one.id for one in waiting if is_gone(one.seen_at, one.deadline, now, one.id in self._left_out)}
        refresh(self._waiting, {one.id: one.version for one in waiting if is_here(one.seen_at, now)})
        tenants = {one.id: one.tenant_id for one in waiting if one.deadline <= now and one.id not in gone}
        due = set(tenants)
        urgent, rest = _sorted_out(self._find_pairs(now), due)
        self._meet(urgent, now)
        self._serve(due - {one.ticket_id for pair in urgent for one in pair} - self._held.keys(), tenants)
        self._expire(gone - self._held.keys())
        is_more = not self._meet(rest, now)
        self._ask(waiting, now)
        next_due = min((one.deadline for one in waiting if one.deadline > now), default=None)
        due_in = None if next_due is None else (next_due - now).total_seconds() - (monotonic() - began)
        return Outlook(due_in, is_more)

    def _expire(self, gone: Collection[UUID]) -> None:
        ids = list(gone)
        for start in range(0, len(ids), MET_AT_ONCE):
            in_halves(ids[start : start + MET_AT_ONCE], lambda some: expire(some, self._left_out), self._hold)

    def _find_pairs(self, now: datetime) -> list[Found]:
        timeout = timedelta(seconds=settings.MATCH_TIMEOUT_SECONDS)
        return self._without_blocked(
            self._waiting, lambda banned, _: pair_off(self._waiting, now=now, timeout=timeout, banned=banned)
        )

    def _without_blocked(
        self, pool: Pool, find: Callable[[Collection[frozenset[UUID]], Collection[UUID]], list[Found]]
    ) -> list[Found]:
        """What is found, but for people who blocked each other: those choose once more, knowing of all their blocks.

        `find` is given who does not meet, and the tickets that have found somebody.
        """
        banned = set(self._banned)
        there = set(pool.known)  # who chooses may wait elsewhere, and is not to be put where others choose from
        good: list[Found] = []
        for _ in range(BLOCK_ROUNDS):
            found = find(banned, {one.ticket_id for pair in good for one in pair})
            if not found:
                break
            blocked = blocks_among({one.end_user_id for pair in found for one in pair})
            bad = [pair for pair in found if people_of(pair) in blocked]
            good += [pair for pair in found if people_of(pair) not in blocked]
            if not bad:
                break
            banned |= blocks_about({one.end_user_id for pair in bad for one in pair})
            pool.put(one for pair in bad for one in pair if one.ticket_id in there)
        return good

    def _meet(self, found: Sequence[Found], now: datetime) -> bool:
        """Let these meet. Whether there was time for all of them."""
        for start in range(0, len(found), MET_AT_ONCE):
            if start and monotonic() > self._ends_at:
                return False
            for met in in_halves(found[start : start + MET_AT_ONCE], meet, self._ban):
                for one in met:
                    meters.wait.labels("human").observe(max(0.0, (now - one.created_at).total_seconds()))
        return True

    def _ban(self, pair: Found, error: Exception) -> None:
        """Somebody is at one of them, or they are being erased, or nobody knows why: let others have a go first."""
        if not isinstance(error, Moved):
            log.warning("match_not_made", tickets=[str(one.ticket_id) for one in pair])
            self._banned[people_of(pair)] = monotonic() + BAN_SECONDS

    def _serve(self, due: Collection[UUID], tenants: Mapping[UUID, UUID]) -> None:
        ids = list(due)
        for start in range(0, len(ids), SERVED_AT_ONCE):
            in_halves(ids[start : start + SERVED_AT_ONCE], lambda some: self._serve_some(some, tenants), self._hold)

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
        self._left_out.add(ticket_id)
        if tenant_id not in self._without:
            self._without.add(tenant_id)
            log.error("no_personality_for_waiting", tenant_id=str(tenant_id), code=code)

    def _hold(self, ticket_id: UUID, error: Exception) -> None:
        self._held[ticket_id] = monotonic() + (HOLD_SECONDS if isinstance(error, EXPECTED) else BAN_SECONDS)
        if isinstance(error, IntegrityError):
            catalogue.forget()  # the personality may be gone
            meters.unserved.labels("gone").inc()
            log.warning("match_ticket_not_served", ticket_id=str(ticket_id))

    # Who talks to a personality -----------------------------------------------------------------------

    def _ask(self, waiting: Sequence[Waiting], now: datetime) -> None:
        """Who has found nobody else who waits for a while is proposed to somebody who talks to a personality."""
        asked = {one.id for one in waiting if one.proposal_state == "open"}
        since = now - timedelta(seconds=settings.MATCH_TIMEOUT_SECONDS) * ALONE_UNTIL
        choosers = [one for id_, one in self._waiting.known.items() if id_ not in asked and one.created_at <= since]
        if not choosers:
            return
        if self._is_time("askable", ASKABLE_SECONDS):
            refresh(self._talking, read_askable())
        if self._talking.known:
            self._propose(
                self._without_blocked(
                    self._talking,
                    lambda banned, done: pair_up(
                        [one for one in choosers if one.ticket_id not in done], self._talking, now=now, banned=banned
                    ),
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
                    self._talking, lambda banned, _: pair_off(self._talking, now=now, timeout=none, banned=banned)
                )
            )

    def _propose(self, found: Sequence[Found]) -> None:
        for pair in found[:ASKED_AT_ONCE]:
            in_halves([pair], _ask_these, self._ban)

    # From time to time --------------------------------------------------------------------------------

    def _settle(self) -> None:
        """What there is no time for is left to the next look; what fails, to `settle_all`."""
        ended, self._ended = self._ended, set()
        while ended and settle_after(ended):
            if monotonic() > self._ends_at:
                self._ended = ended
                return

    def _sweep(self) -> None:
        if self._is_time("talking", TALKING_SECONDS):
            do_apart(self._ask_among)
        if self._is_time("proposals", PROPOSALS_SECONDS):
            do_apart(expire_proposals)
        if self._is_time("bands", BANDS_SECONDS):
            do_apart(self._correct_bands)
        if self._is_time("settle", SETTLE_SECONDS):
            do_apart(self._settle_all)

    def _correct_bands(self) -> None:
        """Somebody's age was told anew, by whomever: the next look sees them among those whom they may meet."""
        found = [id_ for id_ in read_misplaced() if id_ not in self._held]
        for start in range(0, len(found), MET_AT_ONCE):
            in_halves(found[start : start + MET_AT_ONCE], correct, self._hold)

    def _settle_all(self) -> None:
        while settle_all() >= SETTLED_AT_ONCE:
            if monotonic() > self._ends_at:
                del self._done_at["settle"]  # the next look goes on
                return

    def _is_time(self, what: str, seconds: float) -> bool:
        now = monotonic()
        if now - self._done_at.get(what, float("-inf")) < seconds:
            return False
        self._done_at[what] = now
        return True

    def _forget(self, now: float) -> None:
        self._held = {id_: until for id_, until in self._held.items() if until > now}
        self._banned = {pair: until for pair, until in self._banned.items() if until > now}


def _ask_these(found: Sequence[Found]) -> list[Found]:
    return [
        (one, other)
        for one, other in found
        if propose(Pair(one.ticket_id, other.ticket_id), versions=(one.version, other.version))
    ]


def _sorted_out(found: Sequence[Found], due: Collection[UUID]) -> tuple[list[Found], list[Found]]:
    """Those pairs in which somebody is due, and the others."""
    urgent = [pair for pair in found if any(one.ticket_id in due for one in pair)]
    return urgent, [pair for pair in found if all(one.ticket_id not in due for one in pair)]
