"""Who is there to be met, indexed so that a thousand people find each other without each being compared with each.

Pure. A chooser is compared with who shares an interest with them, and with the first few of each kind of people: all of
a kind agree or disagree with the chooser alike, so the one of them who has waited for longest goes before the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from chatify.matchmaking.pairing import Candidate, Stage, fit, may_meet, stage_of

Banned = Collection[frozenset[UUID]]
"""Pairs of end users who do not meet."""

Shelf = dict[UUID, Candidate]


class Kind(NamedTuple):
    """What all people of one kind have in common, as far as their interests do not matter."""

    language: str
    is_language_strict: bool
    is_interests_strict: bool
    has_interests: bool

    @classmethod
    def of(cls, one: Candidate) -> Kind:
        """Somebody's."""
        return cls(one.language, one.is_language_strict, one.is_interests_strict, bool(one.interests))

    def suits(self, chooser: Candidate, stage: Stage) -> bool:
        """Whether a chooser agrees with all of this kind, whatever their interests are."""
        is_language = stage < Stage.ANYBODY or chooser.is_language_strict or self.is_language_strict
        if is_language and chooser.language and self.language and chooser.language != self.language:
            return False
        is_interest = stage == Stage.SHARING or chooser.is_interests_strict or self.is_interests_strict
        return not (is_interest and chooser.interests and self.has_interests)


class _Band:
    """Those of one tenant and age band, each shelf in the order in which they came."""

    def __init__(self) -> None:
        self.kinds: dict[Kind, Shelf] = {}
        self.sharing: dict[str, Shelf] = {}

    def shelves_of(self, one: Candidate) -> Iterator[Shelf]:
        yield self.kinds.setdefault(Kind.of(one), {})
        for interest in one.interests:
            yield self.sharing.setdefault(interest, {})

    def remove(self, one: Candidate) -> None:
        """Shelves that are empty go, too: interests are whatever people type."""
        kind = Kind.of(one)
        self.kinds[kind].pop(one.ticket_id)
        if not self.kinds[kind]:
            del self.kinds[kind]
        for interest in one.interests:
            self.sharing[interest].pop(one.ticket_id)
            if not self.sharing[interest]:
                del self.sharing[interest]


class Pool:
    """People to be met."""

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self.known: Shelf = {}
        self._bands: dict[tuple[UUID, str], _Band] = {}
        self._last: tuple[datetime, UUID] | None = None
        self.put(candidates)

    def put(self, candidates: Iterable[Candidate]) -> None:
        """Add people, or replace what was known of them."""
        added = {one.ticket_id: one for one in candidates}
        for id_ in added:
            self.drop(id_)
        in_order = sorted(added.values(), key=attrgetter("rank"))
        if in_order and self._last is not None and in_order[0].rank < self._last:
            in_order = sorted([*in_order, *self.known.values()], key=attrgetter("rank"))
            self.known, self._bands = {}, {}  # shelves are in order by being filled in order
        for one in in_order:
            self.known[one.ticket_id] = one
            for shelf in self._bands.setdefault((one.tenant_id, one.band), _Band()).shelves_of(one):
                shelf[one.ticket_id] = one
            self._last = one.rank

    def drop(self, ticket_id: UUID) -> None:
        """Take somebody out, if they are there."""
        one = self.known.pop(ticket_id, None)
        if one is not None:
            band = self._bands[one.tenant_id, one.band]
            band.remove(one)
            if not band.kinds:
                del self._bands[one.tenant_id, one.band]

    def best_for(self, chooser: Candidate, stage: Stage, now: datetime, banned: Banned = ()) -> Candidate | None:
        """Whom the chooser meets at this stage: who suits them best, of those who has waited for longest."""
        band = self._bands.get((chooser.tenant_id, chooser.band))
        if band is None:
            return None

        def is_possible(other: Candidate) -> bool:
            is_banned = bool(banned) and frozenset((chooser.end_user_id, other.end_user_id)) in banned
            return not is_banned and may_meet(chooser, other, stage, now)

        sharing = {id_: one for interest in chooser.interests for id_, one in band.sharing.get(interest, {}).items()}
        found = [one for one in sharing.values() if is_possible(one)]
        for kind, shelf in band.kinds.items():
            if kind.suits(chooser, stage):
                found.extend(_first(one for one in shelf.values() if is_possible(one)))
        return min(found, key=lambda one: (-fit(chooser, one), one.rank), default=None)


def _first(candidates: Iterator[Candidate]) -> list[Candidate]:
    one = next(candidates, None)
    return [] if one is None else [one]


def pair_off(
    pool: Pool, *, now: datetime, timeout: timedelta, banned: Banned = ()
) -> list[tuple[Candidate, Candidate]]:
    """Pair those in the pool with each other, and take them out. Who has waited for longest chooses first."""
    pairs = []
    for chooser in sorted(pool.known.values(), key=attrgetter("rank")):
        if chooser.ticket_id not in pool.known:
            continue
        other = pool.best_for(chooser, stage_of(now - chooser.created_at, timeout), now, banned)
        if other is not None:
            pairs.append((chooser, other))
            for one in (chooser, other):
                pool.drop(one.ticket_id)
    return pairs


def pair_up(
    choosers: Iterable[Candidate], pool: Pool, *, now: datetime, banned: Banned = ()
) -> list[tuple[Candidate, Candidate]]:
    """Find somebody in the pool for each chooser, and take those out. Who is there has waited for so long that anybody
    of the band is as good."""
    pairs = []
    for chooser in sorted(choosers, key=attrgetter("rank")):
        other = pool.best_for(chooser, Stage.ANYBODY, now, banned)
        if other is not None:
            pairs.append((chooser, other))
            pool.drop(other.ticket_id)
            pool.drop(chooser.ticket_id)
    return pairs
