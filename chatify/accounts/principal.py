"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from uuid import UUID

from chatify.common.errors import Forbidden, InvalidInput

Scope = Literal["chat", "templates", "knowledge", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a key may be good for: to chat, to write personalities, to write knowledge, to manage the tenant."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What somebody showed, as far as it can be revoked. Tickets and tokens carry on that of who asked for them.

    `is_key` is whether the API key itself was shown: then its expiry counts, too, and not only its revocation.
    """

    api_key_id: UUID | None = None
    is_key: bool = False
    login_id: UUID | None = None
    browser_key: str = ""
    token_epoch: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For storage in a ticket's row."""
        return {
            "api_key_id": str(self.api_key_id) if self.api_key_id else None,
            "login_id": str(self.login_id) if self.login_id else None,
            "browser_key": self.browser_key,
            "token_epoch": self.token_epoch,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Credential:
        """What `as_json` made. A ticket is not the key itself."""
        key, login = stored.get("api_key_id"), stored.get("login_id")
        return cls(
            api_key_id=UUID(key) if key else None,
            login_id=UUID(login) if login else None,
            browser_key=stored.get("browser_key", ""),
            token_epoch=stored.get("token_epoch"),
        )


@dataclass(frozen=True, slots=True)
class Principal:
    """The one on whose behalf a call is made.

    An API key speaks for its tenant: `end_user_id` is None, and it may act for any of the tenant's end
    users. Everybody else speaks for one end user, a token or ticket perhaps for one chat session only.
    `user_id` is set for people who signed in.
    """

    tenant_id: UUID
    end_user_id: UUID | None = None
    chat_session_id: UUID | None = None
    user_id: UUID | None = None
    scopes: frozenset[str] = frozenset({"chat"})
    credential: Credential = Credential()

    @property
    def is_authenticated(self) -> bool:
        """Always: who is nobody has no principal. (Django REST framework asks.)"""
        return True

    @property
    def is_api_key(self) -> bool:
        """Whether it speaks for a whole tenant."""
        return self.end_user_id is None

    def speaking_for(self, end_user_id: UUID) -> Principal:
        """This credential where it acts for one of its end users."""
        return replace(self, end_user_id=end_user_id)

    def require_external_id(self, external_id: str | None, field: str = "user") -> None:
        """A key has to say for whom it acts. Raises InvalidInput that names `field`."""
        if self.is_api_key and not external_id:
            raise InvalidInput.at(field, "required", "An API key has to name the user's external_id.")

    def require_scope(self, *scopes: str) -> None:
        """One of these scopes is needed. Raises Forbidden (`missing_scope`)."""
        if self.scopes.isdisjoint(scopes):
            raise Forbidden(f"This needs a credential with the scope {' or '.join(scopes)}.", code="missing_scope")

    def require_whole_user(self) -> None:
        """Not for what is bound to one chat session. Raises Forbidden (`bound_to_session`)."""
        if self.chat_session_id is not None:
            raise Forbidden("This credential is good for one chat session only.", code="bound_to_session")

    def may_reach(self, *, tenant_id: UUID, end_user_id: UUID, chat_session_id: UUID) -> bool:
        """Whether a chat session with these owners is one that it speaks for."""
        return (
            self.tenant_id == tenant_id
            and self.end_user_id in (None, end_user_id)
            and self.chat_session_id in (None, chat_session_id)
        )
