"""Counting tokens as a model's server does, with OpenAI's vocabulary o200k: nothing of Chatify's estimates is in it."""

import warnings
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

PER_MESSAGE = 4
PER_REQUEST = 3
"""What OpenAI's chat format puts around each message (three marks and the role) and before the reply."""


@lru_cache(maxsize=4096)
def count_tokens(text: str) -> int:
    """Tokens of a text."""
    return len(_vocabulary().encode(text))


def count_prompt(messages: Iterable[Mapping[str, str]]) -> int:
    """Prompt tokens of a chat request's messages."""
    return PER_REQUEST + sum(PER_MESSAGE + count_tokens(message["content"]) for message in messages)


@cache
def _vocabulary() -> Any:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # it reads its file the old way
        import bpe_openai

        return bpe_openai.get_encoding("o200k_base")
