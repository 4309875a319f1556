"""Who may open a socket."""

from __future__ import annotations

from uuid import UUID

from chatify.accounts.api.authentication import request_budget
from chatify.accounts.credentials import principal_of, redeem_ticket
from chatify.accounts.origins import check_origin
from chatify.accounts.principal import Principal
from chatify.common.errors import NotAuthenticated
from chatify.limits.budgets import budgets


def enter(
    *, credential: str, ticket: str, chat_session_id: UUID | None, origin: str, host: str, scheme: str
) -> Principal:
    """Whoever opens the socket of a chat session, or of matchmaking (None), by their credential or a browser's ticket.

    It counts as a request.

    Raises NotAuthenticated, Forbidden (`missing_scope`, `origin_not_allowed`), TooFast.
    """
    principal = principal_of(credential) if credential else redeem_ticket(ticket, chat_session_id) if ticket else None
    if principal is None:
        raise NotAuthenticated
    check_origin(principal.tenant_id, origin, host, scheme)
    principal.require_scope("chat")
    spend_request(principal)
    return principal


def spend_request(principal: Principal) -> None:
    """Take one request from the principal's budget. Raises TooFast."""
    budget, of = request_budget(principal)
    budgets().spend(budget, of)
