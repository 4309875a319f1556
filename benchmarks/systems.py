"""The servers of the comparison: the model stub, the bare relay, Chatify."""

import base64
import os
import secrets
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from benchmarks.services import (
    BenchmarkError,
    Postgres,
    Redis,
    Server,
    Workshop,
    find_free_port,
    start_postgres,
    start_redis,
)

PROJECT = Path(__file__).resolve().parent.parent
UVICORN = ["--loop", "uvloop", "--http", "httptools", "--ws", "websockets", "--ws-per-message-deflate", "false"]


@dataclass(frozen=True)
class System:
    """A server that people can talk to; `key` is its API key, where it has one."""

    name: str
    server: Server
    port: int
    key: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What the systems share."""

    workshop: Workshop
    postgres: Postgres
    redis: Redis
    stub: Server
    model_url: str

    def pids(self, system: System) -> dict[str, int]:
        """The process trees to measure while `system` is under load."""
        servers = {"postgres": self.postgres.server, "redis": self.redis.server, "stub": self.stub}
        return {name: one.process.pid for name, one in {"server": system.server, **servers}.items()}


def build_surroundings(workshop: Workshop, *, ttft: float, tokens: int, gap: float) -> Surroundings:
    """Start PostgreSQL, Redis and the model stub; times in milliseconds."""
    postgres, redis, port = start_postgres(workshop), start_redis(workshop), find_free_port()
    pace = ["--ttft", str(ttft), "--tokens", str(tokens), "--gap", str(gap)]
    stub = workshop.start("stub", python("-m", "benchmarks.stub", "--port", str(port), *pace), env=environment())
    stub.wait_until(lambda: answers(port, "/v1/models"))
    return Surroundings(workshop, postgres, redis, stub, f"http://127.0.0.1:{port}/v1")


def start_relay(around: Surroundings) -> System:
    """The yardstick."""
    port, url = find_free_port(), around.postgres.create_database("relay")
    command = python("-m", "uvicorn", "benchmarks.relay:app", "--port", str(port), *UVICORN)
    env = environment(DATABASE_URL=url, OPENAI_BASE_URL=around.model_url)
    server = around.workshop.start(
        "relay", [*command, "--no-access-log", "--log-level", "warning"], env=env, is_measured=True
    )
    server.wait_until(lambda: answers(port, "/"))
    return System("relay", server, port)


def start_chatify(around: Surroundings) -> System:
    """Chatify as `manage.py serve` runs it, everything on, in its production settings."""
    if not (PROJECT / "manage.py").exists():
        raise BenchmarkError(f"No manage.py in {PROJECT}.")
    port, env = find_free_port(), chatify_environment(around)
    around.workshop.run("migrate", manage("migrate"), env=env)
    around.workshop.run("seed_templates", manage("seed_templates"), env=env)
    printed = around.workshop.run(
        "create_api_key", manage("create_api_key", "--tenant", "demo", "--name", "bench"), env=env
    )
    if not printed.strip():
        raise BenchmarkError("create_api_key printed no key.")
    server = around.workshop.start("chatify", manage("serve", "--port", str(port)), env=env, is_measured=True)
    server.wait_until(lambda: answers(port, "/health/ready/"))
    return System("chatify", server, port, key=printed.strip().splitlines()[-1].strip())


START = {"relay": start_relay, "chatify": start_chatify}


def chatify_environment(around: Surroundings) -> dict[str, str]:
    """Chatify's settings; whatever else the caller's environment sets stays out."""
    return environment(
        DEBUG="0",
        SECRET_KEY=secrets.token_urlsafe(48),
        JWT_SIGNING_KEY=secrets.token_urlsafe(48),
        ENCRYPTION_KEY=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        ALLOWED_HOSTS="127.0.0.1",
        DATABASE_URL=around.postgres.create_database("chatify"),
        REDIS_URL=f"redis://127.0.0.1:{around.redis.port}/0",
        OPENAI_BASE_URL=around.model_url,
        OPENAI_API_KEY="x",
        CHAT_MODEL="stub",
    )


def environment(**settings: str) -> dict[str, str]:
    """The environment of a child: the caller's basics and `settings`."""
    basics = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**basics, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", **settings}


def python(*words: str) -> list[str]:
    """A command for the Python that runs the benchmark."""
    return [sys.executable, *words]


def manage(*words: str) -> list[str]:
    """A management command of Chatify."""
    return python(str(PROJECT / "manage.py"), *words)


def answers(port: int, path: str) -> bool:
    """Whether a server answers a GET with success."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
