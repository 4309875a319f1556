"""Retention: chat sessions that nothing happened in for so many days are erased, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.utils import timezone

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import AuditEntry, EndUser, Tenant
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from sessions import tasks
from sessions.actions import start_chat_session
from sessions.models import ChatSession, Feedback, Message
from sessions.tasks import apply_retention
from templates_app.models import PromptTemplate
from tests.accounts.signups import rows, sign_up
from tests.api.checks import change_rows
from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.privacy.calls import SESSIONS, new_word
from tests.privacy.traces import traces
from tests.services.server import ROOT, Server

RUN = "from sessions.tasks import apply_retention; apply_retention()"


@pytest.fixture
def shop(template: PromptTemplate) -> Tenant:
    """A tenant that keeps chat sessions for 30 days."""
    return Tenant.objects.create(slug="shop", name="Shop", retention_days=30)


def start(tenant: Tenant, days: float, **fields: Any) -> ChatSession:
    """A chat session that was last used so many days ago."""
    key, user = Principal(tenant.id), UserInput(external_id="mia")
    chat = start_chat_session(principal=key, template_slug=None, user=user)
    chat.last_activity = timezone.now() - timedelta(days=days)
    for name, value in fields.items():
        setattr(chat, name, value)
    chat.save()
    return chat


def left() -> set[UUID]:
    return set(ChatSession.objects.values_list("id", flat=True))


def applied() -> dict[UUID | None, int]:
    """The chat sessions that were erased for each tenant, as the audit log has it, an entry for each batch."""
    found: Counter[UUID | None] = Counter()
    for entry in AuditEntry.objects.filter(action="retention.applied", actor_kind="system"):
        found[entry.tenant_id] += entry.details["chat_sessions"]
    return dict(found)


def test_what_is_old_is_erased(shop: Tenant) -> None:
    old, young = start(shop, 30.01), start(shop, 29.9)
    message = Message.objects.create(
        tenant=shop, chat_session=old, seq=1, role="user", content="hello", created_at=old.created_at
    )
    Feedback.objects.create(tenant=shop, chat_session=old, message=message, rating=5)
    deleted = start(shop, 31, deleted_at=timezone.now())
    ended = start(shop, 400, status="ended")
    assert apply_retention() == 3
    assert left() == {young.id}, (old.id, deleted.id, ended.id)
    assert not Message.objects.exists()
    assert not Feedback.objects.exists()
    assert EndUser.objects.filter(external_id="mia").exists(), "the profile stays"
    assert applied() == {shop.id: 3}


def test_nothing_to_do_is_nothing_to_tell(shop: Tenant) -> None:
    start(shop, 1)
    assert apply_retention() == 0
    assert applied() == {}


def test_tenant_without_retention_keeps_everything(template: PromptTemplate) -> None:
    old = start(ensure_tenant(slug="demo"), 4000)
    assert apply_retention() == 0
    assert left() == {old.id}


def test_deleted_tenant_keeps_nothing_longer(shop: Tenant) -> None:
    start(shop, 31)
    Tenant.objects.filter(id=shop.id).update(deleted_at=timezone.now())
    assert apply_retention() == 1


def test_chat_session_that_is_being_answered_stays(shop: Tenant) -> None:
    answered = start(shop, 31, running_reply_id=UUID(int=1))
    assert apply_retention() == 0
    assert left() == {answered.id}


def test_much_goes_in_batches_and_all_tenants_get_their_turn(shop: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.actions.PURGED_AT_ONCE", 2)
    monkeypatch.setattr(tasks, "PURGED_AT_ONCE", 2)
    cafe = Tenant.objects.create(slug="cafe", name="Cafe", retention_days=1)
    for tenant in [shop] * 5 + [cafe] * 3:
        start(tenant, 40)
    assert apply_retention() == 8
    assert applied() == {shop.id: 5, cafe.id: 3}


def test_run_ends_in_time_and_the_next_one_goes_on(shop: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.actions.PURGED_AT_ONCE", 1)
    monkeypatch.setattr(tasks, "PURGED_AT_ONCE", 1)
    moments = iter([0.0, 0.0, 59.0, 61.0])
    monkeypatch.setattr(tasks, "monotonic", lambda: next(moments))
    for _ in range(3):
        start(shop, 40)
    assert apply_retention() == 2
    monkeypatch.undo()
    assert apply_retention() == 1
    told = AuditEntry.objects.filter(action="retention.applied").order_by("id")
    assert [entry.details["chat_sessions"] for entry in told] == [1, 1, 1]


def test_run_that_breaks_off_tells_what_it_did(shop: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.actions.PURGED_AT_ONCE", 1)
    monkeypatch.setattr(tasks, "PURGED_AT_ONCE", 1)
    moments = iter([0.0, 0.0])  # then StopIteration
    monkeypatch.setattr(tasks, "monotonic", lambda: next(moments))
    start(shop, 40)
    start(shop, 41)
    with pytest.raises(StopIteration):
        apply_retention()
    assert applied() == {shop.id: 1}


# With servers and real databases --------------------------------------------------------------------
@pytest.fixture
def shopper(server: Server, make_client: MakeClient) -> ApiClient:
    """See `shopper_of`."""
    return shopper_of(server, make_client)


def shopper_of(server: Server, make_client: MakeClient) -> ApiClient:
    """An end user of a tenant that keeps chat sessions for 30 days."""
    tenant = sign_up(server, make_client)
    tenant.client.patch("/api/v1/tenants/me/", {"retention_days": 30}).raise_for_status()
    return tenant.client


def tenant_of(client: ApiClient) -> str:
    return str(client.get("/api/v1/tenants/me/").json()["id"])


def age_all(server: Server, client: ApiClient) -> None:
    """Nothing has happened for 40 days in all chat sessions of the tenant."""
    tenant = UUID(tenant_of(client))
    then = (timezone.now() - timedelta(days=40)).strftime("%Y-%m-%d %H:%M:%S+00")
    sql = "UPDATE chat_sessions_chatsession SET last_activity = ? WHERE tenant_id = ?"
    assert change_rows(server, sql, then, tenant if server.database_url.startswith("postgres") else tenant.hex)


@pytest.mark.parametrize("grown", [False, True])
def test_socket_on_what_is_erased_is_told(make_server: MakeServer, make_client: MakeClient, grown: bool) -> None:
    server = make_server(grown=grown, END_AFTER_SECONDS=str(60 * 24 * 3600))  # else silence may end it before
    shopper = shopper_of(server, make_client)
    word = new_word()
    chat = shopper.start()["id"]
    with shopper.socket(chat) as socket:
        socket.say(word)
        age_all(server, shopper)
        server.manage("shell", "--no-imports", "-c", RUN)
        assert socket.recv_until("session.ended")["reason"] == "deleted"
        assert socket.wait_closed() == 4403
    assert traces(word, server) == set()
    assert shopper.get(f"{SESSIONS}{chat}/").status_code == 404


@pytest.mark.parametrize("server", ["grown"], indirect=True)
def test_two_workers_and_somebody_who_writes(server: Server, shopper: ApiClient) -> None:
    """Workers do not get into each other's way, and pass over the chat session that somebody is at."""
    chats = [shopper.start()["id"] for _ in range(12)]
    age_all(server, shopper)
    with psycopg.connect(server.database_url) as writer:
        writer.execute("SELECT id FROM chat_sessions_chatsession WHERE id = %s FOR UPDATE", [chats[5]])
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", RUN]
        workers = [subprocess.Popen(command, cwd=ROOT, env=server.env) for _ in range(2)]
        assert [worker.wait(60) for worker in workers] == [0, 0]
    log = (
        "SELECT details ->> 'chat_sessions' FROM accounts_auditentry WHERE tenant_id = ? AND action LIKE 'retention%%'"
    )
    assert sum(int(count) for (count,) in rows(server, log, tenant_of(shopper))) == 11
    sql = "SELECT id FROM chat_sessions_chatsession WHERE tenant_id = ?"
    assert [str(id_) for (id_,) in rows(server, sql, tenant_of(shopper))] == [chats[5]]
