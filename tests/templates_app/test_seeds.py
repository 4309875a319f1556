"""The personalities that come with Chatify keep the rules that hold for all."""

from __future__ import annotations

import pytest

from templates_app.checks import check_goodbye, check_greeting, check_prompt
from templates_app.rendering import Values, build_system_prompt, render
from templates_app.seeds import SEEDS, Seed

each_seed = pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)


def test_there_are_the_four_and_one_default() -> None:
    assert [seed.slug for seed in SEEDS] == ["casual_chat", "dating_advice", "general_conversation", "flirty_chat"]
    assert [seed.slug for seed in SEEDS if seed.is_default] == ["casual_chat"]


def test_only_the_flirty_one_is_for_adults() -> None:
    assert [seed.slug for seed in SEEDS if seed.adult_only] == ["flirty_chat"]


@each_seed
def test_seed_passes_the_checks_of_the_admin(seed: Seed) -> None:
    assert check_prompt(seed.system_prompt) == []
    assert check_greeting(seed.greeting) == []
    assert check_greeting(seed.description) == []
    assert check_goodbye(seed.goodbye) == []


@each_seed
def test_seed_fits_the_fields_of_the_table(seed: Seed) -> None:
    assert len(seed.name) <= 80
    assert len(seed.description) <= 400
    assert len(seed.greeting) <= 1000
    assert 0 < len(seed.goodbye) <= 300
    assert 0 <= seed.temperature <= 2
    assert seed.max_tokens >= 200


@each_seed
def test_seed_keeps_the_limits_of_the_house(seed: Seed) -> None:
    for rule in ("never claim to be human", "under 18", "emergency", "hurt themselves"):
        assert rule in " ".join(seed.system_prompt.split())


def test_each_says_goodbye_in_words_of_its_own() -> None:
    said = [render(seed.goodbye, Values(user_name="Ada")) for seed in SEEDS]
    assert all("Ada" in text and "oodbye" in text for text in said)
    assert len(set(said)) == len(SEEDS)


@each_seed
def test_greeting_reads_well_with_and_without_a_name(seed: Seed) -> None:
    assert "there" in render(seed.greeting, Values())
    assert "Ada" in render(seed.greeting, Values(user_name="Ada"))
    assert "{{" not in render(seed.greeting, Values())


@each_seed
def test_prompt_renders_completely(seed: Seed) -> None:
    prompt = build_system_prompt(seed.system_prompt, seed.personality_traits, Values(user_name="Ada"))
    assert "{{" not in prompt
    assert "\n\n\n" not in prompt
