"""What was used this month, in words for staff."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from chatify.accounts.models import Usage


def usage_this_month(rows: QuerySet[Usage, Any], *, limit: int = 0) -> str:
    """Tokens and replies since the first of the month (UTC); of how many tokens, if there is a limit."""
    first = timezone.now().astimezone(UTC).date().replace(day=1)
    found = rows.filter(day__gte=first).aggregate(tokens=Sum("tokens"), replies=Sum("replies"))
    tokens, replies = found["tokens"] or 0, found["replies"] or 0
    allowed = f" of {limit:,}" if limit else ""
    return f"{tokens:,}{allowed} token{'' if tokens == 1 else 's'} in {replies:,} repl{'y' if replies == 1 else 'ies'}"
