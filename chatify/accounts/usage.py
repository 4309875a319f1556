"""What has been used, counted where it cannot be forgotten: tokens per end user and day (UTC), in the database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, Sum
from django.utils import timezone

from chatify.accounts.allowances import Allowances
from chatify.accounts.models import Usage
from chatify.common.errors import TooFast
from chatify.common.prepared import Write, addition, write
from chatify.limits.budgets import Left

KEPT_SECONDS = 2.0
"""So long a process may not know what others add to a tenant's sum: its rows are too many to read at each message."""


class TokensUsedUp(TooFast):
    """The tokens of a day or a month are used up. What was accepted before is still answered."""

    code = "tokens_used_up"

    def __init__(self, limit: int, per: str, until: datetime, now: datetime) -> None:
        super().__init__(f"At most {limit} tokens per {per}.", retry_after=round((until - now).total_seconds(), 1))
        self.headers = Left(limit, 0, until.timestamp()).headers


class Used(NamedTuple):
    """Tokens of this day and of this month."""

    day: int
    month: int


_tenants: dict[UUID, tuple[date, float, Used]] = {}


def usage_of_reply(*, tenant_id: UUID, end_user_id: UUID | None, tokens: int, now: datetime, replies: int = 1) -> Write:
    """What counts a reply, to be written in the transaction of its end. None is somebody who was erased."""
    if (found := _tenants.get(tenant_id)) is not None:
        on, until, used = found
        _tenants[tenant_id] = on, until, Used(used.day + tokens, used.month + tokens)
    key = {"end_user_id": end_user_id, "day": now.astimezone(UTC).date()}
    return addition(Usage, key, {"tenant_id": tenant_id}, {"replies": replies, "tokens": tokens})


def add_tokens(*, tenant_id: UUID, end_user_id: UUID | None, tokens: int) -> None:
    """Count, in the caller's transaction, tokens that were not used for a reply."""
    if tokens:
        now = timezone.now()
        write(usage_of_reply(tenant_id=tenant_id, end_user_id=end_user_id, tokens=tokens, now=now, replies=0))


def check_tokens(*, allowances: Allowances, tenant_id: UUID, end_user_id: UUID) -> None:
    """Raises TokensUsedUp if the tenant or the end user has none left, with the time until there are."""
    if not allowances.counts_tokens:
        return
    now = timezone.now()
    today = now.astimezone(UTC).date()
    if allowances.user_tokens_per_day or allowances.user_tokens_per_month:
        used = _read(today, end_user_id=end_user_id)
        _check(used, allowances.user_tokens_per_day, allowances.user_tokens_per_month, " and person", now)
    if allowances.tokens_per_day or allowances.tokens_per_month:
        used = _used_by_tenant(tenant_id, today)
        _check(used, allowances.tokens_per_day, allowances.tokens_per_month, "", now)


def _check(used: Used, per_day: int, per_month: int, of: str, now: datetime) -> None:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if per_month and used.month >= per_month:  # it lasts longer, so it is told first
        next_month = (midnight.replace(day=1) + timedelta(days=31)).replace(day=1)
        raise TokensUsedUp(per_month, f"month{of}", next_month, now)
    if per_day and used.day >= per_day:
        raise TokensUsedUp(per_day, f"day{of}", midnight + timedelta(days=1), now)


def _used_by_tenant(tenant_id: UUID, today: date) -> Used:
    on, until, used = _tenants.get(tenant_id, (None, 0.0, Used(0, 0)))
    if on != today or until < monotonic():
        used = _read(today, tenant_id=tenant_id)
        _tenants[tenant_id] = today, monotonic() + KEPT_SECONDS, used
    return used


def _read(today: date, **whose: UUID) -> Used:
    rows = Usage.objects.filter(day__gte=today.replace(day=1), **whose)
    found = rows.aggregate(of_day=Sum("tokens", filter=Q(day=today)), of_month=Sum("tokens"))
    return Used(int(found["of_day"] or 0), int(found["of_month"] or 0))
