"""Whom somebody wants to meet, as input, and how it is compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from django.db.models import Q
from pydantic import Field

from chatify.accounts.models.end_users import ADULT_AGE
from chatify.accounts.profile import MAX_INTERESTS, Interest
from chatify.common.inputs import Body, Slug
from chatify.matchmaking.models import MatchTicket

MAX_LANGUAGE = 35
Band = MatchTicket.Band

Language = Annotated[str, Field(min_length=2, max_length=MAX_LANGUAGE, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
"""A BCP 47 tag, such as `en` or `pt-BR`."""


class Preferences(Body):
    """Whom somebody wants to meet. Who gives none of something agrees with everybody about it."""

    language: Language | None = Field(None, description="BCP 47 tag; `en` and `en-GB` understand each other.")
    interests: Annotated[list[Interest], Field(max_length=MAX_INTERESTS)] | None = Field(
        None, description="Left out or null: those of the profile."
    )
    strict: list[Literal["language", "interests"]] = Field(
        default_factory=list, max_length=2, description="What waiting does not loosen."
    )
    template: Slug | None = Field(
        None, description="Slug of the personality to talk to when nobody comes; else the one that fits."
    )


def band_of(age: int | None) -> MatchTicket.Band:
    """Within which people of an age meet. Bands never mix."""
    if age is None:
        return Band.UNKNOWN
    return Band.ADULT if age >= ADULT_AGE else Band.MINOR


IN_ITS_BAND = (
    Q(band=Band.ADULT, end_user__age__gte=ADULT_AGE)
    | Q(band=Band.MINOR, end_user__age__lt=ADULT_AGE)
    | Q(band=Band.UNKNOWN, end_user__age=None)
)
"""A condition on tickets: their band is that of `band_of`."""


def primary_language(tag: str) -> str:
    """What languages are compared by; empty for none."""
    return tag.partition("-")[0].lower()


def clean_interests(interests: Iterable[str]) -> list[str]:
    """Interests as they are compared, each once, in their order."""
    return list(dict.fromkeys(text for interest in interests if (text := " ".join(interest.casefold().split()))))
