"""The wire protocol of a chat session's socket: every frame, in and out. AsyncAPI is made from these models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from chatify.common.errors import InvalidInput
from chatify.common.inputs import ClientMessageId, Content, Line, Slug, check
from chatify.realtime.frames import ClientFrame, ErrorFrame, Id, Ping, Pong, ServerFrame, type_of
from sessions.objects import ChatSessionObject, MessageObject


class MessageSend(ClientFrame):
    """Say something."""

    type: Literal["message.send"]
    content: Content
    client_message_id: ClientMessageId | None = None
    model: Annotated[str, Field(max_length=120), Line] | None = None


class ReplyStop(ClientFrame):
    """Stop the running reply."""

    type: Literal["reply.stop"]


class ReplyRetry(ClientFrame):
    """Ask for another reply instead of one that failed or was stopped."""

    type: Literal["reply.retry"]
    message_id: Id


class Sync(ClientFrame):
    """Ask for what was missed: messages after `after_seq`, and the text of one reply from `offset` on."""

    type: Literal["sync"]
    after_seq: Annotated[int, Field(ge=0, le=2**31 - 1)]
    message_id: Id | None = None
    offset: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class TypingStart(ClientFrame):
    """The person begins to type."""

    type: Literal["typing.start"]


class TypingStop(ClientFrame):
    """The person stops to type."""

    type: Literal["typing.stop"]


class MessageRead(ClientFrame):
    """In a human room: all messages up to `seq` were read."""

    type: Literal["message.read"]
    seq: Annotated[int, Field(ge=1, le=2**31 - 1)]


class FeedbackFrame(ClientFrame):
    """Rate a reply, or the chat session."""

    type: Literal["feedback"]
    rating: Annotated[int, Field(ge=1, le=5)]
    message_id: Id | None = None


class PersonalitySwitch(ClientFrame):
    """Have another personality answer from now on, such as the one that was suggested."""

    type: Literal["personality.switch"]
    template: Slug


class PersonalityDecline(ClientFrame):
    """Not the personality that was suggested; it is not suggested again in this chat session."""

    type: Literal["personality.decline"]


CLIENT_FRAMES = (
    MessageSend,
    ReplyStop,
    ReplyRetry,
    Sync,
    TypingStart,
    TypingStop,
    MessageRead,
    FeedbackFrame,
    PersonalitySwitch,
    PersonalityDecline,
    Ping,
)


_KINDS: dict[str, type[ClientFrame]] = {type_of(frame): frame for frame in CLIENT_FRAMES}


def parse_frame(value: Any, kinds: Mapping[str, type[ClientFrame]] = _KINDS) -> ClientFrame:
    """A client's frame, of one of these types. Raises InvalidInput that names every wrong field."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise InvalidInput.at("type", "required", "A frame is a JSON object with a type.")
    model = kinds.get(value["type"])
    if model is None:
        raise InvalidInput.at("type", "unknown_type", "There is no frame of this type.")
    return check(model, value)


# What the server sends ----------------------------------------------------------------------------


class RunningReply(ServerFrame):
    """A reply that is being written."""

    message_id: UUID
    offset: int = Field(description="Deltas follow from here on; ask `sync` for what is before.")


class PersonInRoom(ServerFrame):
    """One of the two people of a human room. Their messages have this `role`."""

    role: Literal["user", "human"]
    name: str
    online: bool
    read_seq: int = Field(description="They have read up to this message.")


class SessionReady(ServerFrame):
    """The first frame: the state of the chat session."""

    type: Literal["session.ready"]
    session: ChatSessionObject
    last_seq: int
    running: RunningReply | None = None
    participants: list[PersonInRoom] | None = Field(None, description="Of a human room, you among them.")


class MessageAccepted(ServerFrame):
    """Your message is on disk."""

    type: Literal["message.accepted"]
    client_message_id: str | None
    message_id: UUID
    seq: int


