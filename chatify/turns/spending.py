"""What a message costs of the budgets: the same for every transport."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chatify.accounts.allowances import allowances_of
from chatify.accounts.models import Tenant
from chatify.accounts.usage import check_tokens
from chatify.common.errors import TooFast
from chatify.limits.budgets import budgets
from sessions.models import Message

RETRY_SECONDS = 1.0


@dataclass(slots=True)
class Charge:
    """A message's share of the budgets of its end user and its chat session. Taken once, however often it is asked."""

    tenant_id: UUID
    end_user_id: UUID
    chat_session_id: UUID
    is_taken: bool = False

    def take(self) -> None:
        """Take it. Raises TooFast (`too_fast`, `tokens_used_up`)."""
        if self.is_taken:
            return
        allowances = allowances_of(self.tenant_id)
        check_tokens(allowances=allowances, tenant_id=self.tenant_id, end_user_id=self.end_user_id)
        budgets().spend(allowances.user_messages, self.end_user_id)
        budgets().spend(allowances.session_messages, self.chat_session_id)
        self.is_taken = True


def check_replies_at_once(tenant_id: UUID) -> None:
    """Whether the tenant may have one more reply written, in the transaction that starts it.

    The tenant's row is locked, so that two at once do not both take the last place; it costs nothing without a
    limit. Raises TooFast (`too_many_replies`).
    """
    limit = allowances_of(tenant_id).concurrent_replies
    if not limit:
        return
    Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
    if Message.objects.filter(tenant_id=tenant_id, status=Message.Status.STREAMING).count() >= limit:
        raise TooFast(
            f"At most {limit} replies are written at once.", code="too_many_replies", retry_after=RETRY_SECONDS
        )
