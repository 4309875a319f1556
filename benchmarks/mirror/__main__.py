"""`python -m benchmarks.mirror`: the Firestore mirror against Google's emulator, on this machine, in two minutes."""

import argparse
import json
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client

from benchmarks.command import carry_out, say
from benchmarks.services import (
    BenchmarkError,
    Postgres,
    Server,
    Workshop,
    find_free_port,
    open_workshop,
    start_postgres,
)
from benchmarks.systems import environment, manage, python
from tests.services import ServiceMissing
from tests.services.firestore import _MAIN, find_jar, find_java
from tests.services.ports import is_listening

DRAIN_SECONDS = 600
COST_SESSIONS = 21  # odd, so that everybody has turns of both kinds
WARM_UP = 200
WAITING = "SELECT count(*) FROM events_outboxrow"
SAID = "SELECT id, coalesce(finished_at, created_at) FROM chat_sessions_message"


@dataclass(frozen=True)
class Stage:
    """A database and a Firestore project of a part of the benchmark's own."""

    workshop: Workshop
    postgres: Postgres
    name: str
    firestore: str

    @property
    def database_url(self) -> str:
        """Of the part's database."""
        return self.postgres.url_of(self.name)

    def env(self, *, is_on: bool = True) -> dict[str, str]:
        """Chatify's settings."""
        mirror = {"FIREBASE_PROJECT_ID": self.name, "FIRESTORE_EMULATOR_HOST": self.firestore} if is_on else {}
        return environment(
            DEBUG="0", SECRET_KEY="bench" * 12, ALLOWED_HOSTS="127.0.0.1", CHATIFY_ENV_FILE=os.devnull,
            DJANGO_SETTINGS_MODULE="config.settings", DATABASE_URL=self.database_url, LOG_LEVEL="INFO", **mirror,
        )  # fmt: skip

    def prepare(self) -> "Stage":
        """Make the database."""
        self.postgres.create_database(self.name)
        for command in ("migrate", "seed_templates"):
            self.workshop.run(f"{self.name}-{command}", manage(command), env=self.env(is_on=False))
        return self

    def talk(self, sessions: int, turns: int, *, rate: float = 0, is_alternating: bool = False) -> list[float]:
        """Seconds of each turn."""
        command = python("-m", "benchmarks.mirror.talker", str(sessions), str(turns), "--rate", str(rate))
        command += ["--alternate"] if is_alternating else []
        printed = self.workshop.run(f"{self.name}-talker", command, env=self.env())
        seconds: list[float] = json.loads(printed.splitlines()[-1])
        return seconds

    def start_relay(self) -> tuple[Server, int]:
        """The relay, and the port of its metrics."""
        port = find_free_port()
        command = manage("firestore_relay", "--metrics-port", str(port))
        return self.workshop.start(f"{self.name}-relay", command, env=self.env(), is_measured=True), port

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def wait_drained(self) -> float:
        """Seconds until the outbox was empty, counted from the first row that left it."""
        before, begun, deadline = self.rows(WAITING)[0][0], 0.0, time.monotonic() + DRAIN_SECONDS
        while left := self.rows(WAITING)[0][0]:
            if left < before and not begun:
                begun = time.monotonic()
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{left} rows were not delivered within {DRAIN_SECONDS} s.")
            time.sleep(0.02)
        return time.monotonic() - begun if begun else 0.0


def start_firestore(workshop: Workshop) -> str:
    """Google's emulator, unless FIRESTORE_EMULATOR_HOST names one."""
    if host := os.environ.get("FIRESTORE_EMULATOR_HOST"):
        return host
    try:
        java, jar = find_java(), find_jar()
    except ServiceMissing as error:
        raise BenchmarkError(str(error)) from error
    port = find_free_port()
    command = [java, "-cp", str(jar), _MAIN, "start", "--host=127.0.0.1", f"--port={port}"]
    workshop.start("firestore", command).wait_until(lambda: is_listening(port))
    return f"127.0.0.1:{port}"


