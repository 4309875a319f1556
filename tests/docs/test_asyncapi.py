"""docs/asyncapi.json is what the code generates, and what a real conversation looks like."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from chatify.operations.asyncapi import document
from chatify.realtime.frames import type_of
from chatify.realtime.protocol import CLIENT_FRAMES, CLOSE_CODES, SERVER_FRAMES
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.docs.documents import DOCS, first_cells, section
from tests.rooms.conftest import Room, Rooms, enter
from tests.rooms.test_taking_over import GIVE
from tests.rooms.test_talking import both
from tests.services.server import Server
from tests.turns.scenes import accept

API = DOCS / "api.md"


def test_committed_asyncapi_is_what_the_code_generates() -> None:
    assert json.loads((DOCS / "asyncapi.json").read_text()) == document(), "run the command in docs/api.md"


def test_asyncapi_document_is_valid() -> None:
    schema = json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(document())] == []


def test_server_serves_the_asyncapi_document(embedded_server: Server, make_client: MakeClient) -> None:
    assert make_client(embedded_server, key="").get("/api/asyncapi.json").json() == document()


def test_every_frame_of_a_conversation_is_as_the_document_says(
    embedded_server: Server, make_client: MakeClient
) -> None:
    sockets = *_talk(make_client(embedded_server), embedded_server), _meet(enter(Rooms(), make_client, embedded_server))
    frames = [frame for socket in sockets for frame in socket.seen]
    assert {frame["type"] for frame in frames} == _server_types(), "one is missing, or not in the document"
    for frame in frames:
        _check(frame, is_client=False)


def test_frames_shown_in_the_document_are_valid() -> None:
    sent, received = _shown("What clients send"), _shown("What the server sends")
    for frame in sent:
        _check(frame, is_client=True)
    for frame in received:
        _check(frame, is_client=False)
    assert {frame["type"] for frame in sent} == {type_of(one) for one in CLIENT_FRAMES}
    assert {frame["type"] for frame in received} == _server_types()


def test_document_lists_every_close_code() -> None:
    assert first_cells(section(API, "Close codes")) == {str(code) for code in CLOSE_CODES}


def _talk(ada: ApiClient, server: Server) -> tuple[Socket, Socket]:
    """A conversation on two sockets in which everything comes up."""
    id_ = ada.start("general_conversation", name="Ada", age=36)["id"]
    phone, laptop = ada.socket(id_), ada.socket(id_)
    first = phone.say("Hello [[n=5]]", client_message_id="one")
    phone.send("feedback", rating=5, message_id=first["message_id"])
    phone.say("This fails. [[cut]]")
    phone.send("message.send", content="This is stopped. [[slow]]")
    phone.recv_until("reply.delta")
    phone.send("reply.stop")
    phone.recv_reply()
    for kind in ("typing.start", "typing.stop", "ping", "sync"):
        phone.send(kind, **({"after_seq": 0} if kind == "sync" else {}))
    phone.send("message.send", event_id="wrong", content="", shoe_size=43)
    phone.recv_until("error")
    laptop.recv_until("typing.stop")
    phone.send("message.send", content="We broke up.")
    phone.recv_until("personality.suggested")
    for step, answer in (("decline", {}), ("switch", {"template": "dating_advice"})):
        phone.send(f"personality.{step}", **answer)
        phone.recv_until("personality.declined", "personality.switched")
    for step in ("pause", "resume"):
        ada.post(f"/api/v1/sessions/{id_}/{step}/").raise_for_status()
        phone.recv_until(f"session.{step}d")
    server.manage("shell", "-c", GIVE.format(id_, "human"))
    phone.recv_until("speaker.changed")
    ada.post(f"/api/v1/sessions/{id_}/end/", {})
    assert phone.wait_closed() == laptop.wait_closed() == 4403
    return phone, laptop


def _meet(room: Room) -> Socket:
    """What one hears of the other in a human room."""
    ada, ben = both(room)
    accept(ada, "hello")
    ben.recv_until("message.created")
    ben.send("message.read", seq=1)
    ben.send("typing.start")
    ada.recv_until("typing.start")
    return ada


def _shown(heading: str) -> list[dict[str, Any]]:
    """The frames in the block below a heading."""
    text = re.sub(r"^//.*\n", "", section(API, heading).split("```jsonc\n")[1].split("```")[0], flags=re.MULTILINE)
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        frame, end = decoder.raw_decode(text)
        found.append(frame)
        text = text[end:]
    return found


def _server_types() -> set[str]:
    return {kind for one in SERVER_FRAMES for kind in _types_of(document()["components"]["schemas"][one.__name__])}


def _types_of(schema: dict[str, Any]) -> list[str]:
    kind = schema["properties"]["type"]
    return list(kind["enum"]) if "enum" in kind else [kind["const"]]


def _check(frame: dict[str, Any], *, is_client: bool) -> None:
    schemas = document()["components"]["schemas"]
    models = CLIENT_FRAMES if is_client else SERVER_FRAMES
    name = next((one.__name__ for one in models if frame["type"] in _types_of(schemas[one.__name__])), "")
    assert name, f"no frame in the document has the type {frame['type']}"
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    errors = list(Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(frame))
    if errors:
        pytest.fail(f"{frame} is no {name}: {errors[0].message}")
