"""The budget of the context: what a tenant may write, and that a prompt has to leave room in it."""

from __future__ import annotations

from typing import Any

import pytest

from templates_app.checks import ROOM_FOR_TALK, least_context_tokens
from templates_app.models import DEFAULT_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS, MIN_CONTEXT_TOKENS
from templates_app.seeds import SEEDS
from tests.api.checks import fields_of, outcome
from tests.client import ApiClient
from tests.templates_app.characters import change, create, made

LONG = "You listen and ask back. " * 300
TOO_SMALL = [("context_tokens", "context_too_small")]


def test_budget_is_written_and_makes_versions(owner: ApiClient) -> None:
    assert made(owner, slug="ina")["context_tokens"] == DEFAULT_CONTEXT_TOKENS
    changed = change(owner, "ina", context_tokens=MIN_CONTEXT_TOKENS).json()
    assert (changed["context_tokens"], changed["version"]) == (MIN_CONTEXT_TOKENS, 2)
    assert change(owner, "ina", context_tokens=MIN_CONTEXT_TOKENS).json()["version"] == 2
    assert made(owner, slug="copy", copy_of="ina")["context_tokens"] == MIN_CONTEXT_TOKENS


@pytest.mark.parametrize("tokens", [MIN_CONTEXT_TOKENS - 1, MAX_CONTEXT_TOKENS + 1, "6000", 6000.5, True])
def test_budget_out_of_bounds_is_refused(owner: ApiClient, tokens: Any) -> None:
    response = create(owner, context_tokens=tokens)
    assert response.status_code == 400
    assert fields_of(response)[0][0] == "context_tokens"


def test_prompt_has_to_leave_room(owner: ApiClient) -> None:
    response = create(owner, system_prompt=LONG, context_tokens=1000)
    assert outcome(response) == (400, "context_too_small")
    assert fields_of(response) == TOO_SMALL
    made(owner, slug="ina", context_tokens=1000)
    assert fields_of(change(owner, "ina", system_prompt=LONG)) == TOO_SMALL
    changed = change(owner, "ina", system_prompt=LONG, context_tokens=4000)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert fields_of(change(owner, "ina", context_tokens=1000)) == TOO_SMALL


def test_least_budget_is_the_prompt_as_it_is_sent_and_room() -> None:
    least = least_context_tokens("You are Ina.", ())
    assert ROOM_FOR_TALK < least < MIN_CONTEXT_TOKENS
    assert least_context_tokens("You are Ina.", ("warm", "dry")) > least


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_seed_leaves_most_of_the_budget(seed: Any) -> None:
    assert least_context_tokens(seed.system_prompt, seed.personality_traits) < DEFAULT_CONTEXT_TOKENS / 2


@pytest.mark.parametrize("body", [{"slug": "auto"}, {"slug": "auto", "copy_of": "casual_chat"}])
def test_nobody_is_called_auto(owner: ApiClient, body: dict[str, Any]) -> None:
    assert outcome(create(owner, **body)) == (409, "slug_taken")
    assert made(owner, name="Auto")["slug"] == "auto-2"
