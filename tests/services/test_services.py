"""The services that tests rely on work, so that a failure elsewhere is Chatify's."""

import shutil
import subprocess
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from openai import APIError, OpenAI
from redis import Redis as RedisClient

from tests.conftest import _need
from tests.services import ServiceMissing
from tests.services import postgres as postgres_module
from tests.services.firestore import Firestore
from tests.services.postgres import Postgres
from tests.services.provider import Provider
from tests.services.redis import Redis
from tests.waiting import wait_until


@pytest.fixture
def openai(provider: Provider):
    with OpenAI(base_url=provider.base_url, api_key="k", max_retries=0, timeout=10) as client:
        yield client


def ask(openai: OpenAI, content: str, **options):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": content}]
    return openai.chat.completions.create(model="test-model", messages=messages, **options)


def stream(openai: OpenAI, content: str):
    """The text and the finish reason of a streamed reply."""
    pieces, finish_reason = [], None
    for chunk in ask(openai, content, stream=True):
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            finish_reason = choice.finish_reason or finish_reason
    return "".join(pieces), finish_reason


def test_postgres_has_vectors(postgres: Postgres):
    with psycopg.connect(postgres.create_database("with_vectors")) as connection:
        connection.execute("create extension vector")
        distance = connection.execute("select '[1,2]'::vector <-> '[4,6]'::vector").fetchone()
    assert distance == (5.0,)


def test_postgres_copies_a_database(postgres: Postgres):
    with psycopg.connect(postgres.create_database("original")) as connection:
        connection.execute("create table thing as select 7 as number")
    with psycopg.connect(postgres.create_database("copy", template="original")) as connection:
        assert connection.execute("select number from thing").fetchone() == (7,)


def test_postgres_programs_work_out_of_a_closed_home(tmp_path: Path):
    wheel = postgres_module.find_programs().parent.parent
    home = tmp_path / "home"
    shutil.copytree(wheel, home / wheel.name, symlinks=True)
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), home / f"{wheel.name}.libs", symlinks=True)
    home.chmod(0o700)
    programs = postgres_module._reachable(home / wheel.name / "pginstall" / "bin", tmp_path / "copy")
    assert programs.is_relative_to(tmp_path / "copy")
    shutil.rmtree(home)
    assert "PostgreSQL" in subprocess.check_output([programs / "initdb", "--version"], text=True)


def test_redis_tells_subscribers(redis: Redis):
    with RedisClient.from_url(redis.url()) as client, client.pubsub() as subscriber:
        subscriber.subscribe("doorbell")
        subscriber.get_message(timeout=5)
        client.publish("doorbell", "ring")
        assert subscriber.get_message(timeout=5)["data"] == b"ring"


def test_firestore_keeps_a_document_until_cleared(firestore: Firestore):
    documents = firestore.documents_url("chatify-smoke")
    with httpx.Client(trust_env=False, timeout=10) as http:
        http.patch(f"{documents}/things/one", json={"fields": {"n": {"integerValue": "1"}}}).raise_for_status()
        assert http.get(f"{documents}/things/one").json()["fields"] == {"n": {"integerValue": "1"}}
        firestore.clear("chatify-smoke")
        assert http.get(f"{documents}/things/one").status_code == 404


def test_chromium_draws_a_page(page):
    page.goto("data:text/html,<title>Hello</title>")
    assert page.title() == "Hello"


def test_provider_lists_models(openai: OpenAI):
    assert "test-model" in [model.id for model in openai.models.list()]


def test_provider_streams_what_it_was_told(openai: OpenAI, provider: Provider):
    text = "Grüße, 你好 👋\n\n  - a list"
    assert stream(openai, f"Hi {provider.reply_with(text)}") == (text, "stop")
    assert stream(openai, f"Hi [[say:{text}]]") == (text, "stop")


def test_provider_answers_whole_with_usage(openai: OpenAI):
    reply = ask(openai, "good morning")
    assert reply.choices[0].message.content == "You said: good morning"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (4, 4)


def test_provider_sends_usage_when_asked(openai: OpenAI):
    chunks = list(ask(openai, "[[n=3]]", stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens == 3
    assert chunks[-1].choices == []


def test_provider_paces_tokens(openai: OpenAI):
    started = time.monotonic()
    text, _ = stream(openai, "[[n=5,gap=50]] [[ttft=100]]")
    assert text == "t0 t1 t2 t3 t4 "
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("status", [401, 429, 500])
def test_provider_answers_errors(openai: OpenAI, status: int):
    with pytest.raises(APIError) as raised:
        ask(openai, f"[[{status}]]", stream=True)
    assert raised.value.status_code == status
    assert raised.value.response.headers.get("retry-after") == ("1" if status == 429 else None)


def test_provider_fails_only_as_often_as_told(openai: OpenAI):
    content = "please [[500,times=1]]"
    with pytest.raises(APIError):
        ask(openai, content)
    assert ask(openai, content).choices[0].message.content == "You said: please"


@pytest.mark.parametrize(
    ("marker", "text", "finish_reason"),
    [("cut", "t0 t1 ", None), ("filter", "t0 t1 ", "content_filter"), ("length", "t0 t1 t2 t3 ", "length")],
)
def test_provider_ends_replies_early(openai: OpenAI, marker: str, text: str, finish_reason: str | None):
    assert stream(openai, f"[[n=4]] [[{marker}]]") == (text, finish_reason)


@pytest.mark.parametrize("marker", ["garbage", "error", "reset"])
def test_provider_breaks_replies(provider: Provider, marker: str):
    body = {"stream": True, "messages": [{"role": "user", "content": f"[[{marker}]]"}]}
    received = b""
    try:
        with httpx.stream("POST", f"{provider.base_url}/chat/completions", json=body, trust_env=False) as response:
            for piece in response.iter_raw():
                received += piece
    except httpx.HTTPError:
        assert marker == "reset"
    assert b"You " in received
    assert b"[DONE]" not in received


@pytest.mark.parametrize("marker", ["hang", "stall", "n=9,gap=60000"])
def test_provider_notices_who_hangs_up(provider: Provider, marker: str):
    body = {"stream": True, "messages": [{"role": "user", "content": f"{marker} [[{marker}]]"}]}
    impatient = httpx.Timeout(10, read=0.5)  # enough for the call to come in on a busy machine
    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=impatient, trust_env=False) as http:
        http.post(f"{provider.base_url}/chat/completions", json=body)
    call = provider.wait_for_call(f"{marker} ")
    wait_until(lambda: call.state == "aborted", 5)


def test_missing_service_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch):
    def start():
        raise ServiceMissing("no such thing")

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        _need(start)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        _need(start)


async def test_coroutine_tests_are_run():
    assert time.monotonic()
