"""What is known so far: the companion keeps nothing, it reads the context and what is recalled again at every turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatify.llm.providers.offline.remembered import Known, can_say, told_ones
from chatify.llm.providers.offline.understand import hear, is_grave, told_age, told_name
from chatify.llm.types import ChatMessage, ChatRequest

_GRAVE_FOR = 4  # user messages during which lightness stays away after something grave
_MAX_KEPT = 40
_MAX_READ = 300  # what is longer is not searched for subjects again at every turn


@dataclass(frozen=True, slots=True)
class Memory:
    """The conversation before this turn, and the user's messages that this turn answers.

    `known` is what other conversations left, as far as it can be said; `people` are those that this one named.
    """

    new: tuple[str, ...]
    name: str = ""
    likes: tuple[str, ...] = ()
    earlier: str = ""
    last_reply: str = ""
    said: str = ""
    known: tuple[Known, ...] = ()
    people: tuple[Known, ...] = ()
    is_first: bool = True
    is_grave: bool = False
    is_minor: bool = False
    is_repeated: bool = False


def recall(request: ChatRequest) -> Memory:
    """Read the context of a request."""
    spoken = [message for message in request.messages if message.role != "system"]
    old, new = _split(spoken)
    before = [message.content for message in old if message.role == "user"]
    replies = [message.content for message in old if message.role == "assistant"]
    told = [name for name in map(told_name, [*before, *new]) if name]
    ages = [age for age in map(told_age, [*before, *new]) if age is not None]
    subjects = _subjects(before)
    named = [text for kind, text in request.memories if kind == "name"]
    return Memory(
        new=tuple(new),
        name=" ".join((told[-1] if told else request.user_name or "".join(named[:1])).split())[:30],
        likes=tuple(words for kind, words in subjects if kind == "like"),
        earlier=subjects[-1][1] if subjects else "",
        last_reply=replies[-1] if replies else "",
        said="\n".join(replies),
        known=tuple(one for one in request.memories if can_say(one)),
        people=tuple(filter(can_say, told_ones([text for text in before if len(text) <= _MAX_READ]))),
        is_first=not any(message.role == "assistant" for message in _after_first_user(old)),
        is_grave=any(is_grave(text) for text in before[-_GRAVE_FOR:]),
        is_minor=bool(ages) and ages[-1] < 18,
        is_repeated=len(new) == 1 and len(new[0]) > 2 and _same(new[0]) in map(_same, before[-3:]),
    )


def _split(spoken: Sequence[ChatMessage]) -> tuple[Sequence[ChatMessage], list[str]]:
    """What came before, and the user messages at the end (all that were not answered yet)."""
    end = len(spoken)
    while end and spoken[end - 1].role == "user":
        end -= 1
    return spoken[:end], [message.content for message in spoken[end:]]


def _after_first_user(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """Without a greeting: what the personality says before anybody spoke is no reply."""
    first = next((index for index, message in enumerate(messages) if message.role == "user"), len(messages))
    return messages[first:]


def _subjects(texts: Sequence[str]) -> list[tuple[str, str]]:
    """What one can come back to, as kind and words that fit behind "you mentioned", in order."""
    heard = [one for text in texts if len(text) <= _MAX_READ for one in hear(text) if 2 < len(one.about) <= _MAX_KEPT]
    found = []
    for one in heard:
        if one.kind == "someone":
            found.append((one.kind, f"your {one.about}"))
        elif one.kind in ("like", "doing", "dislike") or (one.kind == "plan" and one.about[0].isupper()):
            found.append((one.kind, one.about))
    return found


def _same(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .!?")
