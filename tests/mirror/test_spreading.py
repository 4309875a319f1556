"""A tenant that is deleted disappears from Firestore, and comes back when it is restored."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import ServiceUnavailable
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser, Tenant
from chatify.accounts.principal import Principal
from chatify.accounts.tenancy import delete_tenants, restore_tenants
from chatify.events.models import OutboxRow, SinkLease
from chatify.mirror import spreading
from chatify.mirror.listening import Inbound
from chatify.mirror.models import InboundReport
from chatify.mirror.relay import Relay
from chatify.mirror.writing import Writer
from sessions.models import ChatSession, Summary
from tests.memory.talking import answer, ask
from tests.mirror.edits import personality
from tests.mirror.relaying import deliver, document, rows
from tests.mirror.syncing import conversation, move, paths, sync

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_lots")]
PLACES = ["", "a/b/", "tenants/acme/"]


@pytest.fixture(autouse=True)
def small_spreads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chat sessions at a time."""
    monkeypatch.setattr(spreading, "CHAT_SESSIONS_AT_ONCE", 2)


@pytest.fixture
def acme(mirror: Client, chat: ChatSession) -> Tenant:
    """A tenant with five conversations and a personality in Firestore, beside one of another tenant."""
    tenant = ensure_tenant(slug="acme")
    personality("ada", tenant=tenant)
    chats = [conversation("acme", f"user-{number}") for number in range(5)]
    Summary.objects.create(
        tenant=tenant, chat_session=chats[0], from_seq=1, to_seq=2, text="They said hello.", model="m"
    )
    conversation("demo")
    sync("--rebuild")
    return tenant


def delete(tenant: Tenant) -> None:
    assert delete_tenants(tenant_ids=[tenant.id], who=None) == 1


def restore(tenant: Tenant) -> None:
    assert restore_tenants(tenant_ids=[tenant.id], who=None) == 1


def theirs(mirror: Client, tenant: Tenant) -> list[str]:
    """The documents of a tenant, wherever they are."""
    return [path for path in paths(mirror, PLACES) if (document(mirror, path) or {})["tenant"] == tenant.slug]


def is_right(*arguments: str) -> bool:
    return sync("--verify", *arguments)[0] == 0


# What disappears ----------------------------------------------------------------------------------
@pytest.mark.parametrize("prefix", ["", "tenants/acme"])
def test_deleted_tenant_disappears_and_comes_back(mirror: Client, acme: Tenant, prefix: str) -> None:
    move("acme", prefix)
    sync("--rebuild")
    before, own = paths(mirror, PLACES), theirs(mirror, acme)
    assert len(own) == 1 + 5 * (1 + 4)
    delete(acme)
    deliver()
    assert paths(mirror, PLACES) == sorted(set(before) - set(own))
    assert (is_right(), is_right("--tenant", "acme")) == (True, True)
    restore(acme)
    deliver()
    assert paths(mirror, PLACES) == before
    assert (is_right(), is_right("--tenant", "acme")) == (True, True)
    assert "They said hello." in [(document(mirror, path) or {}).get("summary") for path in own]


def test_it_disappears_from_a_place_that_it_has_left(mirror: Client, acme: Tenant) -> None:
    move("acme", "a/b")
    conversation("acme", "late")
    delete(acme)
    deliver()
    assert theirs(mirror, acme) == []


def test_tenant_that_was_restored_at_once_keeps_all(mirror: Client, acme: Tenant) -> None:
    before = paths(mirror)
    delete(acme)
    relay = Relay()
    relay.run_once()
    restore(acme)
    deliver(relay)
    assert (paths(mirror), is_right()) == (before, True)


def test_reply_that_ends_afterwards_does_not_arrive(mirror: Client, acme: Tenant) -> None:
    chat = ChatSession.objects.filter(tenant=acme)[0]
    spec = ask(Principal(acme.id), chat, "still there?")
    delete(acme)
    deliver()
    answer(spec, "I was about to say")
    deliver()
    assert (theirs(mirror, acme), is_right()) == ([], True)


