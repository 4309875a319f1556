"""Who has the floor in a chat session: an AI and a person never answer at once."""

from __future__ import annotations

import pytest

from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict
from chatify.events import bus
from chatify.turns import ledger
from chatify.turns.spec import ReplySpec
from sessions.actions import end_chat_session, hand_over, resume_chat_session
from sessions.models import ChatSession, Message
from sessions.speaking import give_floor
from tests.turns.conftest import chat, principal  # noqa: F401  (fixtures)
from tests.turns.test_ledger import OTHER, OWNER, complete, expire, roles, say, start, stored

HUMAN, AI, NOBODY = ChatSession.Speaker.HUMAN, ChatSession.Speaker.AI, ChatSession.Speaker.NOBODY


@pytest.fixture
def spec(principal: Principal, chat: ChatSession) -> ReplySpec:  # noqa: F811
    """The first reply, being written by OWNER."""
    return start(principal, chat)


def running(chat: ChatSession) -> object:  # noqa: F811
    return ChatSession.objects.get(id=chat.id).running_reply_id


def test_reply_that_runs_is_broken_off(chat: ChatSession, spec: ReplySpec) -> None:  # noqa: F811
    assert give_floor(chat_session_id=chat.id, to=HUMAN) == 1
    assert ledger.renew(owner=OWNER, texts={spec.message_id: "Hi"}).to_cancel == {spec.message_id}
    finished = ledger.finish(spec=spec, owner=OWNER, outcome=complete())
    assert finished is not None
    assert (finished.message["status"], finished.next_reply) == ("cancelled", None)
    assert stored(spec) == ("cancelled", "", "Hi!"), "what people saw is kept"
    assert running(chat) is None


def test_floor_that_comes_back_revives_no_reply(chat: ChatSession, spec: ReplySpec) -> None:  # noqa: F811
    for to in (HUMAN, AI):
        give_floor(chat_session_id=chat.id, to=to)
    assert ledger.finish(spec=spec, owner=OWNER, outcome=complete()) is not None
    assert stored(spec)[0] == "cancelled"


def test_message_is_taken_and_not_answered(principal: Principal, chat: ChatSession) -> None:  # noqa: F811
    give_floor(chat_session_id=chat.id, to=HUMAN)
    accepted = say(principal, chat, client_message_id="c1")
    again = say(principal, chat, client_message_id="c1")
    assert (accepted.reply, accepted.gets_reply, again.gets_reply) == (None, False, False)
    assert roles(chat) == [(1, "user")]


def test_what_was_said_meanwhile_is_not_answered_later(principal: Principal, chat: ChatSession) -> None:  # noqa: F811
    give_floor(chat_session_id=chat.id, to=HUMAN)
    say(principal, chat, "to a person")
    give_floor(chat_session_id=chat.id, to=AI)
    reply = say(principal, chat, "to the AI").reply
    assert reply is not None
    assert [one.content for one in reply.request.messages][-2:] == ["to a person", "to the AI"]
    hand = Message(chat_session=chat, tenant_id=chat.tenant_id, seq=4, role="notice", created_at=chat.created_at)
    hand.save(force_insert=True)
    ChatSession.objects.filter(id=chat.id).update(last_seq=4)
    finished = ledger.finish(spec=reply, owner=OWNER, outcome=complete())
    assert finished is not None
    assert finished.next_reply is None
    assert stored(reply)[0] == "complete"


def test_message_that_waited_is_answered_when_the_floor_is_back(
    principal: Principal,  # noqa: F811
    chat: ChatSession,  # noqa: F811
    spec: ReplySpec,
) -> None:
    say(principal, chat, "and?")
    for to in (HUMAN, AI):
        give_floor(chat_session_id=chat.id, to=to)
    finished = ledger.finish(spec=spec, owner=OWNER, outcome=complete())
    assert finished is not None
    assert finished.next_reply is not None
    assert finished.next_reply.speaker_epoch == 2


