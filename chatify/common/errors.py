"""What can go wrong, for everybody who talks to Chatify. One tree; each transport has one translator.

ChatifyError
├── InvalidInput        400  `errors` name the fields
├── NotAuthenticated    401
├── Forbidden           403
│   └── AgeRestricted   403
├── NotFound            404  also for what belongs to somebody else
├── Conflict            409  ended, running, used with another content
├── TooLarge            413
├── KeyReused           422  an Idempotency-Key of another call
├── TooFast             429  `retry_after` in seconds
└── Unavailable         503  `retry_after` in seconds
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `field` is its dotted path (empty for the whole body), `code` is for machines."""

    field: str
    code: str
    message: str


class ChatifyError(Exception):
    """Base of what is told to a client. `code` is for machines and part of the contract."""

    status = 500
    code = "internal_error"
    title = "Something went wrong on our side"

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.code = code or self.code
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.headers: dict[str, str] = {}  # more to tell, for transports that have headers


class InvalidInput(ChatifyError):
    """The input is wrong, and `errors` say where."""

    status = 400
    code = "invalid_input"
    title = "The input is not valid"

    @classmethod
    def at(cls, field: str, code: str, message: str) -> InvalidInput:
        """The error of a single field. Its code is the error's own, so that clients need not dig."""
        return cls(f"{field}: {message}" if field else message, code=code, errors=[FieldError(field, code, message)])


class NotAuthenticated(ChatifyError):
    """No credential, or one that is not valid (any more)."""

    status = 401
    code = "not_authenticated"
    title = "Sign in, or send a valid API key"


class Forbidden(ChatifyError):
    """Known, but not allowed."""

    status = 403
    code = "forbidden"
    title = "This is not allowed"


class AgeRestricted(Forbidden):
    """The personality is for adults, and the person is under 18 or of unknown age."""

    code = "age_restricted"
    title = "This personality is for people of 18 years and over"


class NotFound(ChatifyError):
    """It does not exist, or not for you."""

    status = 404
    code = "not_found"
    title = "There is no such thing"


class Conflict(ChatifyError):
    """The thing is in a state that does not allow this."""

    status = 409
    code = "conflict"
    title = "This does not fit the current state"


class TooLarge(ChatifyError):
    """More bytes than the route takes."""

    status = 413
    code = "too_large"
    title = "The body is too large"


class KeyReused(ChatifyError):
    """The Idempotency-Key came with another call before."""

    status = 422
    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another call"


class TooFast(ChatifyError):
    """A limit was reached; `retry_after` says when to come back."""

    status = 429
    code = "too_fast"
    title = "Too many requests"


class Unavailable(ChatifyError):
    """A part that is needed is away; try again."""

    status = 503
    code = "unavailable"
    title = "Temporarily not available"
