"""Estimates of tokens: rather too many than too few, and never more than there are bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatify.common.tokens import estimate_tokens, most_tokens

# As tokenizers of OpenAI's models count them (cl100k_base, the one with more tokens of the two in use).
KNOWN = [
    ("", 0),
    ("Hello, how are you today?", 7),
    ("The quick brown fox jumps over the lazy dog.", 10),
    ("1234567890", 4),
    ("Das ist ein ganz normaler deutscher Satz.", 10),
    ("def main():\n    return 42\n", 8),
    ("你好,世界", 6),
    ("!!!???...", 4),
]


@pytest.mark.parametrize(("text", "tokens"), KNOWN)
def test_estimate_is_not_below_what_models_count(text: str, tokens: int) -> None:
    assert estimate_tokens(text) >= tokens


def test_estimate_of_prose_is_not_far_above_either() -> None:
    prose = "I have been thinking about our trip to the lake last summer, and I would like to go there again. " * 20
    assert estimate_tokens(prose) < len(prose) / 2.4


@given(st.text(max_size=200))
def test_estimate_is_never_more_than_bytes(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= most_tokens(text)


@given(st.text(max_size=100), st.text(max_size=100))
def test_two_texts_are_about_as_many_tokens_as_one(first: str, second: str) -> None:
    assert abs(estimate_tokens(f"{first} | {second}") - estimate_tokens(first) - estimate_tokens(second)) <= 3
