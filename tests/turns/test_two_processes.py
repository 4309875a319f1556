"""Two devices on one chat session, connected to different processes, see the same conversation."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.services.provider import Provider
from tests.services.server import Server
from tests.turns.scenes import accept, said, seqs, settled, together, words

Devices = tuple[ApiClient, ApiClient]


@pytest.fixture
def devices(grown_servers: tuple[Server, Server], make_client: MakeClient) -> Devices:
    """The same person at process A and at process B."""
    first, second = grown_servers
    here = make_client(first)
    return here, make_client(second, external_id=here.external_id)


@pytest.fixture
def chat(devices: Devices) -> str:
    return devices[0].start()["id"]


def deltas(socket: Socket) -> list[dict[str, Any]]:
    return [frame for frame in socket.seen if frame["type"] == "reply.delta"]


def test_second_device_follows_live(devices: Devices, chat: str) -> None:
    here, there = (device.socket(chat) for device in devices)
    there.recv_until("session.ready")
    end = here.say("[[n=80,gap=25]]")
    assert there.recv_reply()["message"] == end["message"]
    kinds = list(dict.fromkeys(there.types()))
    assert kinds == ["session.ready", "message.created", "reply.started", "reply.delta", "reply.completed"]
    pieces = deltas(there)
    assert "".join(piece["text"] for piece in pieces) == end["message"]["content"]
    assert all(a["offset"] + len(a["text"]) == b["offset"] for a, b in pairwise(pieces))
    assert len(pieces) >= 5, "it came while it was written, not at its end"


def test_device_that_joins_in_the_middle_gets_the_whole_text(devices: Devices, chat: str, provider: Provider) -> None:
    text = words(150)
    here = devices[0].socket(chat)
    accept(here, provider.reply_with(text, tokens_delay=0.03))
    for _ in range(10):
        here.recv_until("reply.delta")
    there = devices[1].socket(chat)
    running = there.recv_until("session.ready")["running"]
    there.send("sync", after_seq=0, message_id=running["message_id"], offset=0)
    end = there.recv_reply()
    assert end["type"] == "reply.completed"
    pieces = sorted(deltas(there), key=lambda piece: piece["offset"])
    whole = ""
    for piece in pieces:
        assert piece["offset"] <= len(whole)
        whole = whole[: piece["offset"]] + piece["text"] if piece["offset"] + len(piece["text"]) > len(whole) else whole
    assert whole == text == end["message"]["content"] == here.recv_reply()["message"]["content"]


def test_stop_from_the_other_process_is_quick(devices: Devices, chat: str, provider: Provider) -> None:
    here, there = (device.socket(chat) for device in devices)
    accept(here, "stop me from afar [[n=300,gap=50]]")
    there.recv_until("reply.delta")
    started = time.monotonic()
    there.send("reply.stop")
    ends = [there.recv_reply(), here.recv_reply()]
    assert time.monotonic() - started < 3
    assert {end["type"] for end in ends} == {"reply.cancelled"}
    assert ends[0]["message"] == ends[1]["message"]
    assert provider.wait_for_call("stop me from afar").state == "aborted"


def test_stop_over_rest_at_the_other_process(devices: Devices, chat: str) -> None:
    here = devices[0].socket(chat)
    accept(here, "[[n=300,gap=50]]")
    assert devices[1].post(f"/api/v1/sessions/{chat}/stop/").json() == {"stopped": True}
    assert here.recv_reply()["type"] == "reply.cancelled"
    assert devices[1].post(f"/api/v1/sessions/{chat}/stop/").json() == {"stopped": False}


def test_end_at_the_other_process_stops_the_reply_and_closes_all_sockets(devices: Devices, chat: str) -> None:
    here, there = (device.socket(chat) for device in devices)
    accept(here, "[[n=300,gap=50]]")
    there.recv_until("reply.delta")
    devices[1].post(f"/api/v1/sessions/{chat}/end/")
    for socket in (here, there):
        assert socket.wait_closed() == 4403
        assert socket.types()[-2:] == ["reply.cancelled", "session.ended"]
    assert devices[0].messages(chat)[1]["content"], "the text that people saw is kept"


def test_rest_waits_for_a_reply_that_another_process_writes(devices: Devices, chat: str) -> None:
    here = devices[0].socket(chat)
    accept(here, "first [[n=20,gap=50]]")
    turn = devices[1].send(chat, "second")
    assert [here.recv_reply()["message"]["seq"] for _ in range(2)] == [2, 4]
    assert turn["reply"]["content"] == "You said: second"
    assert turn["message"]["seq"] == 3
    assert turn["reply"]["seq"] == 4


def test_events_of_a_reply_that_another_process_writes(devices: Devices, chat: str) -> None:
    here = devices[0].socket(chat)
    accept(here, "first [[n=20,gap=50]]")
    events = list(devices[1].sse(chat, "second [[n=10,gap=20]]"))
    assert [here.recv_reply()["message"]["seq"] for _ in range(2)] == [2, 4]
    assert [event.name for event in events if event.name != "reply.delta"] == [
        "message.accepted", "reply.started", "reply.completed",
    ]  # fmt: skip
    text = "".join(event.data["text"] for event in events if event.name == "reply.delta")
    assert text == events[-1].data["message"]["content"]


def test_stream_of_a_running_reply_is_resumed_at_the_other_process(devices: Devices, chat: str) -> None:
    here = devices[0].socket(chat)
    accept(here, "[[n=100,gap=30]]")
    here.recv_until("reply.delta")
    events = list(devices[1].resume(chat))
    assert events[-1].name == here.recv_reply()["type"] == "reply.completed"
    text = "".join(event.data["text"] for event in events if event.name == "reply.delta")
    assert text == events[-1].data["message"]["content"]


def test_typing_is_seen_at_the_other_process(devices: Devices, chat: str) -> None:
    here, there = (device.socket(chat) for device in devices)
    there.recv_until("session.ready")
    here.send("typing.start")
    assert there.recv_until("typing.start")


def test_messages_of_eight_devices_at_once_are_numbered_and_answered(devices: Devices, chat: str) -> None:
    def talk(device: ApiClient, name: int) -> Callable[[], None]:
        def run() -> None:
            for number in range(5):
                device.post(f"/api/v1/sessions/{chat}/messages/", {"content": f"{name}.{number}"}, timeout=60)

        return run

    together(*[talk(devices[name % 2], name) for name in range(8)])
    messages = settled(devices[0], chat)
    assert seqs(messages) == list(range(1, len(messages) + 1))
    assert sorted(said(messages)) == sorted(f"{name}.{number}" for name in range(8) for number in range(5))
    assert {one["status"] for one in messages} == {"complete"}


def test_same_message_at_both_processes_at_once_is_one(devices: Devices, chat: str) -> None:
    jobs = [lambda device=device: device.send(chat, "me", client_message_id="once") for device in devices * 3]
    turns = together(*jobs)
    assert len({turn["message"]["id"] for turn in turns}) == 1
    assert {turn["reply"]["content"] for turn in turns} == {"You said: me"}
    assert seqs(devices[0].messages(chat)) == [1, 2]
