"""What has been used, counted where it cannot be forgotten: tokens per end user and day (UTC), in the database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet, Sum
from django.utils import timezone

from chatify.accounts.allowances import Allowances
from chatify.accounts.models import Usage
from chatify.common.errors import TooFast
from chatify.common.prepared import add_to_row


class TokensUsedUp(TooFast):
    """The tokens of a day or a month are used up. What was accepted before is still answered."""

    code = "tokens_used_up"


def add_usage(*, tenant_id: UUID, end_user_id: UUID, tokens: int, now: datetime) -> None:
    """Count a reply, in the caller's transaction."""
    key = {"end_user_id": end_user_id, "day": now.astimezone(UTC).date()}
    add_to_row(Usage, key, {"tenant_id": tenant_id}, {"replies": 1, "tokens": tokens})


def check_tokens(*, allowances: Allowances, tenant_id: UUID, end_user_id: UUID) -> None:
    """Raises TokensUsedUp if the tenant or the end user has none left, with the time until there are."""
    if not allowances.counts_tokens:
        return
    now = timezone.now()
    today, month = now.astimezone(UTC).date(), now.astimezone(UTC).date().replace(day=1)
    tomorrow, next_month = today + timedelta(days=1), (month + timedelta(days=31)).replace(day=1)
    theirs, all_ = Usage.objects.filter(end_user_id=end_user_id), Usage.objects.filter(tenant_id=tenant_id)
    limits: list[tuple[int, QuerySet[Usage], date, date, str]] = [
        (allowances.user_tokens_per_day, theirs, today, tomorrow, "day and person"),
        (allowances.user_tokens_per_month, theirs, month, next_month, "month and person"),
        (allowances.tokens_per_day, all_, today, tomorrow, "day"),
        (allowances.tokens_per_month, all_, month, next_month, "month"),
    ]
    for limit, rows, since, until, per in limits:
        if limit and _tokens(rows.filter(day__gte=since)) >= limit:
            wait = datetime(until.year, until.month, until.day, tzinfo=UTC) - now
            raise TokensUsedUp(f"At most {limit} tokens per {per}.", retry_after=wait.total_seconds())


def _tokens(rows: QuerySet[Usage]) -> int:
    return int(rows.aggregate(total=Sum("tokens"))["total"] or 0)