def documents_written(port: int) -> float:
    """What the relay has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("chatify_firestore_documents_total ")))


def measure_rate(stage: Stage, sessions: int, messages: int) -> tuple[float, float]:
    """Deliver a backlog. Gives the number of documents, and the seconds."""
    stage.talk(sessions, messages // 2 // sessions)
    begun = time.monotonic()
    relay, port = stage.start_relay()
    relay.wait_until(lambda: is_listening(port))
    starting = time.monotonic() - begun
    seconds = stage.wait_drained()
    documents = documents_written(port)
    relay.stop()
    say(f"  {documents:.0f} documents in {seconds:.1f} s, after {starting:.1f} s to start")
    return documents, seconds


def measure_lag(stage: Stage, sessions: int, rate: float, seconds: float) -> list[float]:
    """People talk, and the relay keeps up. Gives the seconds between database and Firestore for each message."""
    relay, port = stage.start_relay()
    relay.wait_until(lambda: is_listening(port))
    stage.talk(sessions, max(1, round(rate * seconds / sessions)), rate=rate)
    stage.wait_drained()
    relay.stop()
    os.environ["FIRESTORE_EMULATOR_HOST"] = stage.firestore
    client = Client(project=stage.name, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    found = client.collection_group("messages").stream()
    there: dict[str, datetime] = {one.id: one.create_time.ToDatetime(UTC) for one in found}
    return [(there[str(id_)] - at).total_seconds() for id_, at in stage.rows(SAID)]


def measure_cost(stage: Stage, turns: int) -> dict[bool, list[float]]:
    """Turns with the mirror off and on, one after the other. Gives the seconds of each turn."""
    found = stage.talk(COST_SESSIONS, turns // COST_SESSIONS, is_alternating=True)[WARM_UP:]
    return {False: found[::2], True: found[1::2]}


def tell(what: str, values: Iterable[float]) -> str:
    """Percentiles in one line."""
    cuts = statistics.quantiles(values, n=100)
    return f"{what}: " + ", ".join(f"p{percent} {cuts[percent - 1] * 1000:.0f} ms" for percent in (50, 95, 99))


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mirror", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="of the backlog (10000)")
    parser.add_argument("--sessions", type=int, default=200, help="chat sessions (200)")
    parser.add_argument("--rate", type=float, default=20, help="turns per second while the lag is measured (20)")
    parser.add_argument("--seconds", type=float, default=30, help="how long it is measured (30)")
    parser.add_argument(
        "--turns", type=int, default=4000, help="of which half are with and half without the mirror (4000)"
    )
    return parser.parse_args()


def benchmark(options: argparse.Namespace) -> int:
    """Measure and print."""
    with open_workshop() as workshop:
        postgres, firestore = start_postgres(workshop), start_firestore(workshop)

        def stage(name: str) -> Stage:
            return Stage(workshop, postgres, f"{name}-{uuid4().hex[:6]}", firestore).prepare()

        say("what it costs a turn")
        cost = measure_cost(stage("cost"), options.turns)
        say("a backlog")
        documents, seconds = measure_rate(stage("rate"), options.sessions, options.messages)
        say("as people talk")
        lags = measure_lag(stage("lag"), options.sessions, options.rate, options.seconds)
    print(f"backlog: {documents:.0f} documents, {documents / seconds:.0f} documents/s")
    print(f"{tell(f'lag at {options.rate:g} turns/s', lags)}, longest {max(lags) * 1000:.0f} ms ({len(lags)} messages)")
    for is_on, turns in cost.items():
        print(f"database time of a turn, mirror {'on' if is_on else 'off'}: {statistics.median(turns) * 1000:.2f} ms")
    return 0


if __name__ == "__main__":
    options = parse_options()
    sys.exit(carry_out(lambda: benchmark(options)))
