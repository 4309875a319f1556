"""What a message costs of the budgets: the same for every transport."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from chatify.accounts.allowances import allowances_of
from chatify.accounts.models import Tenant
from chatify.accounts.usage import check_tokens
from chatify.common.errors import TooFast
from chatify.limits.budgets import Share, budgets
from sessions.models import ChatSession

RETRY_SECONDS = 1.0
LONGEST_REPLY = timedelta(minutes=10)
"""None runs longer, even where its end has to be written to a database that is away."""


@dataclass(slots=True)
class Charge:
    """A message's share of the budgets of its sender and its chat session.

    In a room of two people (`is_room`) each has a budget of their own there, and needs no tokens.
    """

    tenant_id: UUID
    end_user_id: UUID
    chat_session_id: UUID
    is_room: bool = False
    _taken: tuple[Share, ...] = ()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take it for what is done meanwhile. Raises TooFast (`too_fast`, `tokens_used_up`).

        It is given back when that fails for reasons that are not the sender's: they are asked to try again.
        """
        self._take()
        try:
            yield
        except (TooFast, OperationalError, InterfaceError):
            self.give_back()
            raise

    def give_back(self) -> None:
        """Nothing new came in."""
        budgets().give_back(*self._taken)
        self._taken = ()

    def _take(self) -> None:
        allowances = allowances_of(self.tenant_id)
        here: Share = allowances.session_messages, self.chat_session_id
        if self.is_room:
            here = *here, self.end_user_id
        else:
            check_tokens(allowances=allowances, tenant_id=self.tenant_id, end_user_id=self.end_user_id)
        wanted: tuple[Share, ...] = (allowances.user_messages, self.end_user_id), here
        budgets().spend_all(*wanted)
        self._taken = wanted


def check_replies_at_once(tenant_id: UUID) -> None:
    """Whether the tenant may have one more reply written, in the transaction that starts it.

    The tenant's row is locked, so that two at once do not both take the last place; it costs nothing without a
    limit. Raises TooFast (`too_many_replies`).
    """
    limit = allowances_of(tenant_id).concurrent_replies
    if not limit:
        return
    Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
    # What runs is found among the chat sessions of late, by their index: messages are too many, on SQLite above all.
    lately = ChatSession.objects.filter(tenant_id=tenant_id, last_activity__gt=timezone.now() - LONGEST_REPLY)
    if lately.filter(running_reply_id__isnull=False).count() >= limit:
        raise TooFast(
            f"At most {limit} replies are written at once.", code="too_many_replies", retry_after=RETRY_SECONDS
        )