def test_rebuild_removes_what_was_deleted_while_the_mirror_was_off(mirror: Client, acme: Tenant, settings: Any) -> None:
    settings.FIRESTORE_IS_ON = False
    delete(acme)
    assert rows() == []
    settings.FIRESTORE_IS_ON = True
    assert sync("--verify")[0] == 1
    assert sync("--rebuild", "--verify")[0] == 0
    assert theirs(mirror, acme) == []


# How it gets there --------------------------------------------------------------------------------
def test_no_more_than_a_lot_waits_at_once(mirror: Client, acme: Tenant) -> None:
    delete(acme)
    relay, waiting = Relay(), []
    while OutboxRow.objects.exists():
        assert relay.run_once().is_full or not OutboxRow.objects.exists()
        waiting.append(sorted(rows()))
    chats = ["session.spread"] * 2
    assert waiting == [
        [*chats, "template.spread", "tenant.spread"],
        [*chats, "tenant.spread"],
        ["session.spread"],
        [],
    ]  # fmt: skip


def test_relay_that_dies_in_between_is_followed_by_another(
    mirror: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Relay, *arguments: Any) -> None:
        raise SystemExit

    delete(acme)
    dead = 0
    while OutboxRow.objects.exists():
        for is_deadly in (True, False):  # each one that gets something done is killed once before it settles it
            SinkLease.objects.update(owner="", expires_at="2000-01-01T00:00:00Z")
            with monkeypatch.context() as patched:
                if is_deadly:
                    patched.setattr(Relay, "_settle", die)
                try:
                    Relay().run_once()
                except SystemExit:
                    dead += 1
    assert dead >= 3
    assert (theirs(mirror, acme), is_right()) == ([], True)


def test_nothing_is_spread_while_firestore_is_away(
    mirror: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_away(self: Writer, operations: Any) -> None:
        raise ServiceUnavailable("away")

    delete(acme)
    relay = Relay()
    relay.run_once()
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "_commit", be_away)
        for _ in range(3):
            with pytest.raises(RuntimeError):
                relay.run_once()
    assert len(rows()) == 4
    deliver(relay)
    assert theirs(mirror, acme) == []


def test_people_who_are_erased_meanwhile_stop_nothing(mirror: Client, acme: Tenant) -> None:
    delete(acme)
    relay = Relay()
    relay.run_once()
    for number in range(5):
        erase_end_user(end_user_id=EndUser.objects.get(external_id=f"user-{number}").id, who=None)
    assert "tenant.spread" in rows()
    deliver(relay)
    assert (theirs(mirror, acme), is_right()) == ([], True)


def test_what_waits_of_a_tenant_does_not_differ(mirror: Client, acme: Tenant) -> None:
    delete(acme)
    said = sync("--verify", wait=0.01)[1]
    assert "0 differ" in said
    assert "26 documents not yet as the database says" in said


# What comes back ----------------------------------------------------------------------------------
def test_look_at_firestore_wants_nothing_of_a_deleted_tenant(mirror: Client, acme: Tenant, inbound: Inbound) -> None:
    inbound.step(mirror)
    delete(acme)
    deliver()
    inbound.close()
    inbound.step(mirror)
    assert (rows(), InboundReport.objects.count()) == ([], 0)


@pytest.mark.parametrize("prefix", ["", "tenants/acme"])
def test_its_restored_personality_was_not_deleted_by_somebody(
    mirror: Client, acme: Tenant, inbound: Inbound, prefix: str
) -> None:
    move("acme", prefix)
    sync("--rebuild")
    inbound.step(mirror)
    delete(acme)
    deliver()
    restore(acme)
    inbound._refresh(mirror)
    assert (rows(), InboundReport.objects.count()) == (["tenant.restored"], 0)
    deliver()
    assert len(theirs(mirror, acme)) == 26
