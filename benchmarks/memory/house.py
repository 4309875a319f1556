"""Chatify for the benchmark: `manage.py serve` on SQLite, and the worker beside it."""

import base64
import http.client
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.memory.model import CHAT_MODEL, Model
from benchmarks.services import BenchmarkError, Workshop, find_free_port, read_tail
from benchmarks.systems import PROJECT, answers, environment, manage

BUDGETS = (1_500, 6_000)
CALL_SECONDS = 60
_NO_LIMITS = ("KEY_REQUESTS", "PERSON_REQUESTS", "USER_MESSAGES", "SESSION_MESSAGES")


class Worker:
    """The other end of `benchmarks.memory.worker`."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.memory.worker"]
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command, env=env, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Have it do something. Raises BenchmarkError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(orjson.dumps({"do": verb, **arguments}) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._error() from None
        if not (line := self._process.stdout.readline()):
            raise self._error()
        answer: dict[str, Any] = orjson.loads(line)
        return answer

    def stop(self) -> None:
        """It ends with its input."""
        self._process.communicate(timeout=CALL_SECONDS)

    def _error(self) -> BenchmarkError:
        return BenchmarkError(f"The worker of memory ended.\n{read_tail(self._log)}")


class House:
    """A running Chatify, and how to talk to it. `slugs` are those of a personality with each budget."""

    def __init__(self, port: int, prepared: "Prepared", env: dict[str, str], log: Path) -> None:
        self.workers = {
            is_extractive: Worker(env_of(env, is_extractive=is_extractive), log) for is_extractive in (False, True)
        }
        self.slugs = self.workers[False].call("prepare", budgets=list(BUDGETS))["slugs"]
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)
        self._headers = {"Authorization": f"Bearer {prepared.key}", "Content-Type": "application/json"}

    def close(self) -> None:
        """Stop the workers."""
        for worker in self.workers.values():
            worker.stop()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the API. Raises BenchmarkError when it does not answer with success."""
        self._connection.request("POST", f"/api/v1{path}", orjson.dumps(body), self._headers)
        response = self._connection.getresponse()
        raw = response.read()
        if response.status not in (200, 201):
            raise BenchmarkError(f"POST {path} answered {response.status}: {raw[:500]!r}")
        answer: dict[str, Any] = orjson.loads(raw)
        return answer


@dataclass(frozen=True)
class Prepared:
    """A migrated and seeded database with an API key in it. It is copied, never served."""

    file: Path
    key: str


def prepare(workshop: Workshop, model: Model) -> Prepared:
    """Make the database."""
    file = workshop.folder / "prepared.sqlite3"
    env = chatify_environment(file, model)
    workshop.run("migrate", manage("migrate", "--verbosity", "0"), env=env)
    workshop.run("seed", manage("seed_templates"), env=env)
    key = workshop.run("key", manage("create_api_key", "--tenant", "demo", "--name", "bench"), env=env).split()[-1]
    return Prepared(file, key)


@contextmanager
def open_house(workshop: Workshop, prepared: Prepared, model: Model) -> Iterator[House]:
    """Chatify on a copy of the prepared database."""
    env, port = chatify_environment(copy_of(prepared, workshop.folder / "house"), model), find_free_port()
    server = workshop.start("chatify", manage("serve", "--port", str(port)), env=env, is_measured=True)
    house = House(port, prepared, env, workshop.folder / "worker.log")  # starts while the server does
    try:
        server.wait_until(lambda: answers(port, "/health/live/"))
        yield house
    finally:
        house.close()
        server.stop()


def copy_of(prepared: Prepared, folder: Path) -> Path:
    """A copy of the database in a new folder."""
    folder.mkdir()
    return copy_database(prepared.file, folder / "chatify.sqlite3")


def copy_database(source: Path, target: Path) -> Path:
    """Copy a SQLite database, whatever of it still is in its log."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    return target


def env_of(env: dict[str, str], *, is_extractive: bool) -> dict[str, str]:
    """The settings of a Chatify whose summaries are made by the model, or are its own because it has none."""
    return {**env, "OPENAI_API_KEY": ""} if is_extractive else env


def chatify_environment(file: Path, model: Model) -> dict[str, str]:
    """Settings as in production, without limits: nobody types as fast as this.

    A broker that is not `memory://` itself says that the worker is elsewhere, which it is: `Worker`.
    """
    return environment(
        DEBUG="0",
        SECRET_KEY=secrets.token_urlsafe(48),
        JWT_SIGNING_KEY=secrets.token_urlsafe(48),
        ENCRYPTION_KEY=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        ALLOWED_HOSTS="127.0.0.1",
        CHATIFY_ENV_FILE="/dev/null",
        DATABASE_URL=f"sqlite:///{file}",
        CELERY_BROKER_URL="memory://elsewhere",
        OPENAI_BASE_URL=model.base_url,
        OPENAI_API_KEY="x",
        CHAT_MODEL=CHAT_MODEL,
        LOG_LEVEL="WARNING",
        **{f"LIMIT_{name}_PER_MINUTE": "0" for name in _NO_LIMITS},
    )
