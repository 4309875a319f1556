"""What somebody had forgotten is not found again in what they said before that. Pure.

Facts are found some time after they were said. What was forgotten in between is known here by its time: all of it,
all of a kind, or single memories by digests, which do not tell what they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from chatify.accounts.models import EndUser

MAX_REFUSED = 200
"""Of one end user; the oldest go."""

WHOLE_KIND = ""
"""Instead of a key: everything of a kind."""

Place = tuple[str, str]
"""Kind and key of a memory."""


def is_forgotten(end_user: EndUser, place: Place, said_at: datetime) -> bool:
    """Whether this was said before the person had it forgotten."""
    places = (place, (place[0], WHOLE_KIND))
    refused = (end_user.memories_refused.get(_digest(end_user, one)) for one in places)
    times = [datetime.fromisoformat(time) for time in refused if time]
    if end_user.memories_forgotten_at is not None:
        times.append(end_user.memories_forgotten_at)
    return any(said_at <= time for time in times)


def refused(end_user: EndUser, places: Iterable[Place], at: datetime) -> dict[str, str]:
    """The value of `memories_refused` when these are forgotten, too."""
    time = at.isoformat(timespec="microseconds")  # of one length, so that they sort
    found = end_user.memories_refused | {_digest(end_user, place): time for place in places}
    kept = sorted(found, key=lambda digest: found[digest])[-MAX_REFUSED:]
    return {digest: found[digest] for digest in kept}


def _digest(end_user: EndUser, place: Place) -> str:
    return sha256("\0".join((str(end_user.id), *place)).encode()).hexdigest()
