"""Estimates of tokens: rather too many than too few, and never more than there are bytes."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.memory.counting import count_tokens
from chatify.common.tokens import estimate_tokens, most_tokens

TEXTS = {
    "english": "I have been thinking about our trip to the lake, and I would like to go there again; would you? " * 5,
    "german": "Das ist ein ganz normaler Satz über Geschwindigkeitsbegrenzungen, der nicht sehr kurz ist. " * 5,
    "polish": "Chciałbym pojechać jutro rano na targ, żeby kupić świeże warzywa. " * 5,
    "russian": "Я хотел бы завтра утром пойти на рынок купить свежих овощей. " * 5,
    "japanese": "来週の旅行の予定をまだ決めていません。京都に行きたいです。" * 5,
    "thai": "ฉันอยากไปตลาดพรุ่งนี้เช้าเพื่อซื้อผักสด " * 5,
    "shouting": "WHY DOES NOBODY LISTEN TO ME?! " * 5,
    "typos": "i dont knwo wht too saay tbh lol omg im sooooo tired rn hahaha nvm gonna go slep " * 5,
    "code": "for (int i = 0; i < n; ++i) {\n    total += prices[i] * 1.19;\n}\n" * 5,
    "numbers": "2026-11-21 12:30  17.50  3,200\n" * 10,
    "emoji": "😀👩‍👩‍👧❤️🎉" * 10,
    "key": b64encode(bytes(number * 37 % 251 for number in range(600))).decode(),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_estimate_is_not_below_what_models_count(kind: str) -> None:
    counted = count_tokens(TEXTS[kind])
    assert counted <= estimate_tokens(TEXTS[kind]) <= 3.1 * counted


def test_estimate_of_prose_is_not_far_above_either() -> None:
    prose = "I have been thinking about our trip to the lake last summer, and I would like to go there again. " * 20
    assert estimate_tokens(prose) < 1.35 * count_tokens(prose)


@given(st.text(max_size=200))
def test_estimate_is_never_more_than_bytes(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= most_tokens(text)


@given(st.text(max_size=100), st.text(max_size=100))
def test_two_texts_are_about_as_many_tokens_as_one(first: str, second: str) -> None:
    assert abs(estimate_tokens(f"{first} | {second}") - estimate_tokens(first) - estimate_tokens(second)) <= 4
