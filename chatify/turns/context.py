"""What a model is given: a pure function of personality, profile and the latest messages."""

from __future__ import annotations

from collections.abc import Iterable

from chatify.llm.types import ChatMessage, ChatRequest
from templates_app.access import Version
from templates_app.rendering import Values, build_system_prompt


def build_request(
    *,
    version: Version,
    model: str,
    speaker: str,
    values: Values,
    greeting: str,
    history: Iterable[tuple[str, str]],
) -> ChatRequest:
    """The request for one reply.

    `history` are (role, content) pairs in `seq` order; the greeting comes before them when they reach back
    to the start of the chat session (the caller passes an empty one otherwise).
    """
    system = build_system_prompt(version.system_prompt, version.traits, values)
    messages = [ChatMessage("system", system)]
    if greeting:
        messages.append(ChatMessage("assistant", greeting))
    messages += [ChatMessage("assistant" if role == "assistant" else "user", content) for role, content in history]
    return ChatRequest(
        model=model,
        messages=messages,
        temperature=version.temperature,
        max_tokens=version.max_tokens,
        speaker=speaker,
        traits=version.traits,
        user_name=values.user_name,
    )
