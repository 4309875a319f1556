"""Calls that may be sent again: the `Idempotency-Key` header (IETF draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, ConfigDict
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts import idempotent_calls
from chatify.accounts.api.authentication import principal_of
from chatify.accounts.idempotent_calls import Answer, Asked
from chatify.accounts.principal import Principal
from chatify.common.api import read_body
from chatify.common.errors import Conflict, InvalidInput
from chatify.common.strict_json import is_storable

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_KEY = 128

F = TypeVar("F", bound=Callable[..., Response])


def idempotency_parameter(description: str) -> OpenApiParameter:
    """The header in the OpenAPI document."""
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY}
    return OpenApiParameter(IDEMPOTENCY_KEY, schema, OpenApiParameter.HEADER, description=description)


_KEY_PARAMETER = idempotency_parameter(
    "Yours to choose. The same call with the same key is done once, and gets the first answer for 24 hours."
)
_REPLAYED_PARAMETER = OpenApiParameter(
    REPLAYED, {"const": "true"}, OpenApiParameter.HEADER, response=[201], description="This is the first call's answer."
)


class PersonalResponse(Response):
    """An answer about an end user: what is kept of it goes when they are erased."""

    def __init__(self, data: dict[str, Any], *, status: int, end_user_id: UUID) -> None:
        super().__init__(data, status=status)
        self.end_user_id = end_user_id


class _Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


def read_idempotency_key(request: Request) -> str | None:
    """The key that a call came with, None without one. Raises InvalidInput."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable() or not key.strip() or not is_storable(key):
        raise InvalidInput.at(IDEMPOTENCY_KEY, "bad_characters", f"1 to {MAX_KEY} printable characters are expected.")
    return key


def idempotent(handler: F) -> F:
    """Makes a `post` handler one that does a call with an `Idempotency-Key` once, and gives its answer again.

    For what makes something and answers with no secret, since answers are kept. A handler that may be asked by an
    API key and answers about an end user has to give a PersonalResponse.
    """

    @wraps(handler)
    def once(view: APIView, request: Request, **kwargs: Any) -> Response:
        key = read_idempotency_key(request)
        if key is None:
            return handler(view, request, **kwargs)
        principal = principal_of(request)
        call = idempotent_calls.begin(_asked(request, principal, key))
        if isinstance(call, Answer):
            return Response(json.loads(call.text), status=call.status, headers={REPLAYED: "true"})
        return _do(call, partial(handler, view, request, **kwargs), principal)

    return cast("F", extend_schema(parameters=[_KEY_PARAMETER, _REPLAYED_PARAMETER])(once))


def _asked(request: Request, principal: Principal, key: str) -> Asked:
    """Raises as the parsing of the body does; a key is not used up by that."""
    body = orjson.dumps(read_body(request, _Anything).model_extra, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode() + body).hexdigest()
    # A token for one chat session does not get at what was answered to the whole user.
    owner_id = principal.chat_session_id or principal.end_user_id or principal.tenant_id
    return Asked(principal.tenant_id, principal.end_user_id, owner_id, key, digest)


def _do(call_id: UUID, handler: Callable[[], Response], principal: Principal) -> Response:
    """The call and what is kept of it in one transaction: after a crash there is both or neither."""
    is_done = False
    try:
        with transaction.atomic():
            response = handler()
            text = JSONRenderer().render(response.data).decode()
            idempotent_calls.finish(call_id, Answer(response.status_code, text), _end_user_of(response, principal))
            is_done = True
    except BaseException as error:
        idempotent_calls.forget(call_id)
        if is_done and isinstance(error, IntegrityError):  # PostgreSQL looks at foreign keys when it commits
            raise Conflict("Whom or what this is about was erased in this moment.", code="user_erased") from None
        raise
    return response


def _end_user_of(response: Response, principal: Principal) -> UUID | None:
    return response.end_user_id if isinstance(response, PersonalResponse) else principal.end_user_id
