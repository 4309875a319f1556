"""One question to a model, one whole answer, or an error that says why not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from chatify.llm.errors import LLMError
from chatify.llm.registry import make_provider
from chatify.llm.types import Usage
from chatify.memory import asking, meters
from chatify.memory.asking import Answer, ask
from chatify.memory.summarizing import MAX_SUMMARY, tidy
from templates_app.rendering import RECALLED_CLOSE, RECALLED_OPEN
from tests.services.provider import Provider


def asked(provider: Provider, text: str) -> Answer:
    """What the model says."""

    async def call() -> Answer:
        model = make_provider(api_key="test-provider-key", base_url=provider.base_url)
        try:
            return await ask(model, model="test-model", system="Be brief.", text=text, max_tokens=300)
        finally:
            await model.aclose()

    return asyncio.run(call())


def test_answer_is_whole_and_counted(provider: Provider) -> None:
    answer = asked(provider, "whole [[say: One two. ]]")
    assert answer == Answer("One two.", Usage(7, 3))
    [call] = provider.calls_about("whole")
    assert (call.body["max_tokens"], call.body["temperature"], call.body["model"]) == (300, 0.2, "test-model")
    assert [message["role"] for message in call.messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("marker", "code"),
    [("[[empty]]", "empty_reply"), ("[[cut]]", "stream_cut"), ("[[401]]", "provider_auth_failed"),
     ("[[garbage]]", "stream_garbled"), ("[[filter]]", "content_filtered"), ("[[404]]", "provider_rejected"),
     ("half of it [[length]]", "stream_cut")],
)  # fmt: skip
def test_failure_has_a_code(provider: Provider, marker: str, code: str) -> None:
    with pytest.raises(LLMError) as caught:
        asked(provider, marker)
    assert caught.value.code == code


@pytest.mark.parametrize("marker", ["[[empty]]", "half of it [[length]]", "half of it [[cut]]", "all of it"])
def test_every_answer_is_metered(provider: Provider, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    used: list[Usage] = []
    monkeypatch.setattr(meters, "tokens_used", used.append)
    with suppress(LLMError):
        asked(provider, marker)
    assert [usage.prompt_tokens > 0 for usage in used] == [True]


def test_call_that_brings_nothing_is_not_metered(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Usage] = []
    monkeypatch.setattr(meters, "tokens_used", used.append)
    with pytest.raises(LLMError):
        asked(provider, "[[401]]")
    assert used == []


def test_model_that_takes_too_long_is_not_waited_for(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.3)
    with pytest.raises(LLMError) as caught:
        asked(provider, "patience [[slow]]")
    assert caught.value.code == "provider_timeout"


def test_answer_without_end_is_cut_off(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MAX_ANSWER", 50)
    answer = asked(provider, "endless [[n=5000]]")
    assert answer.text.startswith("t0 t1 t2")
    assert answer.usage.is_estimated
    assert answer.usage.completion_tokens > 0


# What becomes of it as a summary ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("  The user is Rosa.\n\n\nShe likes tea.  ", "The user is Rosa.\nShe likes tea."),
        ("```\nThe user is Rosa.\n```", "The user is Rosa."),
        (f"{RECALLED_OPEN}The user{RECALLED_CLOSE} is\x00 Rosa.\ud800", "The user is Rosa."),
        (" \n ", ""),
    ],
)
def test_summary_is_tidy(answer: str, text: str) -> None:
    assert tidy(answer) == text


def test_summary_that_is_too_long_ends_with_a_whole_sentence() -> None:
    text = tidy("The user said something of note. " * 200)
    assert MAX_SUMMARY - 40 < len(text) <= MAX_SUMMARY
    assert text.endswith("of note.")
