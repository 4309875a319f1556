"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chatify.common.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Principal:
    """The one on whose behalf a call is made.

    An API key speaks for its tenant: `end_user_id` is None, and it may act for any of the tenant's end
    users. Everybody else speaks for one end user. A socket ticket is bound to one chat session, too.
    """

    tenant_id: UUID
    end_user_id: UUID | None = None
    api_key_id: UUID | None = None
    chat_session_id: UUID | None = None

    @property
    def is_authenticated(self) -> bool:
        """Always: who is nobody has no principal. (Django REST framework asks.)"""
        return True

    @property
    def is_api_key(self) -> bool:
        """Whether it speaks for a whole tenant."""
        return self.end_user_id is None

    def require_external_id(self, external_id: str | None, field: str = "user") -> None:
        """A key has to say for whom it acts. Raises InvalidInput that names `field`."""
        if self.is_api_key and not external_id:
            raise InvalidInput.at(field, "required", "An API key has to name the user's external_id.")
