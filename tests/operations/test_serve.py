"""The start: with settings that make no sense it does not happen, and one line says why."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command

from tests.client import ApiClient
from tests.conftest import MakeServer
from tests.services.process import Process
from tests.services.server import ROOT, Server, base_env, run_python
from tests.waiting import wait_until

PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "production-6Zt0yqLw3nVbKc9RfXh2sGmJ8dPu5eTaQ1oWi7Nx4BvYzC",
    "ALLOWED_HOSTS": "chat.example.com",
    "TRUSTED_PROXIES": "10.0.0.1",
}


def refused(*args: str, **env: str | None) -> str:
    """What is said to somebody whose start is refused: one line on stderr."""
    done = run_python(*args, env=base_env(**env), check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def test_second_server_on_the_same_sqlite_database_refuses_to_start(make_server: MakeServer) -> None:
    server = make_server()
    second = Process(
        [sys.executable, "manage.py", "serve", "--port", "0"],
        log=Path(server.database_url.removeprefix("sqlite:///")).with_name("second.log"), env=server.env, cwd=ROOT,
    )  # fmt: skip
    wait_until(lambda: not second.is_running, 30, "the second server gave up")
    said = [line for line in second.log_text().splitlines() if "Another Chatify serves" in line]
    assert (second.stop(), len(said)) == (1, 1), second.log_text()
    assert httpx.get(f"{server.url}/health/ready/", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("workers", "redis_url", "named"),
    [(2, "", "REDIS_URL"), (2, "redis://there", "DATABASE_URL"), (0, "", "at least 1")],
)
def test_more_workers_need_redis_and_postgresql(settings: Any, workers: int, redis_url: str, named: str) -> None:
    settings.REDIS_URL = redis_url
    with pytest.raises(CommandError, match=named):
        call_command("serve", workers=workers)


def test_production_needs_a_secret_key() -> None:
    assert "SECRET_KEY" in refused("manage.py", "serve", DEBUG="0", SECRET_KEY=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"), ("CONTEXT_MESSAGES", "many"), ("CONTEXT_MESSAGES", "-1"), ("CONTEXT_MESSAGES", "21"),
        ("CONTEXT_MESSAGES", "1.5"), ("LOG_LEVEL", "LOUD"), ("DATABASE_URL", "mysql://localhost/chatify"),
        ("DATABASE_URL", "chatify.sqlite3"), ("DATABASE_URL", "postgres://localhost:port/chatify"),
        ("REDIS_URL", "localhost:6379"), ("REDIS_URL", "http://localhost"), ("OPENAI_BASE_URL", "localhost:11434/v1"),
        ("OPENAI_BASE_URL", "https://"), ("CONTEXT_MESSAGES", "²"), ("CELERY_BROKER_URL", "nonsense"),
    ],
)  # fmt: skip
def test_wrong_value_is_named_in_one_line(name: str, value: str) -> None:
    assert name in refused("manage.py", "serve", **{name: value})


def test_deployment_checks_are_clean_with_production_settings() -> None:
    done = run_python("manage.py", "check", "--deploy", "--fail-level", "WARNING", env=base_env(**PRODUCTION))
    assert "no issues" in done.stdout


@pytest.fixture
def two_workers(make_server: MakeServer) -> Server:
    server = make_server(grown=True, start=False)
    command = [sys.executable, "manage.py", "serve", "--port", str(server.port), "--workers", "2"]
    server._process = Process(command, log=server._log, env=server.env, cwd=ROOT)
    server._process.wait_ready(server._is_ready, timeout=45)
    return server


def workers_of(server: Server) -> list[str]:
    """The processes that the server has started and that have started to serve."""
    return [line for line in server.log_text().splitlines() if '"server_started"' in line]


def test_two_workers_serve_one_chat_and_end_when_asked(two_workers: Server) -> None:
    wait_until(lambda: len(workers_of(two_workers)) == 2, 20, "both workers started")
    clients = [ApiClient(two_workers.url, two_workers.key, "two") for _ in range(6)]
    chat = clients[0].start()["id"]
    sockets = [client.socket(chat) for client in clients]
    for socket in sockets:
        socket.recv_until("session.ready")
    text = sockets[0].say("[[n=20,gap=20]]")["message"]["content"]
    assert {socket.recv_reply()["message"]["content"] for socket in sockets[1:]} == {text}
    assert "chatify_messages_accepted_total 1.0" in clients[0].get("/metrics").text
    assert two_workers.terminate(timeout=30) in (0, -signal.SIGTERM)
    assert [socket.wait_closed() for socket in sockets] == [1012] * 6
    for client in clients:
        client.close()
    assert two_workers.log_text().count('"server_stopped"') == 2
