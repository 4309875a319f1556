"""Registering, signing in and out, passwords, and who I am, over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts import password_resets, signing_in, tokens
from chatify.accounts.access import get_person
from chatify.accounts.api.authentication import address_of, principal_of
from chatify.accounts.emails import MAX_EMAIL, Email
from chatify.accounts.models import User
from chatify.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from chatify.accounts.people import external_id_of, rename_person, tenants_of
from chatify.common.api import NO_STORE, PublicView, read_body
from chatify.common.inputs import Body, Line

Name = Annotated[str, Field(max_length=80), Line]
OldPassword = Annotated[str, Field(max_length=MAX_LENGTH)]
NewPassword = Annotated[
    str,
    Field(
        description=f"{MIN_LENGTH} to {MAX_LENGTH} characters, with lower and upper case, a digit and a special one, "
        "without white space; neither a common one nor like the e-mail address or the name."
    ),
]
Token = Annotated[str, Field(max_length=2000), Line]


class RegisterBody(Body):
    """A new person."""

    email: Email
    password: NewPassword
    name: Name = ""


class LoginBody(Body):
    """Somebody who signs in."""

    email: Annotated[str, Field(max_length=MAX_EMAIL), Line]
    password: OldPassword


class RefreshBody(Body):
    """A refresh token."""

    refresh_token: Token


class RenameBody(Body):
    """Another name."""

    name: Name


class PasswordBody(Body):
    """Another password."""

    current_password: OldPassword
    new_password: NewPassword


class AskBody(Body):
    """Whose password is forgotten."""

    email: Email


class ResetBody(Body):
    """A new password; `uid` and `token` come in the mail."""

    uid: Annotated[str, Field(max_length=200), Line]
    token: Annotated[str, Field(max_length=200), Line]
    new_password: NewPassword


class PersonObject(BaseModel):
    """A person who signs in."""

    id: UUID
    email: str
    name: str
    created_at: datetime


class TokensObject(BaseModel):
    """What a sign-in gives. A refresh token is good once; `expires_in` is the access token's, in seconds."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user: PersonObject


class OwnTenantObject(BaseModel):
    """A tenant that the person owns."""

    slug: str
    name: str


class MeObject(PersonObject):
    """The person who asks. `external_id` is how they are called as an end user."""

    external_id: str
    tenants: list[OwnTenantObject]


class SaidObject(BaseModel):
    """What happens next, for people."""

    detail: str


class Register(PublicView):
    """New people."""

    @extend_schema(operation_id="register", request=RegisterBody, responses={201: TokensObject})
    def post(self, request: Request) -> Response:
        """Register, and sign in."""
        body, address = read_body(request, RegisterBody), address_of(request)
        user = signing_in.register(email=body.email, password=body.password, name=body.name, address=address)
        return _signed_in(user, address, status=201)


class Login(PublicView):
    """Signing in."""

    @extend_schema(operation_id="login", request=LoginBody, responses=TokensObject)
    def post(self, request: Request) -> Response:
        """Sign in by e-mail and password."""
        body, address = read_body(request, LoginBody), address_of(request)
        user = signing_in.check_credentials(email=body.email, password=body.password, address=address)
        return _signed_in(user, address)


class Refresh(PublicView):
    """Staying signed in."""

    @extend_schema(operation_id="refresh", request=RefreshBody, responses=TokensObject)
    def post(self, request: Request) -> Response:
        """Fresh tokens for a refresh token, which is used up."""
        pair, user = tokens.refresh_pair(read_body(request, RefreshBody).refresh_token)
        return Response(_tokens_object(pair, user), headers=NO_STORE)


class Logout(PublicView):
    """Signing out."""

    @extend_schema(operation_id="logout", request=RefreshBody, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the sign-in of a refresh token, with all of its tokens."""
        tokens.end_sign_in(read_body(request, RefreshBody).refresh_token)
        return Response(status=204)


class Me(APIView):
    """Who I am."""

    scopes = ()  # for people only, who have none

    @extend_schema(operation_id="get_me", responses=MeObject)
    def get(self, request: Request) -> Response:
        """The person who asks."""
        return Response(_me_object(get_person(principal_of(request))))

    @extend_schema(operation_id="update_me", request=RenameBody, responses=MeObject)
    def patch(self, request: Request) -> Response:
        """Change the name, also the one that personalities know."""
        user = get_person(principal_of(request))
        rename_person(user=user, name=read_body(request, RenameBody).name)
        return Response(_me_object(user))


class Password(APIView):
    """Another password."""

    scopes = ()

    @extend_schema(operation_id="change_password", request=PasswordBody, responses=TokensObject)
    def post(self, request: Request) -> Response:
        """Change the password. All sign-ins end; the answer is a new one."""
        user = get_person(principal_of(request))
        body, address = read_body(request, PasswordBody), address_of(request)
        user = signing_in.change_password(
            user=user, current_password=body.current_password, new_password=body.new_password, address=address
        )
        if principal_of(request).credential.browser_key:
            _stay_signed_in(request._request, user)
        return _signed_in(user, address)


class AskForReset(PublicView):
    """A forgotten password."""

    @extend_schema(operation_id="ask_for_password_reset", request=AskBody, responses={202: SaidObject})
    def post(self, request: Request) -> Response:
        """Have a mail sent with which a new password can be set. The answer is the same for who is unknown."""
        body, base_url = read_body(request, AskBody), f"{request.scheme}://{request.get_host()}"
        password_resets.ask_for_reset(email=body.email, base_url=base_url, address=address_of(request))
        return Response({"detail": "If somebody signs in with this address, a mail is on its way."}, status=202)


class ConfirmReset(PublicView):
    """A new password instead of a forgotten one."""

    @extend_schema(operation_id="confirm_password_reset", request=ResetBody, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set a new password with what the mail said. All sign-ins end."""
        body = read_body(request, ResetBody)
        password_resets.reset_password(
            uid=body.uid, token=body.token, password=body.new_password, address=address_of(request)
        )
        return Response(status=204)


def _stay_signed_in(http: HttpRequest, user: User) -> None:
    """At this browser, while all others are signed out."""
    http.user = user  # Django REST framework has put the principal there
    update_session_auth_hash(http, user)


def _signed_in(user: User, address: str, status: int = 200) -> Response:
    pair = tokens.issue_pair(signing_in.sign_in(user=user, address=address))
    return Response(_tokens_object(pair, user), status=status, headers=NO_STORE)


def _tokens_object(pair: tokens.Pair, user: User) -> dict[str, Any]:
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
        "user": _person_object(user),
    }


def _person_object(user: User) -> dict[str, Any]:
    return {"id": user.pk, "email": user.email, "name": user.name, "created_at": user.created_at}


def _me_object(user: User) -> dict[str, Any]:
    tenants = [{"slug": tenant.slug, "name": tenant.name} for tenant in tenants_of(user)]
    return {**_person_object(user), "external_id": external_id_of(user), "tenants": tenants}
