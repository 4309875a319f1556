"""docs/howto/matchmaker/matchmaker.py beside a Chatify that refuses, fails or is away."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.howto.lobby import PROGRAMS
from tests.services.redis import Redis

Answer = Callable[[str, str], int]


class Chatify:
    """Answers each event as `answer` says of its type and user."""

    def __init__(self) -> None:
        self.answer: Answer = lambda kind, user: 200
        self.told: Counter[tuple[str, str]] = Counter()

    def respond(self, request: httpx.Request) -> httpx.Response:
        """As the URL of the source."""
        event = json.loads(request.content)
        kind, user = event["type"], event["data"]["user"]["external_id"]
        status = self.answer(kind, user)
        if not status:
            raise httpx.ConnectError("away")
        self.told[kind, user] += status == 200
        return httpx.Response(status, json={"session": {}, "token": "t"})


@pytest.fixture
def chatify() -> Chatify:
    """One that takes everything."""
    return Chatify()


@pytest.fixture
def program(chatify: Chatify, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with a Redis of its own; three people have waited long enough."""
    monkeypatch.setenv("CHATIFY_SOURCE_URL", "http://chatify.example/")
    monkeypatch.setenv("CHATIFY_SOURCE_SECRET", "whsec_" + "c2VjcmV0" * 5)
    monkeypatch.setenv("REDIS_URL", redis.url(10))
    spec = importlib.util.spec_from_file_location("matchmaker", PROGRAMS / "matchmaker.py")
    assert spec
    assert spec.loader
    found: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    monkeypatch.setattr(found.time, "sleep", lambda _: None)
    found.http = httpx.Client(transport=httpx.MockTransport(chatify.respond))
    found.store.flushdb()
    found.store.zadd("waiting", {"mallory": 1, "ann": 2, "bob": 3})
    return found


@pytest.mark.parametrize(("status", "is_waiting"), [(400, False), (409, False), (500, True), (401, True)])
def test_one_who_is_refused_is_in_nobodys_way(program: Any, chatify: Chatify, status: int, is_waiting: bool) -> None:
    chatify.answer = lambda kind, user: status if user == "mallory" else 200
    program.fall_back()
    assert program.store.smembers("with_chatbot") == {"ann", "bob"}
    assert (program.store.zscore("waiting", "mallory") is not None) == is_waiting


@pytest.mark.parametrize("status", [0, 503])
def test_who_was_found_or_has_left_is_told_when_chatify_is_back(program: Any, chatify: Chatify, status: int) -> None:
    program.fall_back()
    program.make_pairs()
    program.store.sadd("user_left", "bob", "nobody")
    chatify.answer = lambda kind, user: status
    for _ in range(2):
        try:
            program.take_back()
        except httpx.TransportError:
            assert not status
    chatify.answer = lambda kind, user: 200
    for _ in range(2):
        program.take_back()
    found = {event: count for event, count in chatify.told.items() if event[0] != "chatbot_fallback_triggered"}
    assert found == {("human_found", "mallory"): 1, ("human_found", "ann"): 1, ("user_left", "bob"): 1}
    assert program.store.exists("with_chatbot", "human_found", "user_left") == 0


def test_refusal_ends_it(program: Any, chatify: Chatify) -> None:
    program.fall_back()
    program.make_pairs()
    chatify.answer = lambda kind, user: 409
    program.take_back()
    assert program.store.exists("human_found") == 0
