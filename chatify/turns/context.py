"""What a model is given: a pure function of personality, profile, what is remembered, and the latest messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chatify.llm.types import ChatMessage, ChatRequest
from chatify.memory.budget import Material, fit
from chatify.memory.recalling import Recalled, recall
from chatify.memory.window import Window
from templates_app.access import Version
from templates_app.rendering import Values, build_system_prompt, memory_block, summary_block


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who answers: the personality's version under its name, by a model whose tokens we misjudge by `factor`."""

    version: Version
    name: str
    model: str
    greeting: str
    factor: float = 1.0


def build_request(
    *, speaker: Speaker, values: Values, window: Window, memories: Sequence[Recalled] = ()
) -> ChatRequest:
    """The request for one reply to the messages at the window's end. `memories` are newest first.

    Its context has at most the version's `context_tokens`. The greeting comes before the messages when those reach
    back to the start of the chat session.
    """
    version = speaker.version
    recalled = _recalled(memories, window)
    material = Material(
        system=_system(version, values),
        leaner=lambda: (_system(version, known) for known in _leaner(values)),
        memories=memory_block([(_label(memory), memory.text) for memory in recalled]),
        summary=summary_block(window.summary),
        latest=_latest(window, speaker.greeting),
    )
    fitted = fit(material, version.context_tokens, speaker.factor)
    return ChatRequest(
        model=speaker.model,
        messages=[
            ChatMessage("system", fitted.system),
            *(ChatMessage("assistant" if role == "assistant" else "user", content) for role, content in fitted.latest),
        ],
        temperature=version.temperature,
        max_tokens=version.max_tokens,
        speaker=speaker.name,
        traits=version.traits,
        user_name=values.user_name,
        memories=[(memory.kind, memory.text) for memory in recalled],
        estimated_tokens=fitted.estimated,
    )


def _system(version: Version, values: Values) -> str:
    return build_system_prompt(version.system_prompt, version.traits, values)


def _leaner(values: Values) -> Iterator[Values]:
    """With less and less of what is known about the person, for personalities whose budget is short."""
    yield (values := replace(values, topics="", mood=""))
    yield (values := replace(values, user_interests=(), user_style=""))
    yield Values(part_of_day=values.part_of_day)


def _latest(window: Window, greeting: str) -> list[tuple[str, str]]:
    # Somebody who has answered in the personality's place has answered for it.
    said = [("assistant" if role == "human" else role, content) for _, role, content in window.said]
    return [("assistant", greeting), *said] if greeting and window.reaches_start else said


def _recalled(memories: Sequence[Recalled], window: Window) -> list[Recalled]:
    if not memories:
        return []
    latest = " ".join(content for _, role, content in window.said[-3:] if role == "user")
    return recall(memories, latest)


def _label(memory: Recalled) -> str:
    """Its kind; of a plan also the day on which it was told: "next week" is not next week for ever."""
    return f"{memory.kind}, told on {memory.said_at:%Y-%m-%d}" if memory.kind == "plan" else memory.kind
