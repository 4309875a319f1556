"""Erasure from the inside: cut short, overtaken, told; and people who sign in, with their accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from chatify.accounts import personal_data
from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import AuditEntry, EndUser, PasswordReset, Tenant, Usage, User
from chatify.accounts.people import end_user_of
from chatify.accounts.personal_data import Holding, register_holding
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.accounts.signing_in import sign_in
from chatify.accounts.tokens import issue_pair, principal_of_token
from chatify.common.errors import Unavailable
from chatify.events.bus import Sink, register_sink, unregister_sink
from chatify.events.models import OutboxRow
from chatify.turns.live import Event as LiveEvent
from chatify.turns.live import Hub, LiveReply
from sessions.actions import purge_chat_sessions, start_chat_session
from sessions.models import ChatSession, Message
from templates_app.models import PromptTemplate, PromptVersion


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(personal_data, "_holdings", dict(personal_data._holdings))


@pytest.fixture
def sink(chat: ChatSession) -> Iterator[None]:
    register_sink(Sink("test", lambda: True, lambda name: True))
    OutboxRow.objects.all().delete()  # what the fixtures before told
    yield
    unregister_sink("test")


def erasures() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="user.erased"))


def say(chat: ChatSession, seq: int = 1, **fields: Any) -> Message:
    fields = {"role": "user", "content": "hello", "created_at": chat.created_at, **fields}
    return Message.objects.create(tenant_id=chat.tenant_id, chat_session=chat, seq=seq, **fields)


@pytest.mark.parametrize("point", ["hide", "erase", "tell"])
@pytest.mark.django_db(transaction=True)
def test_erasure_that_was_cut_short_goes_on(registry: None, chat: ChatSession, point: str) -> None:
    say(chat)
    tries: list[EndUser] = []

    def fail_once(end_user: EndUser) -> None:
        tries.append(end_user)
        if len(tries) == 1:
            raise OSError("the power is gone")

    register_holding(Holding("unlucky", **{point: fail_once}))
    with pytest.raises(OSError, match="the power"):
        erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert EndUser.objects.filter(id=chat.end_user_id).exists()
    assert ChatSession.objects.existing().exists() is (point == "hide"), "from the first transaction on it is hidden"
    assert not erasures()
    erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert not EndUser.objects.exists()
    assert not Message.objects.exists()
    assert len(erasures()) == 1
    erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert len(erasures()) == 1, "once is enough"


def test_what_comes_in_meanwhile_is_erased_too(registry: None, chat: ChatSession) -> None:
    def start_another(end_user: EndUser) -> None:
        if not OutboxRow.objects.exists():
            OutboxRow.objects.create(sink="once", event="once")
            key = Principal(chat.tenant_id)
            start_chat_session(principal=key, template_slug=None, user=UserInput(external_id="mia"))

    register_holding(Holding("busy", erase=start_another))  # is asked first, so it is left for the second round
    _erase_after_others("busy")
    erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert not EndUser.objects.exists()
    assert not ChatSession.objects.exists()


def test_whoever_never_stops_to_write_is_told(registry: None, chat: ChatSession) -> None:
    def start_another(end_user: EndUser) -> None:
        key = Principal(chat.tenant_id)
        start_chat_session(principal=key, template_slug=None, user=UserInput(external_id="mia"))

    register_holding(Holding("busy", erase=start_another))
    _erase_after_others("busy")
    with pytest.raises(Unavailable):
        erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert EndUser.objects.exists()


def _erase_after_others(name: str) -> None:
    """Have this holding asked last."""
    registered = personal_data._holdings
    others = {key: value for key, value in registered.items() if key != name}
    registered_last = registered[name]
    registered.clear()
    registered[name] = registered_last
    registered.update(others)


def test_erased_ids_are_all_that_sinks_hear(sink: None, chat: ChatSession) -> None:
    message = say(chat)
    OutboxRow.objects.create(sink="test", event="message.created", chat_session_id=chat.id, subject_id=message.id)
    erase_end_user(end_user_id=chat.end_user_id, who=None)
    rows = OutboxRow.objects.values_list("event", "tenant_id", "chat_session_id", "subject_id")
    assert list(rows) == [
        ("session.erased", chat.tenant_id, chat.id, None),
        ("user.erased", chat.tenant_id, None, chat.end_user_id),
    ]


def test_audit_log_tells_who_but_not_whom_by_name(chat: ChatSession) -> None:
    key = Principal(chat.tenant_id)
    erase_end_user(end_user_id=chat.end_user_id, who=key)
    (entry,) = erasures()
    assert (entry.actor_kind, entry.tenant_id) == ("api_key", chat.tenant_id)
    assert (entry.subject_id, entry.details) == (chat.end_user_id, {})


def test_usage_stays_without_whose_it_was(chat: ChatSession) -> None:
    Usage.objects.create(tenant_id=chat.tenant_id, end_user_id=chat.end_user_id, day="2026-01-01", tokens=7)
    erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert Usage.objects.values_list("tenant_id", "end_user_id", "tokens").get() == (chat.tenant_id, None, 7)


def test_purge_goes_in_batches_and_counts_what_was_there(chat: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.actions.PURGED_AT_ONCE", 2)
    key, mia = Principal(chat.tenant_id), UserInput(external_id="mia")
    more = [start_chat_session(principal=key, template_slug=None, user=mia).id for _ in range(4)]
    question = say(chat, 1)
    question.answered_by = say(chat, 2, role="assistant", status="streaming")
    question.save()
    assert purge_chat_sessions(chat_session_ids=[chat.id, *more[:3], uuid4()]) == 4
    assert list(ChatSession.objects.values_list("id", flat=True)) == more[3:]
    assert not Message.objects.exists()
    assert purge_chat_sessions(chat_session_ids=[chat.id]) == 0
    connection.check_constraints()


def test_room_of_what_was_erased_lets_go_of_its_texts() -> None:
    hub, follower, chat_session_id = Hub(), Silent(), uuid4()
    room = hub.join(chat_session_id, follower)
    for seq, owner in ((2, "another"), (4, "another")):
        hub.begin(LiveReply(uuid4(), chat_session_id, seq, owner=owner))
    assert room.overtaken
    hub.give_up(chat_session_id)
    assert (room.live, room.overtaken) == (None, {})
    ours = LiveReply(uuid4(), chat_session_id, 6)
    hub.begin(ours)
    hub.give_up(chat_session_id)
    assert room.live is ours, "its end is told by who writes it"
    hub.give_up(uuid4())


class Silent:
    def deliver(self, event: LiveEvent) -> None:
        pass


# People who sign in, and who do not ----------------------------------------------------------------
def person(email: str = "ada@example.org", **fields: Any) -> tuple[User, EndUser]:
    user = User.objects.create_user(email, "Engine-No-9", name="Ada", **fields)
    end_user = end_user_of(user)
    assert end_user is not None
    return user, end_user


def test_person_loses_their_account_with_their_data(template: PromptTemplate) -> None:
    user, end_user = person()
    access = issue_pair(sign_in(user=user, address="127.0.0.1")).access_token
    PasswordReset.objects.create(email=user.email, base_url="https://x", next_try_at=user.created_at)
    version = PromptVersion.objects.get()
    PromptVersion._base_manager.filter(id=version.id).update(author=user)
    erase_end_user(end_user_id=end_user.id, who=principal_of_token(access))
    assert not User.objects.exists()
    assert not PasswordReset.objects.exists()
    assert principal_of_token(access) is None
    assert end_user_of(user) is None, "nobody comes back who was read before"
    assert not EndUser.objects.exists()
    assert PromptVersion.objects.get().author is None
    assert erasures()[0].details == {"account": "erased"}


@pytest.mark.parametrize("kept", ["staff", "owner"])
def test_who_is_needed_keeps_their_account(db: None, kept: str) -> None:
    user, end_user = person(is_staff=kept == "staff")
    if kept == "owner":
        user.memberships.create(tenant=Tenant.objects.create(slug="shop", name="Shop"))
    erase_end_user(end_user_id=end_user.id, who=user)
    assert User.objects.get() == user
    assert not EndUser.objects.exists()
    assert erasures()[0].details == {"account": "kept"}


def test_external_id_like_a_persons_is_no_person(db: None) -> None:
    user, _ = person()
    for external_id in (f"user-{user.id}", "user-nobody", "user-"):
        tenant = ensure_tenant(slug="demo")
        other = upsert_end_user(tenant_id=tenant.id, external_id=external_id, changes={})
        erase_end_user(end_user_id=other.id, who=None)
    odd = upsert_end_user(tenant_id=ensure_tenant(slug="house").id, external_id="user-nobody", changes={})
    erase_end_user(end_user_id=odd.id, who=None)
    assert User.objects.get() == user


def test_browser_of_somebody_unknown_forgets_them(template: PromptTemplate, settings: Any) -> None:
    settings.DEBUG = True  # else the page is for people who signed in
    mine, other = Client(), Client()
    for browser in (mine, other):
        browser.get("/")
    sessions = {one.get_decoded()["end_user_id"]: one for one in Session.objects.all()}
    end_user_id = mine.session["end_user_id"]
    assert len(sessions) == 2
    erase_end_user(end_user_id=EndUser.objects.get(id=end_user_id).id, who=None)
    assert [one.get_decoded()["end_user_id"] for one in Session.objects.all()] == [other.session["end_user_id"]]
