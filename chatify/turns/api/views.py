"""Turns over REST and SSE."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import BaseModel, Field
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.idempotency import IDEMPOTENCY_KEY, idempotency_parameter, read_idempotency_key
from chatify.common.api import MAX_PAGE, AsyncAPIView, read_body, read_query
from chatify.common.errors import InvalidInput
from chatify.common.inputs import Body, ClientMessageId, Content, ExternalId, Line, Query
from chatify.common.schema import parameter
from chatify.common.threads import in_db_thread
from chatify.turns import progress
from chatify.turns.answering import Listener, answer_again, events_of_reply
from chatify.turns.api.sse import MEDIA_TYPE, EventStreamRenderer, stream_response
from chatify.turns.following import follow, reply_from
from chatify.turns.live import Event, LiveReply
from chatify.turns.runtime import Runtime, accepted_event, current
from chatify.turns.spec import Accepted
from sessions.access import as_participant, get_chat_session
from sessions.api.views import ws_base
from sessions.objects import MessageObject

ANSWER_SECONDS = 60.0


class MessageBody(Body):
    """What somebody says."""

    content: Content
    client_message_id: ClientMessageId | None = Field(
        None, description="Yours to choose; the same one again gives the first answer and no second message."
    )
    model: Annotated[str, Field(max_length=120), Line] | None = None
    user: ExternalId | None = Field(None, description="Who says it. API keys have to give it in a human room.")
    event_id: Annotated[str, Field(max_length=128), Line] | None = Field(
        None, description="Ignored here; as on the socket."
    )


class MessageQuery(Query):
    """Which messages."""

    after_seq: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class TurnObject(BaseModel):
    """A message and the reply to it.

    The reply is missing in a 202: it goes on, ask for it later. And there is none where another person answers.
    """

    message: MessageObject
    reply: MessageObject | None = None


class ReplyObject(BaseModel):
    """A reply. It is missing in a 202: it goes on, ask for it later."""

    reply: MessageObject | None = None


class MessagesObject(BaseModel):
    """Messages in `seq` order."""

    results: list[MessageObject]


class StoppedObject(BaseModel):
    """Whether a reply was running."""

    stopped: bool


_STREAM = OpenApiResponse(OpenApiTypes.STR, description="With `Accept: text/event-stream`: the socket's events.")


def _answers(model: type[BaseModel]) -> dict[Any, Any]:
    return {(200, "application/json"): model, (200, MEDIA_TYPE): _STREAM, (202, "application/json"): model}


class TurnView(AsyncAPIView):
    """Base of the views that can answer with a stream."""

    renderer_classes = (JSONRenderer, EventStreamRenderer)

    def wants_stream(self, request: Request) -> bool:
        """Whether the client asked for events."""
        return bool(request.accepted_renderer.media_type == MEDIA_TYPE)


class MessageList(TurnView):
    """The messages of a chat session."""

    def get_renderers(self) -> list[BaseRenderer]:
        """As they are; but a list of messages is no stream."""
        return [JSONRenderer()] if self.request.method == "GET" else super().get_renderers()

    @extend_schema(
        operation_id="send_message",
        request=MessageBody,
        parameters=[idempotency_parameter("Another name for `client_message_id`.")],
        responses=_answers(TurnObject),
    )
    async def post(self, request: Request, chat_session_id: UUID) -> HttpResponseBase:
        """Say something, and get the reply: whole, or as a stream of events.

        In a human room, or while a person has the floor, nobody is waited for: the message alone is answered.
        """
        body = read_body(request, MessageBody)
        client_message_id = _client_message_id(request, body)
        runtime = current()
        listener = Listener(runtime, principal_of(request), chat_session_id, ws_base(request._request))
        try:
            chat_session, _ = await follow(runtime, principal_of(request), chat_session_id, listener)
            speaker = as_participant(principal_of(request), chat_session, body.user)
            accepted = await runtime.accept(
                principal=speaker,
                chat_session_id=chat_session_id,
                end_user_id=speaker.end_user_id or chat_session.end_user_id,
                is_room=chat_session.partner_id is not None,
                content=body.content,
                client_message_id=client_message_id,
                model=body.model,
            )
        except BaseException:
            listener.close()
            raise
        events = _answer(runtime, listener, chat_session_id, accepted)
        if self.wants_stream(request):
            return stream_response(listener, _chain([accepted_event(accepted)], events))
        reply = await _last_message(listener, events)
        found = {"message": accepted.message} | ({"reply": reply} if reply else {})
        return Response(found, status=200 if reply or not accepted.gets_reply else 202)

    @extend_schema(
        operation_id="list_messages",
        parameters=[
            parameter("after_seq", "Only messages after this number.", int),
            parameter("limit", "1 to 200, 50 by default.", int),
        ],
        responses={(200, "application/json"): MessagesObject},
    )
    async def get(self, request: Request, chat_session_id: UUID) -> HttpResponseBase:
        """The messages in `seq` order, a running reply with its text so far."""
        query = read_query(request, MessageQuery)

        def read() -> list[progress.Row]:
            get_chat_session(principal_of(request), chat_session_id)
            return progress.read_messages(chat_session_id, after_seq=query.after_seq, limit=query.limit)

        rows = await in_db_thread(read)
        return Response({"results": [row.wire for row in rows]})


class RetryReply(TurnView):
    """Another reply."""

    @extend_schema(operation_id="retry_reply", request=None, responses=_answers(ReplyObject))
    async def post(self, request: Request, chat_session_id: UUID, message_id: UUID) -> HttpResponseBase:
        """Ask for another reply instead of one that failed or was stopped."""
        read_body(request, Body)
        runtime = current()
        listener = Listener(runtime, principal_of(request), chat_session_id, ws_base(request._request))
        try:
            chat_session, _ = await follow(runtime, principal_of(request), chat_session_id, listener)
            spec = await runtime.retry(
                principal=principal_of(request),
                chat_session_id=chat_session_id,
                end_user_id=chat_session.end_user_id,
                message_id=message_id,
            )
        except BaseException:
            listener.close()
            raise
        events = events_of_reply(listener, after_seq=spec.seq - 1)
        if self.wants_stream(request):
            return stream_response(listener, events)
        reply = await _last_message(listener, events)
        return Response({"reply": reply} if reply else {}, status=200 if reply else 202)


class ReplyStream(TurnView):
    """The running reply."""

    @extend_schema(
        operation_id="resume_stream",
        parameters=[
            OpenApiParameter(
                "Last-Event-ID", str, OpenApiParameter.HEADER, description="`<message id>:<length>` of the last event."
            )
        ],
        responses={(200, MEDIA_TYPE): _STREAM, 204: OpenApiResponse(description="Nothing runs.")},
    )
    async def get(self, request: Request, chat_session_id: UUID) -> HttpResponseBase:
        """Follow the running reply, from where you were; 204 when nothing runs and nothing was missed."""
        last_id, length = _last_event(request.headers.get("Last-Event-ID", ""))
        runtime = current()
        listener = Listener(runtime, principal_of(request), chat_session_id, ws_base(request._request))
        try:
            _, live = await follow(runtime, principal_of(request), chat_session_id, listener)
            if live is None:
                missed = await reply_from(runtime, chat_session_id, last_id, length) if last_id else []
                if len(missed) < 2:  # the end alone was seen, or it never was a reply
                    listener.close()
                    return HttpResponse(status=204)
                return stream_response(listener, _chain(missed))
        except BaseException:
            listener.close()
            raise
        return stream_response(listener, _resume(live, length if live.message_id == last_id else 0, listener))


class StopReply(AsyncAPIView):
    """The end of a running reply."""

    @extend_schema(operation_id="stop_reply", request=None, responses=StoppedObject)
    async def post(self, request: Request, chat_session_id: UUID) -> HttpResponseBase:
        """Stop the running reply. Its text so far is kept."""
        read_body(request, Body)
        was_running = await current().stop_running(principal=principal_of(request), chat_session_id=chat_session_id)
        return Response({"stopped": was_running})


def _client_message_id(request: Request, body: MessageBody) -> str | None:
    """The message's own id: here `Idempotency-Key` is another name for it. Raises InvalidInput."""
    key = read_idempotency_key(request)
    if key is not None and body.client_message_id not in (None, key):
        raise InvalidInput.at(IDEMPOTENCY_KEY, "conflicting", "This is another one than client_message_id.")
    return body.client_message_id or key