class MessageCreated(ServerFrame):
    """A message from another device, from another person, or one that a `sync` asked for."""

    type: Literal["message.created"]
    message: MessageObject


class ReplyStarted(ServerFrame):
    """A reply is being written."""

    type: Literal["reply.started"]
    message_id: UUID
    seq: int


class ReplyDelta(ServerFrame):
    """A piece of the reply. `offset` counts the Unicode code points before it; drop what you have already."""

    type: Literal["reply.delta"]
    message_id: UUID
    offset: int
    text: str


class ReplyCompleted(ServerFrame):
    """The reply is whole."""

    type: Literal["reply.completed"]
    message_id: UUID
    message: MessageObject


class ReplyFailed(ServerFrame):
    """The reply broke off; its text so far is kept."""

    type: Literal["reply.failed"]
    message_id: UUID
    message: MessageObject
    code: str
    retryable: bool


class ReplyCancelled(ServerFrame):
    """The reply was stopped; its text so far is kept."""

    type: Literal["reply.cancelled"]
    message_id: UUID
    message: MessageObject


class Typing(ServerFrame):
    """Somebody else begins to type, or stops to."""

    type: Literal["typing.start", "typing.stop"]
    role: Literal["user", "human"] | None = Field(None, description="Who of a human room it is.")


class MessagesRead(ServerFrame):
    """Somebody of a human room has read all messages up to `seq`."""

    type: Literal["message.read"]
    role: Literal["user", "human"]
    seq: int


class Presence(ServerFrame):
    """Somebody of a human room is there now, or is not any more."""

    type: Literal["presence"]
    role: Literal["user", "human"]
    online: bool


class SpeakerChanged(ServerFrame):
    """Somebody else may answer from now on."""

    type: Literal["speaker.changed"]
    speaker: Literal["ai", "human", "nobody"]


class FeedbackAccepted(ServerFrame):
    """Your rating is stored."""

    type: Literal["feedback.accepted"]
    message_id: UUID | None
    rating: int


class SessionPaused(ServerFrame):
    """The chat session was paused; the next message resumes it."""

    type: Literal["session.paused"]
    reason: str


class SessionResumed(ServerFrame):
    """The chat session goes on."""

    type: Literal["session.resumed"]
    reason: str


class SessionEnded(ServerFrame):
    """The chat session is over; the socket closes with 4403."""

    type: Literal["session.ended"]
    reason: str


class PersonalitySuggested(ServerFrame):
    """Another personality fits better to what was said last: switch to it, or decline."""

    type: Literal["personality.suggested"]
    template: str
    name: str
    reason: str


class PersonalitySwitched(ServerFrame):
    """Another personality answers from now on, whoever asked for it. A notice among the messages says so, too."""

    type: Literal["personality.switched"]
    session: ChatSessionObject


class PersonalityDeclined(ServerFrame):
    """The personality that was suggested is suggested no more."""

    type: Literal["personality.declined"]


SERVER_FRAMES = (
    SessionReady,
    MessageAccepted,
    MessageCreated,
    ReplyStarted,
    ReplyDelta,
    ReplyCompleted,
    ReplyFailed,
    ReplyCancelled,
    Typing,
    MessagesRead,
    Presence,
    SpeakerChanged,
    FeedbackAccepted,
    SessionPaused,
    SessionResumed,
    SessionEnded,
    PersonalitySuggested,
    PersonalitySwitched,
    PersonalityDeclined,
    Pong,
    ErrorFrame,
)

CLOSE_CODES = {
    1009: "A frame of more than 64 KiB.",
    1011: "Our fault.",
    1012: "The server restarts: connect again.",
    4400: "More than 50 bad frames in 60 seconds, or a bad address: the frame `error` before it says what.",
    4401: "Not authenticated, or the credential was revoked.",
    4403: "Not allowed, or the chat session has ended.",
    4404: "There is no such chat session.",
    4408: "No frame from you for 300 seconds.",
    4409: "More than 10 sockets on this chat session, or of this person at matchmaking.",
    4429: "Too fast.",
}
