"""Celery's worker and beat: inside the server where there is nothing else, and as processes on Redis."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import psycopg
import pytest
from celery import Celery

from chatify.operations.embedded_celery import EmbeddedCelery
from tests.client import ApiClient
from tests.conftest import MakeServer
from tests.services.redis import Redis
from tests.services.server import Server, base_env, run_python
from tests.services.workers import workers_beside
from tests.waiting import wait_until

EXPIRE = "UPDATE accounts_socketticket SET expires_at = '2020-01-01 00:00:00'"
COUNT = "SELECT count(*) FROM accounts_socketticket"


def make_ticket(url: str, key: str) -> None:
    client = ApiClient(url, key)
    client.post(f"/api/v1/sessions/{client.start()['id']}/ticket/").raise_for_status()
    client.close()


@pytest.fixture
def quick() -> tuple[EmbeddedCelery, threading.Event]:
    """Worker and beat of an app whose one task is due every fraction of a second."""
    app, ran = Celery("quick", broker="memory://", set_as_current=False), threading.Event()

    @app.task(name="quick.tick")
    def tick() -> None:
        ran.set()

    app.conf.beat_schedule = {"tick": {"task": "quick.tick", "schedule": 0.1}}
    app.conf.task_ignore_result = True
    embedded = EmbeddedCelery(app)
    return embedded, ran


def test_embedded_beat_and_worker_run_what_is_due_and_end(quick: tuple[EmbeddedCelery, threading.Event]) -> None:
    embedded, ran = quick
    embedded.start()
    assert ran.wait(15)
    embedded.stop()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("celery")]


@pytest.mark.soak
def test_embedded_worker_purges_tickets_of_a_server(make_server: MakeServer) -> None:
    server = make_server()
    make_ticket(server.url, server.key)
    connection = sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=20)
    with connection:
        connection.execute(EXPIRE)
    wait_until(lambda: connection.execute(COUNT).fetchone() == (0,), 90, "purged by the schedule of 60 s")
    connection.close()


def test_worker_and_beat_are_processes_with_a_broker(
    grown_servers: tuple[Server, Server], redis: Redis, tmp_path: Path
) -> None:
    server = grown_servers[0]
    make_ticket(server.url, server.key)
    with (
        psycopg.connect(server.database_url, autocommit=True) as connection,
        workers_beside(server, redis.url(4), tmp_path) as workers,
    ):
        connection.execute(EXPIRE)
        workers.worker("worker", "--concurrency", "1")  # as processes, which is Celery's default
        workers.beat("beat")
        workers.expect(lambda: wait_until(lambda: connection.execute(COUNT).fetchone() == (0,), 40, "purged"))
        assert workers.stop()["worker"] == 0


def test_schedule_names_tasks_that_there_are() -> None:
    code = (
        "import django; django.setup()\n"
        "from config.celery import app\n"
        "app.loader.import_default_modules()\n"
        "print([e['task'] for e in app.conf.beat_schedule.values() if e['task'] not in app.tasks])"
    )
    assert run_python("-c", code, env=base_env()).stdout.strip() == "[]"
