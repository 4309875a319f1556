"""What a prompt may know about the end user of a chat session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from templates_app.rendering import Values, part_of_day

MOOD_LASTS = timedelta(hours=24)
"""So long after it was named a mood is one that prompts speak of."""


def values_for(
    *, name: str, age: int | None, interests: Sequence[str], style: str, remembered: Mapping[str, Any], now: datetime
) -> Values:
    """The values of a profile, completed by what is remembered: what the application told comes first."""
    return Values(
        user_name=name or remembered.get("name", ""),
        user_age=age,
        user_interests=tuple(interests),
        user_style=style or remembered.get("style", ""),
        part_of_day=part_of_day(now.hour),
        topics=", ".join(remembered.get("topics", ())),
        mood=remembered.get("mood", "") if _is_lately(remembered.get("mood_at"), now) else "",
    )


def _is_lately(at: str | None, now: datetime) -> bool:
    return at is not None and now - datetime.fromisoformat(at) < MOOD_LASTS
