"""Which provider answers."""

from __future__ import annotations

from chatify.llm.providers.offline import OfflineCompanion
from chatify.llm.providers.openai_compatible import OpenAICompatible
from chatify.llm.retrying import Retrying
from chatify.llm.types import Provider


def make_provider(*, api_key: str, base_url: str) -> Provider:
    """The provider for these settings; without a key the built-in offline companion."""
    if not api_key:
        return OfflineCompanion()
    return Retrying(OpenAICompatible(base_url=base_url, api_key=api_key))
