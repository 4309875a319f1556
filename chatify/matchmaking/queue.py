"""The queue as people use it: join, look, cancel, stay alive, answer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import AgeRestricted, Conflict, InvalidInput, NotFound
from chatify.matchmaking import proposals
from chatify.matchmaking.access import OBJECT_RELATED, get_ticket, live_ticket_of
from chatify.matchmaking.leaving import let_go, settle
from chatify.matchmaking.meeting import correct_bands
from chatify.matchmaking.models import MatchTicket
from chatify.matchmaking.preferences import Preferences, band_of, clean_interests
from chatify.matchmaking.rooms import REPEAT
from chatify.matchmaking.tickets import (
    WITH_NOBODY,
    Moved,
    Status,
    among_the_erased,
    close,
    database_now,
    in_one_go,
    lock_one,
    tell,
)
from sessions.actions import find_or_make_end_user
from sessions.personalities import menu_for
from templates_app.selection import Offer

__all__ = ["accept", "cancel", "get_ticket", "heartbeat", "join", "live_ticket_of", "stay"]

SEEN_EXACTLY = timedelta(seconds=5)
"""How exactly `seen_at` is kept: a write for every sign of life would cost more than it is good for."""

BEATS_AT_ONCE = 500


def join(
    *, principal: Principal, user: UserInput | None, preferences: Preferences, leave: bool = False
) -> tuple[MatchTicket, bool]:
    """A place in the queue, and whether it is new: who has one gets that, even while they are in a room.

    With `leave` they leave their room or personality first; a place of somebody who waits is kept. Raises InvalidInput
    (also `unknown_template`), Forbidden (`bound_to_session`), AgeRestricted, NotFound, and Conflict (`user_erased`)
    when the user is erased in this moment.
    """
    principal.require_whole_user()
    wanted = _wanted(principal, preferences.template)
    with among_the_erased():
        return in_one_go(partial(_join, principal, user, preferences, wanted, leave))


def _join(
    principal: Principal, user: UserInput | None, preferences: Preferences, wanted: Offer | None, leave: bool
) -> tuple[MatchTicket, bool]:
    end_user = find_or_make_end_user(principal=principal, given=user)
    if wanted is not None and wanted.is_for_adults and not end_user.is_adult:
        raise AgeRestricted
    rows = MatchTicket.objects.live().filter(end_user=end_user)
    live = rows.values_list("id", "status").first()
    if live is not None and live[1] != Status.WAITING:
        settle(MatchTicket.objects.filter(WITH_NOBODY, id=live[0]))
        if leave:
            let_go(live[0])
    ticket = _new_ticket(end_user, preferences)
    MatchTicket.objects.bulk_create([ticket], ignore_conflicts=True)
    if rows.filter(id=ticket.id).exists():
        tell("match.joined", ticket)
        return ticket, True
    known = live_ticket_of(end_user.id)
    if known is None:  # that of another call, and closed at once
        raise Moved
    heartbeat(ticket_ids=[known.id])
    if known.status != Status.MATCHED_HUMAN and known.band != band_of(end_user.age):
        _correct_band(known.id)
        known = _read(known.id)
    return known, False


def _correct_band(ticket_id: UUID) -> None:
    """The age was told only now, or anew: that goes before what is known from the first call."""
    ticket, locked = lock_one(ticket_id)
    if ticket.closed_at is None and ticket.status != Status.MATCHED_HUMAN:
        correct_bands([ticket], locked, now=database_now())


def _new_ticket(end_user: EndUser, preferences: Preferences) -> MatchTicket:
    now = database_now()
    given = end_user.interests if preferences.interests is None else preferences.interests
    partner, since = _last_partner(end_user.id, now)
    return MatchTicket(
        tenant_id=end_user.tenant_id,
        end_user=end_user,
        band=band_of(end_user.age),
        language=preferences.language or "",
        interests=clean_interests(given),
        strict=sorted(set(preferences.strict)),
        template=preferences.template or "",
        avoid_user_id=partner,
        avoid_until=since + REPEAT if since else None,
        created_at=now,
        deadline=now + timedelta(seconds=settings.MATCH_TIMEOUT_SECONDS),
        seen_at=now,
    )


def _last_partner(end_user_id: UUID, now: datetime) -> tuple[UUID | None, datetime | None]:
    """Whom somebody has just met, and until when."""
    met = MatchTicket.objects.filter(end_user=end_user_id, closed_at__gt=now - REPEAT, room__isnull=False)
    found = met.order_by("-closed_at").values_list("closed_at", "room__end_user", "room__partner").first()
    if found is None:
        return None, None
    until, first, second = found
    return (second if first == end_user_id else first), until


def _wanted(principal: Principal, slug: str | None) -> Offer | None:
    """The personality that was asked for. Raises InvalidInput (`unknown_template`)."""
    if slug is None:
        return None
    found = menu_for(principal.tenant_id, slug).offers.get(slug)
    if found is None:
        raise InvalidInput.at("preferences.template", "unknown_template", "There is no personality of this name.")
    return found


def cancel(*, ticket_id: UUID) -> MatchTicket:
    """Look for nobody any more. A chat session with a personality goes on. Once is enough.

    Raises NotFound, Conflict (`in_room`).
    """
    in_one_go(partial(_cancel, ticket_id))
    return _read(ticket_id)


def _cancel(ticket_id: UUID) -> None:
    settle(MatchTicket.objects.filter(WITH_NOBODY, id=ticket_id))
    ticket, locked = lock_one(ticket_id)
    if ticket.closed_at is not None:
        return
    if ticket.status == Status.MATCHED_HUMAN:
        raise Conflict("Somebody is there. Leave the room instead.", code="in_room")
    status = Status.CANCELLED if ticket.status == Status.WAITING else None
    close(ticket, locked, now=database_now(), reason="cancelled", status=status)


def heartbeat(*, ticket_ids: Collection[UUID]) -> None:
    """These people are here. Tickets that somebody is at right now are passed over: the next sign of life counts."""
    ids = list(ticket_ids)
    for start in range(0, len(ids), BEATS_AT_ONCE):
        in_one_go(partial(_beat, ids[start : start + BEATS_AT_ONCE]))


def _beat(ticket_ids: list[UUID]) -> None:
    stale = MatchTicket.objects.live().filter(id__in=ticket_ids, seen_at__lt=Now() - SEEN_EXACTLY)
    rows = stale.select_for_update(skip_locked=True).order_by("id")
    found = list(rows.values_list("id", flat=True))  # in the order of all locks
    MatchTicket.objects.filter(id__in=found).update(seen_at=Now())


def accept(*, ticket_id: UUID, proposal_id: UUID) -> MatchTicket:
    """Somebody wants to meet who was found; if the other one does, too, they meet now. Once is enough.

    Raises NotFound, Conflict (`proposal_closed`).
    """
    proposals.accept(ticket_id=ticket_id, proposal_id=proposal_id)
    return _read(ticket_id)


def stay(*, ticket_id: UUID, proposal_id: UUID) -> MatchTicket:
    """Somebody would rather stay where they are, and is not asked again for a minute. Once is enough.

    Raises NotFound, Conflict (`proposal_closed`).
    """
    proposals.stay(ticket_id=ticket_id, proposal_id=proposal_id)
    return _read(ticket_id)


def _read(ticket_id: UUID) -> MatchTicket:
    found = MatchTicket.objects.filter(id=ticket_id).select_related(*OBJECT_RELATED).first()
    if found is None:
        raise NotFound("There is no such match ticket.")
    return found
