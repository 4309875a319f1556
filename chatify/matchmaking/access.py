"""The only place that fetches match tickets and blocks for somebody."""

from __future__ import annotations

from uuid import UUID

from chatify.accounts.principal import Principal
from chatify.common.errors import NotFound
from chatify.matchmaking.models import Block, MatchTicket, MatchTicketQuerySet

OBJECT_RELATED = ("end_user", "chat_session__template", "room", "proposal")
"""What a match ticket object tells of other rows."""


def tickets_for(principal: Principal) -> MatchTicketQuerySet:
    """The match tickets that the principal may see: a key's all those of its tenant.

    Raises Forbidden (`bound_to_session`).
    """
    principal.require_whole_user()
    rows = MatchTicket.objects.filter(tenant_id=principal.tenant_id)
    if principal.end_user_id is not None:
        rows = rows.filter(end_user_id=principal.end_user_id)
    return rows.select_related(*OBJECT_RELATED)


def get_ticket(principal: Principal, ticket_id: UUID) -> MatchTicket:
    """One match ticket. Raises NotFound, also for somebody else's; Forbidden (`bound_to_session`)."""
    found = tickets_for(principal).filter(id=ticket_id).first()
    if found is None:
        raise NotFound("There is no such match ticket.")
    return found


def live_ticket_of(end_user_id: UUID) -> MatchTicket | None:
    """The one that somebody has at the moment, for whoever knows that they may have it."""
    return MatchTicket.objects.live().filter(end_user_id=end_user_id).select_related(*OBJECT_RELATED).first()


def get_block(principal: Principal, block_id: UUID) -> Block:
    """One block of somebody's own; for a key of any of its end users. Raises NotFound, Forbidden."""
    principal.require_whole_user()
    rows = Block.objects.filter(tenant_id=principal.tenant_id, id=block_id)
    if principal.end_user_id is not None:
        rows = rows.filter(blocker_id=principal.end_user_id)
    found = rows.first()
    if found is None:
        raise NotFound("There is no such block.")
    return found
