"""What matchmakers tell us, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import InvalidInput
from chatify.common.inputs import Body, ExternalId, Line, Slug, check
from chatify.matchmaking.connecting import connect_to_chatbot, disconnect_from_chatbot
from chatify.webhooks.receipts import Done
from sessions.api.bodies import Metadata

FALLBACK, HUMAN_FOUND, USER_LEFT = "chatbot_fallback_triggered", "human_found", "user_left"


class Waiting(UserInput):
    """Who waits, with the profile, which is brought up to date."""

    external_id: ExternalId


class Somebody(Body):
    """An end user."""

    external_id: ExternalId


class FallbackData(Body):
    """Who shall talk to the chatbot; the rest is for a new chat session, if they have none."""

    user: Waiting
    template: Slug | None = Field(None, description='Slug of the personality; left out, or "auto": the one that fits.')
    context: Annotated[str, Field(max_length=500), Line] = Field(
        "", description="What it will be about. It is used to choose a personality, and not kept."
    )
    metadata: Metadata = Field({}, description="The application's own notes. `reason` is added to them.")


class PersonData(Body):
    """Whom it is about."""

    user: Somebody


class MatchmakerEvent(Body):
    """Base of what is sent. `timestamp` is for the sender; what counts is the one that is signed."""

    timestamp: Annotated[str, Field(max_length=40), Line] | None = None


class ChatbotFallbackTriggered(MatchmakerEvent):
    """Nobody came: the user is to talk to the chatbot."""

    type: Literal["chatbot_fallback_triggered"]
    data: FallbackData


class HumanFound(MatchmakerEvent):
    """A person was found: the chatbot says goodbye, and its chat session ends."""

    type: Literal["human_found"]
    data: PersonData


class UserLeft(MatchmakerEvent):
    """The user is gone: the chat session ends."""

    type: Literal["user_left"]
    data: PersonData


class AnyMatchmakerEvent(RootModel[ChatbotFallbackTriggered | HumanFound | UserLeft]):
    """One of the events, by its `type`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of event: what it looks like, and its work."""

    model: type[MatchmakerEvent]
    work: Callable[[Principal, Any], Done]


def parse_event(value: Any) -> tuple[str, MatchmakerEvent]:
    """The type of an event, and the event. Raises InvalidInput that names every wrong field."""
    if not isinstance(value, dict):
        raise InvalidInput.at("", "wrong_type", "A JSON object is expected.")
    name = value.get("type")
    if not isinstance(name, str):
        raise InvalidInput.at("type", "required", "An event is a JSON object with a type.")
    if name not in KINDS:
        raise InvalidInput.at("type", "unknown_type", f"Only these are taken: {', '.join(KINDS)}.")
    return name, check(KINDS[name].model, value)


def carry_out(principal: Principal, name: str, event: MatchmakerEvent) -> Done:
    """Do what an event of this type asks for, on behalf of its tenant. Raises as `connect_to_chatbot` does."""
    return KINDS[name].work(principal, event)


def _fall_back(principal: Principal, event: ChatbotFallbackTriggered) -> Done:
    data = event.data
    return Done(
        *connect_to_chatbot(
            principal=principal,
            user=data.user,
            template=data.template,
            context=data.context,
            metadata={**data.metadata, "reason": FALLBACK},
            reason=FALLBACK,
        )
    )


def _hand_over(principal: Principal, event: HumanFound) -> Done:
    external_id = event.data.user.external_id
    ended = disconnect_from_chatbot(principal=principal, external_id=external_id, reason=HUMAN_FOUND, with_goodbye=True)
    return Done(ended)


def _end(principal: Principal, event: UserLeft) -> Done:
    external_id = event.data.user.external_id
    return Done(disconnect_from_chatbot(principal=principal, external_id=external_id, reason=USER_LEFT))


KINDS: Mapping[str, Kind] = {
    FALLBACK: Kind(ChatbotFallbackTriggered, _fall_back),
    HUMAN_FOUND: Kind(HumanFound, _hand_over),
    USER_LEFT: Kind(UserLeft, _end),
}
