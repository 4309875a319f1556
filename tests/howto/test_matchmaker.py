"""docs/howto/matchmaker.md: a matchmaker on Redis and a backend, both real, beside a real Chatify."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from tests.conftest import MakeServer
from tests.howto.lobby import PROGRAMS, Lobby, frame_of, logged, wait_for_log
from tests.services.redis import Redis
from tests.waiting import wait_until


@pytest.fixture
def lobby(make_server: MakeServer, redis: Redis, tmp_path: Path) -> Iterator[Lobby]:
    found = Lobby(make_server(), redis, tmp_path)
    found.set_up()
    found.start()
    yield found
    print(found.log_text())
    found.stop()


def person() -> str:
    return f"person-{uuid4().hex[:8]}"


def test_who_waits_alone_talks_to_the_chatbot_until_somebody_comes(lobby: Lobby) -> None:
    ann, ben = person(), person()
    with lobby.open_page(ann, "Ann") as page:
        assert page.recv()["type"] == "waiting"
        assert "an AI" in frame_of(page, "chatbot")["disclosure"]
        page.send("say", text="hello")
        assert frame_of(page, "message")["text"] == "You said: hello"
        with lobby.open_page(ben, "Ben") as other:
            goodbye = frame_of(page, "message")
            assert (goodbye["sender"] != "Ben", bool(goodbye["text"])) == (True, True)
            assert frame_of(page, "chatbot_left")["reason"] == "human_found"
            assert frame_of(page, "matched")["partner"] == "Ben"
            assert frame_of(other, "matched")["partner"] == "Ann"
            page.send("say", text="hello Ben")
            assert frame_of(other, "message") == {"type": "message", "sender": "Ann", "text": "hello Ben"}
    wait_for_log(lobby, ann, "chatbot.connected", "chatbot.message", "chatbot.session_ended")
    assert logged(lobby, ann).count("chatbot.connected") == 1
    assert logged(lobby, ben) == []


def test_two_who_come_together_meet_at_once(lobby: Lobby) -> None:
    ann, ben = person(), person()
    with lobby.open_page(ann, "Ann") as page, lobby.open_page(ben, "Ben") as other:
        assert frame_of(page, "matched", "chatbot")["type"] == "matched"
        assert frame_of(other, "matched", "chatbot")["type"] == "matched"
        other.close()
        assert frame_of(page, "partner_left", "waiting")["type"] == "partner_left"
        assert frame_of(page, "chatbot")["type"] == "chatbot"  # and the timer starts again


def test_chat_session_of_who_leaves_ends(lobby: Lobby) -> None:
    ann = person()
    with lobby.open_page(ann, "Ann") as page:
        frame_of(page, "chatbot")
    wait_for_log(lobby, ann, "chatbot.session_ended")


def test_backend_takes_nothing_that_is_not_signed(lobby: Lobby) -> None:
    url = f"http://127.0.0.1:{lobby.port}/chatify"
    forged = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,,x"}
    for headers in ({}, forged):
        assert httpx.post(url, json={"type": "x"}, headers=headers, trust_env=False).status_code == 401


def test_backend_takes_a_test(lobby: Lobby) -> None:
    key = (lobby.folder / "chatify.key").read_text().strip()
    endpoint = json.loads((lobby.folder / "endpoint.json").read_text())["endpoint"]["id"]
    url = f"{lobby.server.url}/api/v1/webhooks/endpoints/{endpoint}/test/"
    answer = httpx.post(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30).json()
    assert (answer["state"], answer["status_code"]) == ("delivered", 204)
    assert logged(lobby, "nobody") == ["webhook.test"]


def test_backend_works_once_for_what_comes_twice(lobby: Lobby) -> None:
    ann, now = person(), datetime.now(UTC)
    body = json.dumps({"type": "x", "data": {"user": ann}})
    headers = {
        "webhook-id": ann,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(lobby.secrets()["CHATIFY_ENDPOINT_SECRET"]).sign(ann, now, body),
    }
    for _ in range(2):
        url = f"http://127.0.0.1:{lobby.port}/chatify"
        assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == 204
    assert logged(lobby, ann) == ["x"]


def test_matchmaker_goes_on_when_chatify_was_away(lobby: Lobby) -> None:
    lobby.server.kill()
    with lobby.open_page(person(), "Ann") as page:
        wait_until(lambda: "fall_back" in lobby.log_text(), 30)
        lobby.server.start()
        assert frame_of(page, "chatbot", timeout=30)["type"] == "chatbot"


@pytest.mark.parametrize("program", ["matchmaker.py", "backend.py"])
def test_program_is_small(program: str) -> None:
    assert len((PROGRAMS / program).read_text().splitlines()) < 125
