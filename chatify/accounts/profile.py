"""What a tenant may tell us about an end user, as input and as output."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from chatify.accounts.models import EndUser
from chatify.common.inputs import Body, ExternalId, Line, Slug

MAX_AGE = 130
MAX_INTEREST = 40
MAX_INTERESTS = 20
Interest = Annotated[str, Field(min_length=1, max_length=MAX_INTEREST), Line]
PROFILE_FIELDS = ("name", "age", "interests", "style", "preferred_template")


class Profile(Body):
    """Profile of an end user. A field that is left out stays as it was; `null` clears it."""

    name: Annotated[str, Field(max_length=80), Line] | None = None
    age: Annotated[int, Field(ge=0, le=MAX_AGE)] | None = None
    interests: Annotated[list[Interest], Field(max_length=MAX_INTERESTS)] | None = None
    style: Annotated[str, Field(max_length=80), Line] | None = None
    preferred_template: Slug | None = Field(
        None, description="Slug of the personality that answers when none is asked for, as long as it is on offer."
    )

    def changes(self) -> dict[str, Any]:
        """The profile fields that were given, as values of the model."""
        empty: dict[str, Any] = {"name": "", "age": None, "interests": [], "style": "", "preferred_template": ""}
        given = {field: getattr(self, field) for field in PROFILE_FIELDS if field in self.model_fields_set}
        return {field: empty[field] if value is None else value for field, value in given.items()}


class UserInput(Profile):
    """An end user as a call names them. API keys have to give the `external_id`."""

    external_id: ExternalId | None = None


def user_object(user: EndUser) -> dict[str, Any]:
    """The end user as clients see them."""
    return {
        "external_id": user.external_id,
        "name": user.name,
        "age": user.age,
        "interests": user.interests,
        "style": user.style,
        "preferred_template": user.preferred_template or None,
    }


def end_user_object(user: EndUser) -> dict[str, Any]:
    """The same, with its times."""
    return {**user_object(user), "created_at": user.created_at, "updated_at": user.updated_at}
