"""What a prompt may know about the end user of a chat session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from templates_app.rendering import Values, part_of_day


def values_for(
    *, name: str, age: int | None, interests: Sequence[str], style: str, remembered: Mapping[str, Any], hour: int
) -> Values:
    """The values of a profile, completed by what is remembered: what the application told comes first.

    `hour` is that of the day, 0 to 23.
    """
    return Values(
        user_name=name or remembered.get("name", ""),
        user_age=age,
        user_interests=tuple(interests),
        user_style=style or remembered.get("style", ""),
        part_of_day=part_of_day(hour),
        topics=", ".join(remembered.get("topics", ())),
        mood=remembered.get("mood", ""),
    )
