"""What is remembered, over REST: memories of an end user, summaries of a chat session."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.users.paths import EXTERNAL_ID, checked_external_id, ends_in
from chatify.accounts.api.users.views import EndUserDetail
from chatify.common.api import MAX_PAGE, PageQuery, page, read_body, read_query
from chatify.common.inputs import Body, Line, NotBlank, Query
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter
from chatify.memory.access import get_memory, get_remembered_user, memories_for
from chatify.memory.actions import correct_memory, forget_everything, forget_memories
from chatify.memory.models import MAX_MEMORY, Memory
from chatify.memory.objects import KindName, MemoryObject, memory_object
from sessions.access import get_chat_session
from sessions.objects import SummaryObject, summary_object


class MemoryQuery(PageQuery):
    """Which memories."""

    kind: KindName | None = None


class KindQuery(Query):
    """Which memories to forget."""

    kind: KindName | None = None


class CorrectionBody(Body):
    """What is true instead."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_MEMORY), Line, NotBlank]


class SummaryQuery(Query):
    """Which summaries."""

    before_seq: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class ForgottenObject(BaseModel):
    """How many memories are gone."""

    deleted: int


class SummariesObject(BaseModel):
    """Summaries in the order of what they cover. The last one stands for all that came before, too."""

    results: list[SummaryObject]


_KIND = parameter("kind", "Only those of this kind.", enum=list(Memory.Kind.values))


class OfEndUser(APIView):
    """Base of views below an end user's path. To Django's routes an escaped slash in an id is one like others."""

    scopes = ()
    tail: ClassVar[str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As usual, unless what looks like this view's part of the path belongs to the id."""
        tail = self.tail.format(**kwargs)
        if ends_in(request, tail):
            return super().dispatch(request, *args, **kwargs)
        whole = f"{kwargs['external_id']}{tail.rstrip('/')}"
        return EndUserDetail.as_view()(request, external_id=whole)


class MemoryList(OfEndUser):
    """All that is remembered about one end user."""

    tail = "/memories/"

    @extend_schema(
        operation_id="list_memories", parameters=[EXTERNAL_ID, _KIND, *PAGE_PARAMETERS], responses=page_of(MemoryObject)
    )
    def get(self, request: Request, external_id: str) -> Response:
        """What is remembered, what was said latest first. Keys need the scope `chat`; others see their own only."""
        rows = memories_for(principal_of(request), checked_external_id(external_id))
        query = read_query(request, MemoryQuery)
        if query.kind:
            rows = rows.filter(kind=query.kind)
        return Response(page(request, rows, query, ordering="-said_at", render=memory_object))

    @extend_schema(operation_id="forget_memories", parameters=[EXTERNAL_ID, _KIND], responses={200: ForgottenObject})
    def delete(self, request: Request, external_id: str) -> Response:
        """Forget everything about the user, or everything of one kind, for good.

        It is not found again in what was said until now; said once more, it is remembered again.
        """
        principal = principal_of(request)
        end_user = get_remembered_user(principal, checked_external_id(external_id))
        query = read_query(request, KindQuery)
        deleted = forget_everything(end_user_id=end_user.id, kind=query.kind, who=principal)
        return Response({"deleted": deleted})


class MemoryDetail(OfEndUser):
    """One thing that is remembered."""

    tail = "/memories/{memory_id}/"

    @extend_schema(
        operation_id="correct_memory", parameters=[EXTERNAL_ID], request=CorrectionBody, responses=MemoryObject
    )
    def patch(self, request: Request, external_id: str, memory_id: UUID) -> Response:
        """Correct it. Nothing that is found later replaces the text; one that says the same becomes one with it."""
        principal = principal_of(request)
        memory = get_memory(principal, checked_external_id(external_id), memory_id)
        body = read_body(request, CorrectionBody)
        return Response(memory_object(correct_memory(memory=memory, text=body.text, who=principal)))

    @extend_schema(operation_id="forget_memory", parameters=[EXTERNAL_ID], responses={204: None})
    def delete(self, request: Request, external_id: str, memory_id: UUID) -> Response:
        """Forget it, for good."""
        principal = principal_of(request)
        memory = get_memory(principal, checked_external_id(external_id), memory_id)
        forget_memories(memories=[memory], who=principal)
        return Response(status=204)


class SummaryList(APIView):
    """What a chat session was about."""

    @extend_schema(
        operation_id="list_summaries",
        parameters=[
            parameter("before_seq", "Only those of messages before this one.", int),
            parameter("limit", "So many of the latest, 1 to 200.", int),
        ],
        responses=SummariesObject,
    )
    def get(self, request: Request, chat_session_id: UUID) -> Response:
        """The summaries of older messages. The last one is what the personality knows of them."""
        chat_session = get_chat_session(principal_of(request), chat_session_id)
        query = read_query(request, SummaryQuery)
        rows = chat_session.summaries.order_by("-from_seq")
        if query.before_seq is not None:
            rows = rows.filter(to_seq__lt=query.before_seq)
        return Response({"results": [summary_object(row) for row in reversed(rows[: query.limit])]})
