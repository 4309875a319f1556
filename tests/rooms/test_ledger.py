"""What is written of human rooms. The database is the test's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from chatify import safety
from chatify.accounts.models import Usage
from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict, InvalidInput, NotFound
from chatify.common.ids import uuid7
from chatify.events import bus
from chatify.memory import window
from chatify.turns import ledger
from chatify.turns.spec import Accepted
from sessions.models import ChatSession, Message, Participant
from sessions.participants import people_in, write_marks
from sessions.starting import new_human_room, save_chat_sessions


def principal_of(room: ChatSession, role: str) -> Principal:
    """One of the two."""
    return Principal(room.tenant_id, end_user_id=room.end_user_id if role == "user" else room.partner_id)


def say(room: ChatSession, principal: Principal, content: str = "hello", **more: str) -> Accepted:
    more = {"message_id": uuid7(), **more}
    return ledger.accept(principal=principal, chat_session_id=room.id, owner="process.a", content=content, **more)


def test_nobody_of_ours_answers_and_nothing_is_remembered(quiet_room: ChatSession) -> None:
    for number in range(20):
        accepted = say(quiet_room, principal_of(quiet_room, ("user", "human")[number % 2]), f"m{number}")
        assert (accepted.reply, accepted.gets_reply) == (None, False)
    quiet_room.refresh_from_db()
    assert (quiet_room.last_seq, quiet_room.memory_due_at, quiet_room.title) == (20, None, "")
    assert window.look_up(quiet_room.id) is None
    assert not Usage.objects.exists()
    assert set(Message.objects.values_list("sender__end_user", flat=True)) == {
        quiet_room.end_user_id,
        quiet_room.partner_id,
    }


def test_key_that_says_for_nobody_writes_nothing(quiet_room: ChatSession) -> None:
    with pytest.raises(InvalidInput) as raised:
        say(quiet_room, Principal(quiet_room.tenant_id))
    assert [(one.field, one.code) for one in raised.value.errors] == [("user", "required")]
    with pytest.raises(NotFound):
        say(quiet_room, Principal(quiet_room.tenant_id, end_user_id=uuid7()))
    assert not Message.objects.exists()


def test_there_is_no_reply_to_stop_or_to_try_again(quiet_room: ChatSession) -> None:
    ada = principal_of(quiet_room, "user")
    for call in (
        lambda: ledger.request_stop(principal=ada, chat_session_id=quiet_room.id),
        lambda: ledger.retry(principal=ada, chat_session_id=quiet_room.id, message_id=uuid7(), owner="process.a"),
    ):
        with pytest.raises(Conflict) as raised:
            call()
        assert raised.value.code == "human_room"


def test_message_of_a_room_costs_no_more_queries_than_one_that_is_answered(quiet_room: ChatSession) -> None:
    say(quiet_room, principal_of(quiet_room, "user"))
    with CaptureQueriesContext(connection) as queries:
        say(quiet_room, principal_of(quiet_room, "human"))
    statements = [one["sql"] for one in queries if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) <= 3, statements  # the lock, the message, the chat session


@pytest.mark.parametrize("role", ["user", "human"])
def test_what_the_hook_flags_is_told(quiet_room: ChatSession, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "moderate", lambda text: ("rude",) if "rude" in text else ())
    bus.register_sink(bus.Sink("test", is_on=lambda: True, wants=lambda event: event.name.startswith("moderation.")))
    try:
        said = [say(quiet_room, principal_of(quiet_room, role), text) for text in ("polite", "rude")]
    finally:
        bus.unregister_sink("test")
    rows = list(bus.OutboxRow.objects.values_list("event", "subject_id"))
    assert [(name, str(id_)) for name, id_ in rows] == [("moderation.flagged", said[1].message["id"])]


def test_nobody_is_in_a_room_with_themself(quiet_room: ChatSession) -> None:
    with pytest.raises(IntegrityError):
        save_chat_sessions([new_human_room(quiet_room.end_user, quiet_room.end_user)])


# Marks --------------------------------------------------------------------------------------------
def test_read_marks_never_go_back(quiet_room: ChatSession) -> None:
    ada, ben = people_in([quiet_room.id])[quiet_room.id]
    for seq in (3, 2):
        assert write_marks(here=(), gone=(), read={ada.participant_id: seq}) == {ada.participant_id}
    now = people_in([quiet_room.id])[quiet_room.id]
    assert [(one.role, one.read_seq) for one in now] == [("user", 3), ("human", 0)]
    assert ben.name == "Ben"


def test_who_is_not_seen_for_half_a_minute_is_gone(quiet_room: ChatSession) -> None:
    def online() -> list[bool]:
        return [one.is_online for one in people_in([quiet_room.id])[quiet_room.id]]

    ids = {one.participant_id for one in people_in([quiet_room.id])[quiet_room.id]}
    assert online() == [False, False]
    write_marks(here=ids, gone=(), read={})
    assert online() == [True, True]
    Participant.objects.filter(id__in=list(ids)[:1]).update(seen_at=Now() - timedelta(seconds=31))
    assert sorted(online()) == [False, True]
    write_marks(here=(), gone=ids, read={})
    assert online() == [False, False]


def test_marks_of_the_erased_are_not_written(quiet_room: ChatSession) -> None:
    assert write_marks(here={uuid7()}, gone={uuid7()}, read={uuid7(): 1}) == set()
