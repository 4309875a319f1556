"""What falls silent is paused, then ended; what was deleted is erased at last: by Celery, found by index."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.utils import timezone

from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.events import bus
from sessions import tasks
from sessions.actions import delete_chat_sessions, start_chat_session
from sessions.models import ChatSession
from tests.api.checks import change_rows
from tests.conftest import MakeClient, MakeServer
from tests.services.redis import Redis
from tests.services.server import ROOT
from tests.services.workers import workers_beside

SILENT = "update chat_sessions_chatsession set last_activity = ? where id = ?"
_LONG_AGO = "2020-01-01 00:00:00"


@pytest.fixture
def heard() -> Any:
    """The names of all events."""
    names: list[str] = []
    unlisten = bus.listen(lambda event: names.append(event.name))
    yield names
    unlisten()


def aged(principal: Principal, seconds: float, **fields: Any) -> ChatSession:
    """A chat session in which nothing has happened for so long."""
    found = start_chat_session(principal=principal, template_slug="plain", user=UserInput(external_id="alice"))
    found.last_activity = timezone.now() - timedelta(seconds=seconds)
    for name, value in fields.items():
        setattr(found, name, value)
    found.save()
    return found


def status_of(chat_session: ChatSession) -> tuple[str, str]:
    row = ChatSession.objects.get(id=chat_session.id)
    return row.status, row.status_reason


# Tasks --------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("chat")
def test_silent_one_is_paused_once(
    principal: Principal,
    heard: list[str],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    due, fresh = aged(principal, settings.PAUSE_AFTER_SECONDS + 1), aged(principal, settings.PAUSE_AFTER_SECONDS - 9)
    before = due.last_activity
    with django_capture_on_commit_callbacks(execute=True):
        assert (tasks.pause_silent(), tasks.pause_silent()) == (1, 0)
    assert (status_of(due), status_of(fresh)) == (("paused", "silence"), ("active", ""))
    assert heard.count("session.paused") == 1
    assert ChatSession.objects.get(id=due.id).last_activity == before  # or it would never end


@pytest.mark.usefixtures("chat")
def test_long_silent_ones_are_ended(principal: Principal) -> None:
    long = settings.END_AFTER_SECONDS + 1
    due = [aged(principal, long), aged(principal, long, status="paused")]
    fresh = aged(principal, settings.END_AFTER_SECONDS - 9, status="paused")
    assert (tasks.end_silent(), tasks.end_silent()) == (2, 0)
    assert [status_of(one) for one in due] == [("ended", "silence")] * 2
    ended = ChatSession.objects.get(id=due[0].id)
    assert (ended.end_reason, ended.ended_at is not None) == ("silence", True)
    assert status_of(fresh)[0] == "paused"


@pytest.mark.usefixtures("chat")
def test_what_runs_or_was_deleted_is_left_alone(principal: Principal) -> None:
    running = aged(principal, 10**6, running_reply_id="01a1faa2-5454-7426-8328-dea0e0448537")
    deleted = aged(principal, 10**6, deleted_at=timezone.now())
    assert (tasks.pause_silent(), tasks.end_silent()) == (0, 0)
    assert (status_of(running)[0], status_of(deleted)[0]) == ("active", "active")


@pytest.mark.usefixtures("chat")
def test_many_are_done_in_batches(principal: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sessions.actions", "sessions.tasks"):
        monkeypatch.setattr(f"{module}.STEPPED_AT_ONCE", 2)
    due = [aged(principal, 10**6) for _ in range(5)]
    assert tasks.pause_silent() == 5
    assert {status_of(one)[0] for one in due} == {"paused"}


@pytest.mark.usefixtures("chat")
def test_deleted_ones_are_erased_when_nobody_restored_them(principal: Principal) -> None:
    old, fresh = aged(principal, 0), aged(principal, 0)
    delete_chat_sessions(chat_session_ids=[old.id, fresh.id])
    long_ago = timezone.now() - timedelta(days=settings.PURGE_DELETED_DAYS, seconds=1)
    ChatSession.objects.filter(id=old.id).update(deleted_at=long_ago)
    assert (tasks.purge_deleted(), tasks.purge_deleted()) == (1, 0)
    assert not ChatSession.objects.filter(id=old.id).exists()
    assert ChatSession.objects.filter(id=fresh.id).exists()


# The real thing -----------------------------------------------------------------------------------
def test_embedded_server_pauses_and_ends_by_itself(make_server: MakeServer, make_client: MakeClient) -> None:
    server = make_server(PAUSE_AFTER_SECONDS="3", END_AFTER_SECONDS="3600")
    alice = make_client(server)
    chat = alice.start()["id"]
    with alice.socket(chat) as socket:
        assert socket.recv_until("session.paused", timeout=25)["reason"] == "silence"
        change_rows(server, SILENT, _LONG_AGO, chat.replace("-", ""))
        assert socket.recv_until("session.ended", timeout=25)["reason"] == "silence"
        assert socket.wait_closed() == 4403


def test_two_workers_and_two_beats_on_redis_pause_each_once(
    make_server: MakeServer, make_client: MakeClient, redis: Redis, tmp_path: Path
) -> None:
    server = make_server(grown=True, PAUSE_AFTER_SECONDS="1", END_AFTER_SECONDS="3600")
    alice = make_client(server)
    chats = [alice.start()["id"] for _ in range(10)]
    with alice.socket(chats[0]) as socket:
        with workers_beside(server, redis.url(5), tmp_path) as workers:
            for name in ("1", "2"):
                workers.worker(f"worker{name}")
                workers.beat(f"beat{name}")
            assert socket.recv_until("session.paused", timeout=60)["reason"] == "silence"
            workers.stop()
        assert socket.types().count("session.paused") == 1
    assert alice.get("/api/v1/sessions/", params={"status": "paused"}).json()["results"]


# The index ----------------------------------------------------------------------------------------
PLANS = """
import json
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from chatify.memory.claims import due
from sessions.models import ChatSession
before = timezone.now() - timedelta(minutes=5)
plans = [ChatSession.objects.silent(status, before)[:200].explain() for status in ("active", "paused")]
plans.append(ChatSession.objects.filter(deleted_at__lt=before).order_by("deleted_at")[:200].explain())
plans.append(due()[:8].explain())
print(json.dumps(plans))
"""
MILLION = """
insert into chat_sessions_chatsession select made.*
from chat_sessions_chatsession c, generate_series(1, %s) n, lateral jsonb_populate_record(c, jsonb_build_object(
  'id', gen_random_uuid(),
  'status', case n %% 1000 when 1 then 'active' when 2 then 'paused' else 'ended' end,
  'last_activity', now() - n * interval '1 minute',
  'deleted_at', case when n %% 50 = 0 then now() - n * interval '1 minute' end,
  'memory_due_at', case when n %% 500 = 0 then now() - n * interval '1 minute' end)) made
where c.id = %s
"""


@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_due_ones_are_found_by_index(make_server: MakeServer, make_client: MakeClient, count: int) -> None:
    server = make_server(grown=True)
    chat = make_client(server).start()["id"]
    with psycopg.connect(server.database_url, autocommit=True) as connection:
        connection.execute(MILLION, (count, chat))
        connection.execute("analyze chat_sessions_chatsession")
    command = [sys.executable, "-c", PLANS]
    done = subprocess.run(command, cwd=ROOT, env=server.env, check=True, capture_output=True, text=True, timeout=60)
    active, paused, deleted, memory = json.loads(done.stdout.splitlines()[-1])
    for plan in (active, paused):
        assert "Index Scan using chat_session_silent" in plan, plan
    assert "Index Scan using chat_session_deleted" in deleted, deleted
    assert "Index Scan using chat_session_memory_due" in memory, memory
