"""The match socket's frames are what the AsyncAPI document and docs/matchmaking.md say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from chatify.matchmaking.protocol import CLIENT_FRAMES, SERVER_FRAMES
from chatify.operations.asyncapi import document
from tests.client import Socket
from tests.docs.documents import DOCS, section
from tests.matchmaking_api.conftest import MakeSeeker
from tests.matchmaking_api.seekers import Seeker

PAGE = DOCS / "matchmaking.md"


def types_of(*models: Any) -> set[str]:
    """The types that frames of these models have."""
    schemas = [document()["components"]["schemas"][one.__name__]["properties"]["type"] for one in models]
    return {kind for schema in schemas for kind in schema.get("enum", [schema.get("const")])}


def errors_of(frame: dict[str, Any], models: Any) -> list[str]:
    """What is wrong with a frame by the document."""
    name = next(one.__name__ for one in models if frame["type"] in types_of(one))
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return [error.message for error in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(frame)]


def test_document_has_the_match_channel() -> None:
    channel = document()["channels"]["matchmaking"]
    assert channel["address"] == "/ws/v1/match/"
    assert set(channel["messages"]) == {one.__name__ for one in (*CLIENT_FRAMES, *SERVER_FRAMES)}
    assert set(channel["bindings"]["ws"]["query"]["properties"]) == {"ticket", "user"}
    operations = document()["operations"]
    received = operations["receiveFromMatchClient"]["messages"]
    assert received == [{"$ref": f"#/channels/matchmaking/messages/{one.__name__}"} for one in CLIENT_FRAMES]
    assert len(operations) == 4


@pytest.mark.parametrize("quick", ["embedded"], indirect=True)
def test_every_frame_is_as_the_document_says(ada: Seeker, grace: Seeker, make_seeker: MakeSeeker) -> None:
    first = ada.looking()
    first.recv_until("match.chatbot")
    second = grace.looking()
    answer(first, "match.accept")
    first.recv_until("match.matched")
    first.send("match.join", preferences=ada.preferences, next=True)
    first.recv_until("match.chatbot")
    third = make_seeker(ada.server).looking()
    answer(first, "match.stay")
    first.recv_until("match.declined")
    for kind in ("match.cancel", "ping", "match.cancel"):
        first.send(kind)
    first.recv_until("error")
    second.recv_until("match.closed")
    seen = [*first.seen, *second.seen, *third.seen]
    assert {frame["type"] for frame in seen} >= types_of(*SERVER_FRAMES) - {"match.cancelled", "match.expired"}
    assert [(frame, wrong) for frame in seen if (wrong := errors_of(frame, SERVER_FRAMES))] == []


def answer(socket: Socket, kind: str) -> None:
    """Answer the next question."""
    socket.send(kind, proposal=socket.recv_until("match.human_found")["proposal"]["id"])


def test_frames_shown_on_the_page_are_valid() -> None:
    block = section(PAGE, "Over the socket").split("```jsonc\n")[1].split("```")[0]
    frames = [json.loads(line) for line in block.splitlines() if line and not line.startswith("//")]
    assert {frame["type"] for frame in frames} == types_of(*CLIENT_FRAMES)
    assert [errors_of(frame, CLIENT_FRAMES) for frame in frames] == [[]] * len(frames)


def test_page_lists_every_frame_of_the_server() -> None:
    told = section(PAGE, "Over the socket")
    assert [kind for kind in types_of(*SERVER_FRAMES) if f"`{kind}" not in told] == []
