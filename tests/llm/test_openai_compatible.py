"""The reader of the token path: against the test provider, and against bytes that arrive in every unkind way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatify.llm import errors, streams
from chatify.llm.providers import openai_compatible
from chatify.llm.providers.openai_compatible import OpenAICompatible
from chatify.llm.types import ChatMessage, ChatRequest, Chunk, Usage
from tests.llm.raw_server import HEAD, chunked, event, raw_server, text
from tests.services.ports import free_port
from tests.services.provider import Provider

WORDS = "Grüße, 你好 👩‍👩‍👧 and\u2028more"
STOP = text("", "stop")
DONE = b"data: [DONE]\n\n"


def ask(content: str = "hello", **more: Any) -> ChatRequest:
    messages = (ChatMessage("system", "Be kind."), ChatMessage("user", content))
    return ChatRequest(model="test-model", messages=messages, temperature=0.5, max_tokens=99, **more)


@asynccontextmanager
async def client(base_url: str) -> AsyncIterator[OpenAICompatible]:
    provider = OpenAICompatible(base_url=base_url, api_key="secret")
    try:
        yield provider
    finally:
        await provider.aclose()


async def read(provider: OpenAICompatible, request: ChatRequest | None = None) -> Chunk:
    """The whole stream as one chunk. Raises what the stream raises."""
    whole = Chunk()
    async with asyncio.timeout(20), aclosing(provider.stream(request or ask())) as chunks:
        async for chunk in chunks:
            whole = add(whole, chunk)
    return whole


def add(whole: Chunk, chunk: Chunk) -> Chunk:
    finish_reason = chunk.finish_reason or whole.finish_reason
    return Chunk(whole.text + chunk.text, finish_reason, chunk.usage or whole.usage)


async def read_raw(body: bytes, *sizes: int) -> Chunk:
    async with raw_server() as raw, client(raw.base_url) as provider:
        raw.send(body, sizes)
        return await read(provider)


async def read_until_error(answer: list[bytes], *, is_closing: bool = False) -> tuple[str, errors.LLMError]:
    """The text that came before the error, and the error."""
    seen = Chunk()
    async with raw_server() as raw, client(raw.base_url) as provider:
        raw.answer, raw.is_closing = answer, is_closing
        try:
            async for chunk in provider.stream(ask()):
                seen = add(seen, chunk)
        except errors.LLMError as error:
            return seen.text, error
    raise AssertionError(f"no error after {seen.text!r}")


# The agreed way -----------------------------------------------------------------------------------
async def test_text_usage_and_end_come_from_the_provider(provider: Provider) -> None:
    async with client(provider.base_url) as model:
        whole = await read(model, ask("agreed way [[n=4]]"))
    assert whole == Chunk("t0 t1 t2 t3 ", "stop", Usage(5, 4))


async def test_provider_is_asked_with_all_that_the_request_says(provider: Provider) -> None:
    async with client(provider.base_url) as model:
        await read(model, ask("all that it says"))
    call = provider.wait_for_call("all that it says")
    assert call.headers["Authorization"] == "Bearer secret"
    assert call.body == {
        "model": "test-model", "temperature": 0.5, "max_tokens": 99, "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "all that it says"}],
    }  # fmt: skip


async def test_models_are_listed(provider: Provider) -> None:
    async with client(provider.base_url) as model:
        assert "test-model" in await model.list_models()


async def test_tokens_come_as_they_are_written(provider: Provider) -> None:
    async with client(provider.base_url) as model:
        pieces = [chunk.text async for chunk in model.stream(ask("[[n=4,gap=40]]")) if chunk.text]
    assert pieces == ["t0 ", "t1 ", "t2 ", "t3 "]


# Bytes in every unkind way ------------------------------------------------------------------------
@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 40), max_size=60))
def test_any_cut_of_the_bytes_gives_the_same_text(sizes: list[int]) -> None:
    body = b"".join(text(word) for word in WORDS.split(" ")) + STOP + DONE
    assert asyncio.run(read_raw(body, *sizes)) == Chunk(WORDS.replace(" ", ""), "stop", None)


async def test_byte_by_byte() -> None:
    body = text(WORDS) + STOP + DONE
    assert await read_raw(body, *[1] * len(body)) == Chunk(WORDS, "stop", None)


async def test_all_events_in_one_packet() -> None:
    body = b"".join(text(f"{number} ") for number in range(100)) + STOP + DONE
    assert (await read_raw(body)).text == "".join(f"{number} " for number in range(100))


@pytest.mark.parametrize(
    "body",
    [
        (text("a") + text("b") + STOP + DONE).replace(b"\n", b"\r\n"),
        b": keep-alive\n\n" + text("a") + b":\n\n: OPENROUTER PROCESSING\n\n" + text("b") + STOP + DONE,
        (text("a") + text("b") + STOP + DONE).replace(b"data: ", b"data:"),
        b"event: message\nid: 7\nretry: 10\n" + text("a") + text("b") + STOP + DONE,
        text("a") + event(choices=[], x_prompt_filter=[]) + text("b") + STOP + DONE,
        text("a") + text("b") + STOP,
    ],
    ids=["crlf", "comments", "no space", "other fields", "no choices", "no done"],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_dialects_of_the_format(body: bytes, size: int) -> None:
    assert await read_raw(body, *[size] * (len(body) // size)) == Chunk("ab", "stop", None)


async def test_multi_byte_characters_survive_a_cut_in_their_middle() -> None:
    first = text("👋").index("👋".encode())
    for cut in range(first, first + 5):
        assert (await read_raw(text("👋") + STOP, cut)).text == "👋"


async def test_usage_of_nothing_is_no_usage() -> None:
    body = text("a") + event(choices=[], usage=None) + STOP + DONE
    assert (await read_raw(body)).usage is None


# Ends that are none -------------------------------------------------------------------------------
async def test_missing_finish_reason_is_seen_by_the_caller() -> None:
    assert await read_raw(text("half") + DONE) == Chunk("half", None, None)


async def test_broken_line_is_a_cut_stream() -> None:
    seen, error = await read_until_error([HEAD, *chunked(text("half"))], is_closing=True)
    assert (seen, error.code) == ("half", "stream_cut")


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (event(error={"message": "the model fell over", "type": "server_error"}), "provider_unavailable"),
        (event(error={"message": "slow down", "code": 429}), "provider_rate_limited"),
        (event(error="it broke"), "provider_unavailable"),
        (b'data: {"choices":[{"del\n\n', "stream_garbled"),
        (b"data: \xff\xfe\n\n", "stream_garbled"),
        (b"data: []\n\n", "stream_garbled"),
        (text("", "content_filter"), "content_filtered"),
    ],
)
@pytest.mark.parametrize("is_together", [False, True])
async def test_text_before_an_error_is_kept(last: bytes, code: str, is_together: bool) -> None:
    body = text("half") + last
    seen, error = await read_until_error([HEAD, *chunked(body, () if is_together else (len(text("half")),))])
    assert (seen, error.code) == ("half", code)


async def test_endless_line_is_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_compatible, "MAX_EVENT", 10_000)
    _, error = await read_until_error([HEAD, *chunked(b"data: " + b"x" * 50_000, [1000] * 50)])
    assert error.code == "stream_garbled"


async def test_silence_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "READ_SECONDS", 0.1)
    seen, error = await read_until_error([HEAD, *chunked(text("half"))])
    assert (seen, error.code, error.is_retryable) == ("half", "provider_timeout", True)


async def test_provider_that_never_answers_is_a_timeout(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "READ_SECONDS", 0.1)
    async with client(provider.base_url) as model:
        with pytest.raises(errors.ProviderTimeout):
            await read(model, ask("[[hang]]"))


# Refusals -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "kind", "is_retryable"),
    [
        (400, errors.ProviderRejected, False), (401, errors.ProviderAuthFailed, False),
        (403, errors.ProviderAuthFailed, False), (404, errors.ProviderRejected, False),
        (408, errors.ProviderTimeout, True), (429, errors.ProviderRateLimited, True),
        (500, errors.ProviderUnavailable, True), (503, errors.ProviderUnavailable, True),
        (504, errors.ProviderTimeout, True),
    ],
)  # fmt: skip
async def test_status_says_what_went_wrong(
    provider: Provider, status: int, kind: type[errors.LLMError], is_retryable: bool
) -> None:
    async with client(provider.base_url) as model:
        with pytest.raises(errors.LLMError) as raised:
            await read(model, ask(f"[[{status}]]"))
    assert type(raised.value) is kind
    assert raised.value.is_retryable is is_retryable
    assert raised.value.retry_after == (1.0 if status == 429 else None)
    assert "secret" not in str(raised.value)


async def test_nobody_there_is_unavailable() -> None:
    async with client(f"http://127.0.0.1:{free_port()}/v1") as model:
        for call in (read(model), model.list_models()):
            with pytest.raises(errors.ProviderUnavailable):
                await call


async def test_page_of_a_proxy_is_no_reply(provider: Provider) -> None:
    async with client(provider.base_url) as model:
        assert await read(model, ask("[[html]]")) == Chunk()


def refusal(parameter: str) -> list[bytes]:
    body = b'{"error": {"message": "Unsupported value", "param": "%s"}}' % parameter.encode()
    return [b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)]


@pytest.mark.parametrize("parameter", ["temperature", "max_tokens", "stream_options"])
async def test_refused_parameter_is_left_out_from_then_on(parameter: str) -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        raw.answer = refusal(parameter)
        with pytest.raises(errors.ProviderUnavailable) as raised:
            await read(model)
        assert raised.value.is_retryable, "so that it is asked again at once"
        raw.send(text("fine", "stop") + DONE)
        assert (await read(model)).text == "fine"
        assert [parameter in request for request in raw.requests] == [True, False]


async def test_parameter_that_is_refused_though_left_out_is_final() -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        raw.answer = refusal("temperature")
        for kind in (errors.ProviderUnavailable, errors.ProviderRejected):
            with pytest.raises(kind):
                await read(model)


# Connections --------------------------------------------------------------------------------------
async def test_connection_serves_the_next_call() -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        raw.send(text("a", "stop") + DONE, sizes=[len(text("a", "stop") + DONE)])
        for _ in range(3):
            await read(model)
        assert (len(raw.requests), raw.connections) == (3, 1)


async def test_done_ends_the_reply_though_the_line_stays_open() -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        raw.answer, raw.is_hanging = [HEAD, *chunked(text("a", "stop") + DONE)], True
        async with asyncio.timeout(3):
            assert await read(model) == Chunk("a", "stop", None)
        await soon(lambda: raw.closed == 1)


async def test_line_that_the_provider_closed_is_not_used_again() -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        raw.send(text("a", "stop") + DONE)
        raw.is_closing = True
        for _ in range(2):
            assert (await read(model)).text == "a"
            await soon(lambda: all(line.is_closed for line in model._pool()._idle))
        assert raw.connections == 2


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
async def test_body_without_a_length_ends_with_the_line(head: bytes) -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        raw.answer, raw.is_closing = [head, text("a", "stop") + DONE], True
        assert await read(model) == Chunk("a", "stop", None)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 64, b"HTTP/1.1 abc\r\n\r\n"])
async def test_what_is_no_http_is_unavailable(answer: bytes) -> None:
    _, error = await read_until_error([answer], is_closing=True)
    assert error.code == "provider_unavailable"


async def test_many_replies_at_once_have_lines_of_their_own() -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        body = b"".join(text(f"{number} ") for number in range(50)) + STOP + DONE
        raw.send(body, sizes=[17] * 100)
        found = await asyncio.gather(*[read(model) for _ in range(40)])
        assert {chunk.text for chunk in found} == {"".join(f"{number} " for number in range(50))}
        assert {chunk.text for chunk in await asyncio.gather(*[read(model) for _ in range(40)])} == {found[0].text}
        assert raw.connections <= 41


async def test_reply_that_is_stopped_hangs_up_and_the_next_one_works() -> None:
    async with raw_server() as raw, client(raw.base_url) as model:
        raw.answer, raw.is_hanging = [HEAD, *chunked(text("half"))], True
        reading = asyncio.create_task(read(model))
        await soon(lambda: raw.requests)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await soon(lambda: raw.closed == 1)
        raw.is_hanging = False
        raw.send(STOP + DONE)
        assert (await read(model)).finish_reason == "stop"


async def test_provider_sees_the_hang_up(provider: Provider) -> None:
    async with client(provider.base_url) as model, asyncio.timeout(10):
        async with aclosing(model.stream(ask("hang up [[slow]]"))) as chunks:
            await anext(chunks)
        call = provider.wait_for_call("hang up")
        await soon(lambda: call.state == "aborted")


async def soon(is_true: Any) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110  (nothing there sets an event)
            await asyncio.sleep(0.005)
