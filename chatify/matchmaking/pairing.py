"""Who may meet whom, and whom rather. Pure: facts and a time in, an answer out.

What two people want is taken together by how long the one who has waited for longer has: first they speak a language
and share an interest, then they speak a language, then they may be anybody of their age band. Who gave no language or
no interests agrees with everybody about that; what somebody is strict about stays, however long they wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from uuid import UUID

SHARED_UNTIL, SPEAKING_UNTIL = 0.3, 0.6
"""Shares of the time until a personality steps in: so long an interest, so long a language is asked for."""


class Stage(IntEnum):
    """What two people have to agree about."""

    SHARING = 1
    SPEAKING = 2
    ANYBODY = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A live ticket, as far as pairing needs it."""

    ticket_id: UUID
    version: int
    tenant_id: UUID
    end_user_id: UUID
    band: str
    language: str  # the primary subtag; empty: any
    interests: frozenset[str]  # empty: any
    is_language_strict: bool
    is_interests_strict: bool
    created_at: datetime
    avoid_user_id: UUID | None = None
    avoid_until: datetime | None = None

    @property
    def rank(self) -> tuple[datetime, UUID]:
        """Who has waited for longest comes first."""
        return self.created_at, self.ticket_id

    def avoids(self, other: Candidate, now: datetime) -> bool:
        """Whether they have just met."""
        return other.end_user_id == self.avoid_user_id and self.avoid_until is not None and now < self.avoid_until


def stage_of(waited: timedelta, timeout: timedelta) -> Stage:
    """What is asked for after so long."""
    if waited < timeout * SHARED_UNTIL:
        return Stage.SHARING
    return Stage.SPEAKING if waited < timeout * SPEAKING_UNTIL else Stage.ANYBODY


def agree(one: Candidate, other: Candidate, stage: Stage) -> bool:
    """Whether two people want each other at this stage."""
    is_language = stage < Stage.ANYBODY or one.is_language_strict or other.is_language_strict
    if is_language and one.language and other.language and one.language != other.language:
        return False
    is_interest = stage == Stage.SHARING or one.is_interests_strict or other.is_interests_strict
    return not (is_interest and one.interests and other.interests and one.interests.isdisjoint(other.interests))


def may_meet(one: Candidate, other: Candidate, stage: Stage, now: datetime) -> bool:
    """Whether two people may meet now, blocks aside."""
    return (
        (one.tenant_id, one.band) == (other.tenant_id, other.band)
        and one.end_user_id != other.end_user_id
        and agree(one, other, stage)
        and not one.avoids(other, now)
        and not other.avoids(one, now)
    )


def fit(one: Candidate, other: Candidate) -> int:
    """How well two people suit each other: a point for each interest that they share, one for the language."""
    return len(one.interests & other.interests) + bool(one.language and one.language == other.language)
