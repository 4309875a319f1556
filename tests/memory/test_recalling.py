"""What of the memories belongs into the context of a message."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from chatify.memory.models import Memory
from chatify.memory.recalling import MAX_MEMORIES, Recalled, read_memories, recall
from sessions.models import ChatSession

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def known(*texts: str) -> list[Recalled]:
    """Memories, newest first, from "kind text"."""
    pairs = [text.split(" ", 1) for text in texts]
    return [Recalled(kind, text, NOW - timedelta(days=age)) for age, (kind, text) in enumerate(pairs)]


MEMORIES = known(
    "like tea", "fact lives in Bonn", "person sister Anna", "plan fly to Rome", "dislike mushrooms",
    "style keep it short", "fact has a dog called Rex", "name Ada",
)  # fmt: skip


@pytest.mark.parametrize(
    ("latest", "first"),
    [
        ("My sisters are here", "sister Anna"),
        ("what is my dog's name?", "has a dog called Rex"),
        ("Where do I live?", "lives in Bonn"),
        ("We flew to ROME!", "fly to Rome"),
        ("which food do I hate", "mushrooms"),
        ("what are my plans", "fly to Rome"),
        ("hello", "tea"),
        ("", "tea"),
    ],
)
def test_what_shares_words_comes_first_after_name_and_style(latest: str, first: str) -> None:
    found = [one.text for one in recall(MEMORIES, latest, most=3)]
    assert found == ["keep it short", "Ada", first]


def test_the_rest_are_the_newest() -> None:
    found = [one.text for one in recall(MEMORIES, "my sister", most=5)]
    assert found == ["keep it short", "Ada", "sister Anna", "tea", "lives in Bonn"]


@pytest.mark.parametrize("most", [0, 1, 2, 8, 100])
def test_never_more_than_asked_for(most: int) -> None:
    assert len(recall(MEMORIES, "my sister", most=most)) == min(most, len(MEMORIES))


def test_many_styles_leave_room_for_the_rest() -> None:
    styles = known(*(f"style number {number}" for number in range(20)))
    assert len([one for one in recall([*styles, *MEMORIES], "", most=12) if one.kind == "style"]) == 4


def test_nothing_is_recalled_of_nobody() -> None:
    assert recall([], "hello") == []


def test_memories_can_be_cached() -> None:
    assert pickle.loads(pickle.dumps(MEMORIES)) == MEMORIES  # noqa: S301  (our own)


def remember(chat: ChatSession, text: str, **fields: Any) -> Memory:
    fields = {"kind": "fact", "key": text, "said_at": timezone.now(), **fields}
    return Memory.objects.create(tenant_id=chat.tenant_id, end_user_id=chat.end_user_id, text=text, **fields)


def test_memories_are_read_newest_first(chat: ChatSession, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for age in (3, 1, 2):
        remember(chat, f"{age} days old", said_at=NOW - timedelta(days=age))
    with django_assert_num_queries(1):
        found = read_memories(chat.end_user_id)
    assert [one.text for one in found] == ["1 days old", "2 days old", "3 days old"]
    assert found[0] == Recalled("fact", "1 days old", NOW - timedelta(days=1))
    assert read_memories(chat.tenant_id) == ()


def test_not_more_than_there_may_be_are_read(chat: ChatSession) -> None:
    for number in range(MAX_MEMORIES + 1):
        remember(chat, f"number {number}", said_at=NOW + timedelta(minutes=number))
    found = read_memories(chat.end_user_id)
    assert (len(found), found[0].text) == (MAX_MEMORIES, f"number {MAX_MEMORIES}")