def _last_event(header: str) -> tuple[UUID | None, int]:
    if not header:
        return None, 0
    id_, _, length = header.partition(":")
    try:
        if not length.isdecimal() or len(length) > 9:
            raise ValueError
        return UUID(id_), int(length)
    except ValueError:
        raise InvalidInput.at("Last-Event-ID", "bad_cursor", "This is not an id of ours.") from None


async def _resume(live: LiveReply, length: int, listener: Listener) -> AsyncGenerator[Event, None]:
    yield {"type": "reply.started", "message_id": str(live.message_id), "seq": live.seq}
    rest = live.rest(length)
    if rest is not None:
        yield rest
        length = rest.offset + len(rest.text)
    async for event in events_of_reply(listener, after_seq=0, message_id=live.message_id, length=length):
        yield event


async def _chain(first: list[Event], rest: AsyncGenerator[Event, None] | None = None) -> AsyncGenerator[Event, None]:
    for event in first:
        yield event
    if rest is not None:
        async for event in rest:
            yield event


def _answer(
    runtime: Runtime, listener: Listener, chat_session_id: UUID, accepted: Accepted
) -> AsyncGenerator[Event, None]:
    """The events of the reply to a message; none where no personality answers."""
    if not accepted.gets_reply:
        return _chain([])
    if accepted.is_duplicate:
        return answer_again(runtime, listener, chat_session_id, accepted.seq)
    return events_of_reply(listener, after_seq=accepted.seq)


async def _last_message(listener: Listener, events: AsyncGenerator[Event, None]) -> dict[str, Any] | None:
    """The reply's message object when it has ended; None when that takes too long, or never comes."""
    last: Event | None = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS), aclosing(events):
            async for event in events:
                last = event
    except TimeoutError:
        return None
    finally:
        listener.close()
    return last.get("message") if isinstance(last, dict) else None