def test_reaper_starts_nothing_without_the_floor(
    principal: Principal,  # noqa: F811
    chat: ChatSession,  # noqa: F811
    spec: ReplySpec,
) -> None:
    say(principal, chat, "and?")
    give_floor(chat_session_id=chat.id, to=NOBODY)
    expire(spec)
    (reaped,) = ledger.reap(owner=OTHER)
    assert reaped.next_reply is None
    assert stored(spec)[:2] == ("cancelled", "")
    assert running(chat) is None


def test_nothing_is_tried_again_without_the_floor(
    principal: Principal,  # noqa: F811
    chat: ChatSession,  # noqa: F811
    spec: ReplySpec,
) -> None:
    ledger.finish(spec=spec, owner=OWNER, outcome=complete(status="failed", code="stream_cut"))
    give_floor(chat_session_id=chat.id, to=HUMAN)
    again = {"principal": principal, "chat_session_id": chat.id, "message_id": spec.message_id, "owner": OWNER}
    with pytest.raises(Conflict) as raised:
        ledger.retry(**again)
    assert raised.value.code == "not_speaking"
    give_floor(chat_session_id=chat.id, to=AI)
    assert ledger.retry(**again).speaker_epoch == 2


def test_what_a_person_answers_is_the_ais_side_to_a_model(principal: Principal, chat: ChatSession) -> None:  # noqa: F811
    both = {"chat_session": chat, "tenant_id": chat.tenant_id, "created_at": chat.created_at}
    Message(**both, seq=1, role="user", content="Is anybody there?").save(force_insert=True)
    Message(**both, seq=2, role="human", content="Yes, I am.").save(force_insert=True)
    ChatSession.objects.filter(id=chat.id).update(last_seq=2)
    reply = say(principal, chat, "Good.").reply
    assert reply is not None
    said = [(one.role, one.content) for one in reply.request.messages][-3:]
    assert said == [("user", "Is anybody there?"), ("assistant", "Yes, I am."), ("user", "Good.")]


def test_floor_is_given_once_and_told(chat: ChatSession) -> None:  # noqa: F811
    bus.register_sink(bus.Sink("test", is_on=lambda: True, wants=lambda event: event.name.startswith("session.")))
    try:
        epochs = [give_floor(chat_session_id=chat.id, to=to) for to in (HUMAN, HUMAN, AI)]
    finally:
        bus.unregister_sink("test")
    assert epochs == [1, 1, 2]
    assert list(bus.OutboxRow.objects.values_list("event", flat=True)) == ["session.speaker_changed"] * 2


def test_no_floor_where_there_is_none_to_give(chat: ChatSession, quiet_room: ChatSession) -> None:  # noqa: F811
    end_chat_session(chat_session_id=chat.id, reason="done")
    for id_, code in ((chat.id, "session_ended"), (quiet_room.id, "human_room")):
        with pytest.raises(Conflict) as raised:
            give_floor(chat_session_id=id_, to=HUMAN)
        assert raised.value.code == code


def test_goodbye_is_the_last_word(principal: Principal, chat: ChatSession, spec: ReplySpec) -> None:  # noqa: F811
    say(principal, chat, "and?")
    hand_over(chat_session_id=chat.id, reason="human_found")
    finished = ledger.finish(spec=spec, owner=OWNER, outcome=complete())
    assert finished is not None
    assert (stored(spec)[0], finished.next_reply) == ("cancelled", None)
    last = Message.objects.filter(chat_session=chat).order_by("-seq")[0]
    assert (last.role, last.status, last.seq) == ("assistant", "complete", 4)
    assert ChatSession.objects.get(id=chat.id).end_reason == "human_found"


def test_nobody_is_welcomed_back_by_who_has_no_floor(chat: ChatSession) -> None:  # noqa: F811
    assert chat.template is not None
    chat.template.welcome_back = "There you are!"
    chat.template.save()
    give_floor(chat_session_id=chat.id, to=HUMAN)
    ChatSession.objects.filter(id=chat.id).update(status="paused")
    resume_chat_session(chat_session_id=chat.id, reason="resumed_by_user")
    assert roles(chat) == []
