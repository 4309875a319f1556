"""Walking through both sides: everything once, and never much of it in memory, whatever either side holds."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from google.cloud.firestore import Client

from chatify.common.ids import uuid7
from chatify.events.models import OutboxRow
from chatify.mirror import verifying, walking
from chatify.mirror.differences import What
from chatify.mirror.scopes import scopes
from chatify.mirror.verifying import Verdict
from chatify.mirror.walking import Lot, _first_id_after, lots
from sessions.models import ChatSession, Message
from tests.mirror.relaying import deliver
from tests.mirror.syncing import conversation, messages_of, move, paths, sync

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_lots")]
TURNS = 12
FOREIGN = ("!", "0", "5zz", "no id of ours", "zz", "é")


@pytest.fixture
def long(mirror: Client, chat: ChatSession) -> ChatSession:
    """A long conversation between two short ones, all in Firestore."""
    deliver()
    _, found, _ = (conversation(user=f"user-{turns}", turns=turns) for turns in (1, TURNS, 1))
    return found


def walked(mirror: Client, tenant: Any = None) -> list[Lot]:
    """All lots of all places."""
    return [lot for scope in scopes(tenant) for lot in lots(mirror, scope)]


def suspects(found: list[Lot]) -> list[str]:
    return [suspect.path for lot in found for suspect in lot.suspects]


def are_small(found: list[Lot]) -> bool:
    """A part is looked at as a whole, so there may be a page more than wanted, and the chat sessions of the stretch."""
    most = walking.DOCUMENTS_AT_ONCE + walking.CHAT_SESSIONS_AT_ONCE
    is_small = all(len(lot.suspects) < walking.SUSPECTS_AT_ONCE + walking.DOCUMENTS_AT_ONCE + most for lot in found)
    return is_small and all(lot.compared < walking.MESSAGES_AT_ONCE + walking.DOCUMENTS_AT_ONCE + most for lot in found)


# A long conversation ------------------------------------------------------------------------------
def test_long_conversation_is_several_lots(mirror: Client, long: ChatSession) -> None:
    found = walked(mirror)
    assert suspects(found) == []
    assert sum(lot.compared for lot in found) == len(paths(mirror))
    assert are_small(found)
    inner = [lot for lot in found if not lot.is_whole]
    assert len(inner) >= 2 * TURNS // walking.MESSAGES_AT_ONCE - 1
    assert not any(lot.is_last for lot in inner)


@pytest.mark.parametrize("tenant", [False, True])
def test_everything_that_is_missing_is_found_once(mirror: Client, long: ChatSession, tenant: bool) -> None:
    wanted = paths(mirror)
    for path in wanted:
        mirror.document(path).delete()
    found = walked(mirror, long.tenant if tenant else None)
    assert sorted(suspects(found)) == [path for path in wanted if not tenant or "prompt_templates" not in path]
    assert are_small(found)


def test_one_that_is_missing_is_found_wherever_it_is(mirror: Client, long: ChatSession) -> None:
    ids = list(Message.objects.filter(chat_session=long).order_by("id").values_list("id", flat=True))
    wanted = [f"{messages_of(long)}/{ids[number]}" for number in (0, 2, 3, 11, len(ids) - 1)]
    for path in wanted:
        mirror.document(path).delete()
    assert suspects(walked(mirror)) == wanted


@pytest.mark.parametrize("tenant", [False, True])
def test_what_is_there_only_is_found_once(mirror: Client, long: ChatSession, tenant: bool) -> None:
    wanted = [f"{messages_of(long)}/{id_}" for id_ in (*FOREIGN, *(uuid7() for _ in range(20)))]
    for path in wanted:
        mirror.document(path).set({"seq": 1})
    found = walked(mirror, long.tenant if tenant else None)
    assert sorted(suspects(found)) == sorted(wanted)
    assert {suspect.finding.what for lot in found for suspect in lot.suspects} == {What.EXTRA}
    assert are_small(found)


def test_chat_sessions_with_many_messages_are_fewer_at_once(
    mirror: Client, long: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "CHAT_SESSIONS_AT_ONCE", 100)
    monkeypatch.setattr(walking, "DOCUMENTS_AT_ONCE", 100)
    ends = [lot.after for lot in walked(mirror) if lot.is_whole]
    assert ends == ["", str(long.id), ""], "the one that is too much is the last of its stretch"


def test_rebuild_sets_a_long_conversation_right(mirror: Client, long: ChatSession) -> None:
    before = paths(mirror)
    for path in before:
        if str(long.id) in path:
            mirror.document(path).delete()
    for number in range(20):
        mirror.document(f"{messages_of(long)}/{number}").set({"seq": 1})
    status, said = sync("--rebuild", "--verify")
    assert (status, f"{2 * TURNS + 1} written, 20 removed" in said) == (0, True)
    assert paths(mirror) == before


def test_run_that_is_stopped_in_a_long_conversation_counts_nothing_twice(
    mirror: Client, long: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for message in Message.objects.filter(chat_session=long).order_by("id")[:4]:
        mirror.document(f"{messages_of(long)}/{message.id}").delete()
    confirm, inner = verifying.confirm, iter(range(2))

    def dying(*arguments: Any) -> Verdict:
        verdict = confirm(*arguments)
        if not verdict.is_whole and next(inner, None) is None:
            raise KeyboardInterrupt
        return verdict

    monkeypatch.setattr(verifying, "confirm", dying)
    with pytest.raises(KeyboardInterrupt):
        sync("--verify")
    monkeypatch.setattr(verifying, "confirm", confirm)
    status, said = sync("--verify")
    assert (status, "Taken up after" in said) == (1, True)
    assert f"{len(paths(mirror)) + 4} documents compared: 4 differ." in said


# What the database does not have ------------------------------------------------------------------
@pytest.mark.parametrize("arguments", [(), ("--tenant", "demo")])
def test_place_that_was_left_is_walked_through_in_stretches(
    mirror: Client, long: ChatSession, arguments: tuple[str, ...]
) -> None:
    for number in range(7):
        conversation(user=f"more-{number}", turns=1)
    theirs = [path for path in paths(mirror) if "prompt_templates" not in path]
    demo = move("demo", "tenants/demo")
    [left] = [scope for scope in scopes(demo if arguments else None) if not scope.prefix]
    found = list(lots(mirror, left))
    assert sorted(path for path in suspects(found) if "prompt_templates" not in path) == theirs
    assert are_small(found)
    assert len({lot.after for lot in found if lot.is_whole}) >= 10 // walking.DOCUMENTS_AT_ONCE
    assert sync("--rebuild", "--verify", *arguments)[0] == 0
    assert [path for path in paths(mirror) if "prompt_templates" not in path] == []


@pytest.mark.parametrize("tenant", [False, True])
def test_ids_of_others_between_ours_hide_nothing(
    mirror: Client, long: ChatSession, monkeypatch: pytest.MonkeyPatch, tenant: bool
) -> None:
    chats = [str(one.id) for one in ChatSession.objects.order_by("id")]
    foreign = [*FOREIGN, *(f"{id_}!" for id_ in chats), *(id_[:-1] for id_ in chats)]
    extra = [f"chatbot_sessions/{id_}" for id_ in foreign]
    for path in extra:
        mirror.document(path).set({"tenant": "demo"})
    lost = f"chatbot_sessions/{chats[2]}"
    mirror.document(lost).delete()
    for size in (1, 2, 3, 100):
        monkeypatch.setattr(walking, "DOCUMENTS_AT_ONCE", size)
        assert sorted(suspects(walked(mirror, long.tenant if tenant else None))) == sorted([lost, *extra]), size


def test_nothing_waits_for_what_is_as_it_should_be(mirror: Client, long: ChatSession) -> None:
    assert "0 written, 0 removed" in sync("--rebuild")[1]
    assert not OutboxRow.objects.exists()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", "00000000-0000-0000-0000-000000000000"),
        ("0", "00000000-0000-0000-0000-000000000000"),
        ("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"),
        ("00000000-0000-0000-0000-0000000000ff", "00000000-0000-0000-0000-000000000100"),
        ("5zz", "60000000-0000-0000-0000-000000000000"),
        ("a0c43ebd-00ad-4510-b6c3-61e6df14cdbf!", "a0c43ebd-00ad-4510-b6c3-61e6df14cdc0"),
        ("A0C4", "a0000000-0000-0000-0000-000000000000"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", None),
        ("é", None),
    ],
)
def test_first_id_behind_any_text(text: str, first: str | None) -> None:
    assert _first_id_after(text) == (UUID(first) if first else None)
