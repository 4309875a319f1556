"""What calls about tenants and keys may say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.utils import timezone
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from chatify.accounts.emails import Email
from chatify.accounts.origins import MAX_ORIGINS, normal_origin
from chatify.accounts.passwords import MAX_LENGTH
from chatify.accounts.principal import Scope
from chatify.common.api import PageQuery
from chatify.common.errors import InvalidInput
from chatify.common.inputs import MAX_SLUG, Body, Line, NotBlank, Query

MAX_ORIGIN = 300
MAX_GRACE = 30 * 24 * 3600
SETTINGS = frozenset({"name", "allowed_origins", "retention_days"})


def _origin(text: str) -> str:
    origin = normal_origin(text) if text.isascii() else None
    if origin is None:
        raise PydanticCustomError("bad_origin", "An origin is expected as browsers write it: https://example.com.")
    return origin


def _moment(value: object) -> datetime:
    """ISO 8601 with a zone (RFC 3339). pydantic itself would take bare numbers, too."""
    try:
        moment = datetime.fromisoformat(str(value)) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("bad_time", "A time with its zone is expected, such as 2030-01-31T12:00:00Z.")


def _in_future(moment: datetime) -> datetime:
    if moment <= timezone.now():
        raise PydanticCustomError("not_in_future", "This time is over.")
    return moment


Name = Annotated[str, Field(min_length=1, max_length=80), Line, NotBlank]
TenantName = Annotated[str, Field(min_length=1, max_length=120), Line, NotBlank]
Origin = Annotated[str, Field(max_length=MAX_ORIGIN), Line, AfterValidator(_origin)]
Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_in_future)]


class TenantQuery(Query):
    """Which tenant, for people who own several."""

    tenant: Annotated[str, Field(max_length=MAX_SLUG), Line] | None = None


class KeyListQuery(PageQuery, TenantQuery):
    """Which keys."""


class SignUpBody(Body):
    """A new tenant and its owner."""

    name: TenantName = Field(description="What the application is called.")
    email: Email = Field(description="Of the owner, who can sign in with it.")
    password: str = Field(description="10 to 256 characters, as for everybody who registers.")


class TenantChangeBody(Body):
    """What to change. The e-mail address and the password each come alone, with the current password."""

    name: TenantName = Field(default_factory=str)
    allowed_origins: Annotated[list[Origin], Field(max_length=MAX_ORIGINS)] = Field(default_factory=list)
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    email: Email = Field(default_factory=str)
    new_password: str = Field(default_factory=str)
    current_password: Annotated[str, Field(max_length=MAX_LENGTH)] = Field(default_factory=str)

    def change(self) -> str:
        """What it is about: `email`, `password`, or `settings`. Raises InvalidInput (`one_at_a_time`, `required`)."""
        given = self.model_fields_set - {"current_password"}
        alone = given & {"email", "new_password"}
        if not alone:
            return "settings"
        if len(given) > 1:
            field = max(alone)
            raise InvalidInput.at(field, "one_at_a_time", "Change this in a call of its own.")
        if not self.current_password:
            raise InvalidInput.at("current_password", "required", "The owner's password is needed for this.")
        return "email" if "email" in alone else "password"

    def settings(self) -> dict[str, Any]:
        """The other fields that were given, as values of the model."""
        given = {field: getattr(self, field) for field in SETTINGS & self.model_fields_set}
        if "allowed_origins" in given:
            given["allowed_origins"] = list(dict.fromkeys(self.allowed_origins))
        return given


class NewKeyBody(Body):
    """Another key."""

    name: Name = Field(description="Where it is used, to know which one to revoke some day.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10)] = Field(["chat"])
    expires_at: Moment | None = None


class RotateBody(Body):
    """How long the old key works beside the new one."""

    grace_seconds: Annotated[int, Field(ge=0, le=MAX_GRACE)] = 24 * 3600
