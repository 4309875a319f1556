"""Signed tokens (JWT, RFC 7519): access and refresh tokens of people who sign in, end-user tokens of tenants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.state import token_backend
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from chatify.accounts.models import ApiKey, EndUser, Login, User
from chatify.accounts.people import end_user_of
from chatify.accounts.principal import Credential, Principal
from chatify.common.errors import NotAuthenticated
from chatify.limits.budgets import Budget, budgets

REUSE_SECONDS = 10
"""Two tabs may refresh at the same moment. Later than that, a used refresh token was stolen by somebody."""
REFRESHES = Budget("refreshes", 30, 60, "refreshes of one sign-in")
"""Each leaves a row behind."""
LONGEST_SIGN_IN = timedelta(days=max(90, settings.REFRESH_TOKEN_DAYS))
"""However often it is refreshed: then the password is asked for again, and the sign-in can be forgotten."""


class SignInToken(RefreshToken):
    """A refresh token of one sign-in. Of used ones only the id is stored, not the text."""

    def use_up(self) -> bool:
        """Blacklist it. False when somebody else did so before."""
        outstanding, _ = OutstandingToken.objects.get_or_create(
            jti=self["jti"], defaults={"token": "", "expires_at": datetime.fromtimestamp(self["exp"], UTC)}
        )
        _, is_first = BlacklistedToken.objects.get_or_create(token=outstanding)
        return bool(is_first)

    def check_blacklist(self) -> None:
        """Done by `use_up`, which tells who was first."""


class EndUserToken(Token):
    """A short-lived token for one end user's browser or app."""

    token_type = "end_user"  # noqa: S105  (a kind, no secret)

    @property
    def lifetime(self) -> timedelta:  # type: ignore[override]
        """As set."""
        return timedelta(seconds=settings.END_USER_TOKEN_SECONDS)


@dataclass(frozen=True, slots=True)
class Pair:
    """What a sign-in gives. `expires_in` is in seconds, of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int


# People who sign in -------------------------------------------------------------------------------


def issue_pair(login: Login) -> Pair:
    """Fresh tokens of a sign-in, good until LONGEST_SIGN_IN is over at the latest."""
    refresh = SignInToken()
    refresh["exp"] = min(refresh["exp"], int((login.created_at + LONGEST_SIGN_IN).timestamp()))
    refresh["user_id"], refresh["sid"] = str(login.user_id), str(login.id)
    access = refresh.access_token
    return Pair(str(access), str(refresh), access["exp"] - access["iat"])


def refresh_pair(text: str) -> tuple[Pair, User]:
    """Fresh tokens for a refresh token, which is used up.

    Raises NotAuthenticated (`token_invalid`, `token_reused`), TooFast. Whoever comes with a used one has stolen it, or
    was stolen from: the whole sign-in ends.
    """
    token, login = _sign_in_of(text)
    budgets().spend(REFRESHES, login.id)
    with transaction.atomic():
        is_first = token.use_up()
    if not is_first:
        used = BlacklistedToken.objects.filter(token__jti=token["jti"]).values_list("blacklisted_at", flat=True).first()
        if used is None or timezone.now() - used > timedelta(seconds=REUSE_SECONDS):
            end_logins(Login.objects.filter(id=login.id))
        raise NotAuthenticated("This refresh token was used before.", code="token_reused")
    return issue_pair(login), login.user


def end_sign_in(text: str) -> None:
    """Sign out: the sign-in of this refresh token ends with all its tokens. Raises NotAuthenticated."""
    _, login = _sign_in_of(text)
    end_logins(Login.objects.filter(id=login.id))


def end_logins(logins: QuerySet[Login]) -> int:
    """End these sign-ins. Gives the number of those that had not ended."""
    return logins.filter(ended_at=None).update(ended_at=timezone.now())


def _sign_in_of(text: str) -> tuple[SignInToken, Login]:
    invalid = NotAuthenticated("This refresh token is not valid.", code="token_invalid")
    try:
        token = SignInToken(text)  # type: ignore[arg-type]
        login_id = UUID(str(token["sid"]))
    except (TokenError, KeyError, ValueError):
        raise invalid from None
    login = Login.objects.select_related("user").filter(id=login_id).first()
    if login is None or not login.is_working:
        raise invalid
    return token, login


# End users ----------------------------------------------------------------------------------------


def issue_end_user_token(
    *, end_user: EndUser, api_key_id: UUID | None, chat_session_id: UUID | None = None
) -> tuple[str, datetime]:
    """A token for an end user, perhaps for one chat session only, and the time it expires."""
    token = EndUserToken()
    token["sub"], token["tid"], token["epoch"] = str(end_user.id), str(end_user.tenant_id), end_user.token_epoch
    token["key"] = str(api_key_id) if api_key_id else None
    if chat_session_id is not None:
        token["chat"] = str(chat_session_id)
    return str(token), datetime.fromtimestamp(token["exp"], UTC)


# Who it is ----------------------------------------------------------------------------------------


def principal_of_token(text: str) -> Principal | None:
    """The principal of a working access or end-user token, or None."""
    try:
        payload = token_backend.decode(text)  # type: ignore[arg-type]
        if payload["token_type"] == AccessToken.token_type:
            return _person(UUID(payload["sid"]))
        if payload["token_type"] == EndUserToken.token_type:
            return _end_user(payload)
    except (TokenBackendError, KeyError, TypeError, ValueError, AttributeError):
        pass
    return None


def _person(login_id: UUID) -> Principal | None:
    login = Login.objects.select_related("user").filter(id=login_id).first()
    if login is None or not login.is_working:
        return None
    end_user = end_user_of(login.user)
    if end_user is None:
        return None
    return Principal(
        end_user.tenant_id, end_user_id=end_user.id, user_id=login.user_id, credential=Credential(login_id=login_id)
    )


def _end_user(payload: dict[str, Any]) -> Principal | None:
    tenant_id, epoch = UUID(payload["tid"]), int(payload["epoch"])
    key = UUID(payload["key"]) if payload["key"] else None
    rows = EndUser.objects.filter(
        id=UUID(payload["sub"]), tenant_id=tenant_id, token_epoch=epoch, tenant__deleted_at__isnull=True
    )
    end_user_id = rows.values_list("id", flat=True).first()
    if end_user_id is None or (key and not ApiKey.objects.filter(id=key, revoked_at__isnull=True).exists()):
        return None
    return Principal(
        tenant_id,
        end_user_id=end_user_id,
        chat_session_id=UUID(payload["chat"]) if "chat" in payload else None,
        credential=Credential(api_key_id=key, token_epoch=epoch),
    )
