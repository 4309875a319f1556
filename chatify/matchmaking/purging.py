"""Match tickets go, with the questions that were asked about them: old ones, and those of who is erased."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from chatify.events.bus import forget
from chatify.matchmaking.models import MatchProposal, MatchTicket
from chatify.matchmaking.tickets import database_now

KEPT = timedelta(days=30)
"""So long closed tickets are there to be looked at."""

PURGED_AT_ONCE = 200
RUN_SECONDS = 60.0
"""So long one run may hold up other tasks. What is left then waits for the next one."""

log = structlog.get_logger(__name__)


def purge_tickets() -> int:
    """Delete the tickets that were closed long ago. Gives their number."""
    before, ends_at, total = database_now() - KEPT, monotonic() + RUN_SECONDS, 0
    while monotonic() < ends_at:
        count = _purge_closed(before)
        total += count
        if count < PURGED_AT_ONCE:
            break
    if total:
        log.info("match_tickets_purged", tickets=total)
    return total


@transaction.atomic
def _purge_closed(before: datetime) -> int:
    """One batch. Found by when they were made, which the ids tell: an index on the time would be of no other use."""
    old = MatchTicket.objects.filter(id__lt=first_id_of(before), closed_at__lt=before).order_by("id")
    return delete_tickets(list(old.values_list("id", flat=True)[:PURGED_AT_ONCE]))


@transaction.atomic
def delete_tickets(ticket_ids: Collection[UUID]) -> int:
    """Delete tickets with their questions, as far as they are there. Gives their number.

    Tickets of others that were asked by those questions are locked, too, all in the order of their ids.
    """
    about = Q(first__in=ticket_ids) | Q(second__in=ticket_ids)
    proposals = list(MatchProposal.objects.filter(about).values_list("id", flat=True))
    concerned = MatchTicket.objects.filter(Q(id__in=ticket_ids) | Q(proposal__in=proposals))
    rows = concerned.select_for_update().order_by("id")
    found = [id_ for id_ in rows.values_list("id", flat=True) if id_ in set(ticket_ids)]
    MatchTicket.objects.filter(proposal__in=proposals).update(proposal=None)
    MatchProposal.objects.filter(id__in=proposals).delete()
    forget(subject_ids=found)
    MatchTicket.objects.filter(id__in=found).delete()
    return len(found)


def first_id_of(moment: datetime) -> UUID:
    """No ticket that was made from then on has a smaller id: they begin with the milliseconds (UUID version 7)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
