"""Who is there to be met, indexed so that a thousand people find each other without each being compared with each.

Pure. A chooser is compared with the first few who share an interest with them, and with the first of each kind of
people: all of a kind who speak a language agree or disagree with the chooser alike, so the one of them who has waited
for longest goes before the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice, product, starmap
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from chatify.matchmaking.pairing import Candidate, Stage, fit, may_meet, stage_of

COMPARED = 30
"""Of so many people who share an interest, those who have waited for longest, the one who suits best is taken: with
all of a full queue nobody could be compared in time."""

Banned = Collection[frozenset[UUID]]
"""Pairs of end users who do not meet."""

Shelf = dict[UUID, Candidate]

Place = tuple["Kind", str | None, str | None]
"""Where a shelf is: kind, language (None: any) and interest (None: any, or none)."""


class Kind(NamedTuple):
    """What all people of one kind have in common, as far as their language and interests do not matter."""

    is_language_strict: bool
    is_interests_strict: bool
    has_interests: bool

    @classmethod
    def of(cls, one: Candidate) -> Kind:
        """Somebody's."""
        return cls(one.is_language_strict, one.is_interests_strict, bool(one.interests))

    def languages_for(self, chooser: Candidate, stage: Stage) -> tuple[str | None, ...]:
        """On whose shelves there are all of this kind with whom a chooser agrees about the language, and who speak as
        they do on one of their own. None: of people of any language."""
        if not chooser.language:
            return (None,)
        is_asked = stage < Stage.ANYBODY or chooser.is_language_strict or self.is_language_strict
        return (chooser.language, "" if is_asked else None)

    def is_for(self, chooser: Candidate, stage: Stage) -> bool:
        """Whether a chooser agrees with all of this kind about interests, whatever theirs are."""
        is_asked = stage == Stage.SHARING or chooser.is_interests_strict or self.is_interests_strict
        return not (is_asked and chooser.interests and self.has_interests)


KINDS = tuple(starmap(Kind, product((False, True), repeat=3)))


class _Band:
    """Those of one tenant and age band, each shelf in the order in which they came.

    Everybody is on a shelf of their language and on one of any language (None), and on such two for each interest:
    so it costs nothing that there are as many languages and interests as people can type.
    """

    def __init__(self) -> None:
        self.shelves: dict[Place, Shelf] = {}

    def put(self, one: Candidate) -> None:
        for place in _places_of(one):
            self.shelves.setdefault(place, {})[one.ticket_id] = one

    def remove(self, one: Candidate) -> None:
        """Shelves that are empty go, too: interests are whatever people type."""
        for place in _places_of(one):
            self.shelves[place].pop(one.ticket_id)
            if not self.shelves[place]:
                del self.shelves[place]

    def agreeing(self, chooser: Candidate, stage: Stage) -> Iterator[Shelf]:
        """Shelves of people with whom a chooser agrees, whatever their interests are: all on one suit alike."""
        for kind in KINDS:
            if kind.is_for(chooser, stage):
                yield from self._shelves(kind, chooser, stage, None)

    def sharing(self, chooser: Candidate, stage: Stage) -> Iterator[Shelf]:
        """Shelves of people who share an interest with a chooser, and agree about the language."""
        for kind, interest in product(KINDS, chooser.interests):
            yield from self._shelves(kind, chooser, stage, interest)

    def _shelves(self, kind: Kind, chooser: Candidate, stage: Stage, interest: str | None) -> Iterator[Shelf]:
        for language in kind.languages_for(chooser, stage):
            shelf = self.shelves.get((kind, language, interest))
            if shelf is not None:
                yield shelf


def _places_of(one: Candidate) -> Iterator[Place]:
    return product((Kind.of(one),), (one.language, None), (None, *one.interests))


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
            self._bands.setdefault((one.tenant_id, one.band), _Band()).put(one)
            self._last = one.rank

    def drop(self, ticket_id: UUID) -> None:
        """Take somebody out, if they are there."""
        one = self.known.pop(ticket_id, None)
        if one is not None:
            band = self._bands[one.tenant_id, one.band]
            band.remove(one)
            if not band.shelves:
                del self._bands[one.tenant_id, one.band]

    def best_for(self, chooser: Candidate, stage: Stage, now: datetime, banned: Banned = ()) -> Candidate | None:
        """Whom the chooser meets at this stage: who suits them best, of those who has waited for longest."""
        band = self._bands.get((chooser.tenant_id, chooser.band))
        if band is None:
            return None

        def is_possible(other: Candidate) -> bool:
            is_banned = bool(banned) and frozenset((chooser.end_user_id, other.end_user_id)) in banned
            return not is_banned and may_meet(chooser, other, stage, now)

        found: Shelf = {}
        for shelves, number in ((band.sharing(chooser, stage), COMPARED), (band.agreeing(chooser, stage), 1)):
            for shelf in shelves:
                found.update((one.ticket_id, one) for one in islice(filter(is_possible, shelf.values()), number))
        return min(found.values(), key=lambda one: (-fit(chooser, one), one.rank), default=None)


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
