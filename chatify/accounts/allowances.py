"""What a tenant and its people may use: the server's defaults, and what staff set for a tenant instead."""

from __future__ import annotations

from dataclasses import dataclass, fields
from time import monotonic
from uuid import UUID

from django.conf import settings

from chatify.accounts.models import TenantLimits
from chatify.limits.budgets import Budget

KEPT_SECONDS = 2.0
"""So long staff's change of a limit may take to reach every process."""


@dataclass(frozen=True, slots=True)
class Allowances:
    """The limits of a tenant, named as in the model; 0 is none. Money follows where tokens are."""

    key_requests_per_minute: int
    person_requests_per_minute: int
    user_messages_per_minute: int
    session_messages_per_minute: int
    concurrent_replies: int
    tokens_per_day: int
    tokens_per_month: int
    user_tokens_per_day: int
    user_tokens_per_month: int

    @property
    def key_requests(self) -> Budget:
        """Requests with one API key."""
        return Budget("key_requests", self.key_requests_per_minute, 60)

    @property
    def person_requests(self) -> Budget:
        """Requests of one person: signed in, or with an end-user token."""
        return Budget("person_requests", self.person_requests_per_minute, 60)

    @property
    def user_messages(self) -> Budget:
        """Messages of one end user, whatever they come in by."""
        return Budget("user_messages", self.user_messages_per_minute, 60, "messages")

    @property
    def session_messages(self) -> Budget:
        """Messages in one chat session, whoever they are from."""
        return Budget("session_messages", self.session_messages_per_minute, 60, "messages in a chat session")

    @property
    def counts_tokens(self) -> bool:
        """Whether there is any limit on tokens."""
        return any((self.tokens_per_day, self.tokens_per_month, self.user_tokens_per_day, self.user_tokens_per_month))


NAMES = tuple(field.name for field in fields(Allowances))
_known: dict[UUID, tuple[float, Allowances]] = {}


def allowances_of(tenant_id: UUID) -> Allowances:
    """The tenant's limits, at most two seconds old."""
    found = _known.get(tenant_id)
    if found is None or found[0] < monotonic():
        row = TenantLimits.objects.filter(tenant_id=tenant_id).values(*NAMES).first() or {}
        own = {name: value for name, value in row.items() if value is not None}
        found = _known[tenant_id] = (monotonic() + KEPT_SECONDS, Allowances(**{**settings.LIMITS, **own}))
    return found[1]
