"""`python -m benchmarks.matchmaking`: how late personalities are with 1,000 people waiting, and how long that is."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import NamedTuple
from uuid import UUID

import psycopg

from benchmarks.command import carry_out, say
from benchmarks.matchmaking.crowd import LANGUAGES, Crowd, all_alone, open_crowd, random_arrivals
from benchmarks.processes import measure_machine, measure_trees
from benchmarks.services import Server, find_free_port, open_workshop
from benchmarks.systems import Surroundings, answers, build_surroundings, chatify_environment, manage

WATCH_SECONDS = 0.02
TIMEOUT = 10
NEWS = """
    SELECT id, extract(epoch FROM clock_timestamp() - deadline) FROM matchmaking_matchticket
    WHERE status = 'with_chatbot' AND deadline > clock_timestamp() - interval '5 seconds'
"""
WAITS = """
    SELECT status, extract(epoch FROM served_at - created_at), extract(epoch FROM created_at), language
    FROM matchmaking_matchticket WHERE served_at IS NOT NULL
"""
LATE = (
    "SELECT count(*) FROM matchmaking_matchticket WHERE status = 'waiting' AND closed_at IS NULL AND deadline < now()"
)
TWICE = """
    SELECT count(*) FROM (SELECT person FROM chat_sessions_chatsession, LATERAL (VALUES (end_user_id), (partner_id))
    AS people(person) WHERE mode = 'human' AND status <> 'ended' GROUP BY person HAVING count(*) > 1) AS twice
"""


class Cpu(NamedTuple):
    """CPU seconds: of Chatify, and of programs that have nothing to do with this."""

    at: float
    servers: float
    foreign: float

    def since(self, before: Cpu) -> str:
        """In cores."""
        seconds = self.at - before.at
        servers, foreign = self.servers - before.servers, self.foreign - before.foreign
        return f"cores: {servers / seconds:.2f} Chatify, {max(0.0, foreign) / seconds:.2f} foreign"


@dataclass
class House:
    """Chatify's processes on one database."""

    database_url: str
    key: str
    servers: list[Server] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    others: list[Server] = field(default_factory=list)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """What the database says."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def clear(self) -> None:
        """Nobody is in the queue any more."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("UPDATE matchmaking_matchticket SET closed_at = now() WHERE closed_at IS NULL")
            connection.execute("UPDATE matchmaking_matchproposal SET state = 'withdrawn' WHERE state = 'open'")

    def cpu(self) -> Cpu:
        """What was used so far."""
        own = _cpu_of(self.servers)
        return Cpu(time.monotonic(), own, measure_machine() - own - _cpu_of(self.others) - time.process_time())


def _cpu_of(servers: list[Server]) -> float:
    trees = measure_trees({str(one.process.pid): one.process.pid for one in servers})
    return sum(usage.cpu for usage in trees.values())


def start_house(around: Surroundings, processes: int) -> House:
    """So many processes of Chatify, in its production settings."""
    env = chatify_environment(around) | {"MATCH_TIMEOUT_SECONDS": str(TIMEOUT), "LIMIT_KEY_REQUESTS_PER_MINUTE": "0"}
    for command in ("migrate", "seed_templates"):
        around.workshop.run(command, manage(command), env=env)
    command = manage("create_api_key", "--tenant", "demo", "--name", "bench")
    key = around.workshop.run("create_api_key", command, env=env).strip().splitlines()[-1].strip()
    house = House(env["DATABASE_URL"], key, others=[around.postgres.server, around.redis.server, around.stub])
    for number in range(processes):
        port = find_free_port()
        serve = manage("serve", "--port", str(port))
        server = around.workshop.start(f"chatify-{number}", serve, env=env, is_measured=number % 2 == 0)  # a core each
        server.wait_until(lambda port=port: answers(port, "/health/ready/"))
        house.servers.append(server)
        house.ports.append(port)
    return house


@contextmanager
def watching(house: House) -> Iterator[dict[UUID, float]]:
    """How late each personality was when it was first seen in the database, from outside."""
    seen: dict[UUID, float] = {}
    is_over = Event()

    def watch() -> None:
        with psycopg.connect(house.database_url, autocommit=True) as connection:
            while not is_over.wait(WATCH_SECONDS):
                for id_, late in connection.execute(NEWS).fetchall():
                    seen.setdefault(id_, float(late))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def tell(what: str, values: list[float]) -> str:
    """Percentiles in one line."""
    if len(values) < 2:
        return f"{what}: too few"
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    told = ", ".join(f"p{percent} {cuts[percent - 1] * 1000:.0f} ms" for percent in (50, 95, 99))
    return f"{what}: {told}, longest {max(values) * 1000:.0f} ms ({len(values)})"


def tell_calls(crowd: Crowd, cpu: str) -> str:
    """How the calls went meanwhile, and what all that cost."""
    failed = f", failed: {dict(crowd.failures)}" if crowd.failures else ""
    return f"{tell('  REST calls', crowd.seconds)}{failed}; {cpu}"


async def measure_overshoot(house: House, options: argparse.Namespace) -> tuple[list[str], bool]:
    """Everybody waits until their deadline. Also whether that is as good as it has to be."""
    before = house.cpu()
    with watching(house) as seen:
        async with open_crowd(house.ports, house.key) as crowd:
            await all_alone(crowd, options.people, options.spread, TIMEOUT + 3)
    cpu = house.cpu().since(before)
    left = house.ask(LATE)[0][0]
    late = sorted(seen.values())
    is_good = left == 0 and len(late) == options.people
    if options.check is not None and late:
        is_good = is_good and late[len(late) * 99 // 100] * 1000 <= options.check
    return [
        tell(f"overshoot, {options.people} people who join within {options.spread:g} s", list(seen.values())),
        f"  without a personality after their deadline: {left}",
        tell_calls(crowd, cpu),
    ], is_good


async def measure_waits(house: House, rate: float, options: argparse.Namespace) -> list[str]:
    """People come at random and meet."""
    house.clear()
    started, before = time.time(), house.cpu()
    async with open_crowd(house.ports, house.key) as crowd:
        await random_arrivals(crowd, rate, options.seconds, TIMEOUT + 2)
    cpu = house.cpu().since(before)
    rows = [
        (str(status), float(str(wait)), str(language))
        for status, wait, at, language in house.ask(WAITS)
        if float(str(at)) >= started
    ]
    met = [wait for status, wait, _ in rows if status == "matched_human"]
    return [
        tell(f"time to a human, {rate:g} arrivals/s", met),
        f"  personality: {100 * sum(status == 'with_chatbot' for status, *_ in rows) / max(1, len(rows)):.1f} %",
        f"  within: {histogram(met)}",
        *[tell(f"  of {language}", [wait for _, wait, spoken in rows if spoken == language]) for language in LANGUAGES],
        f"  in two rooms: {house.ask(TWICE)[0][0]}, late without a personality: {house.ask(LATE)[0][0]}",
        tell_calls(crowd, cpu),
    ]


def histogram(waits: list[float]) -> str:
    """Which share of people had met after so many seconds."""
    steps = (0.5, 1, 2, 3, 4, 6, 8, 10, 12)
    return ", ".join(
        f"{step:g} s {100 * sum(wait <= step for wait in waits) / max(1, len(waits)):.0f} %" for step in steps
    )


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matchmaking", description=__doc__)
    parser.add_argument("--people", type=int, default=1000, help="who wait at once (1000)")
    parser.add_argument("--spread", type=float, default=10, help="seconds within which they join (10)")
    parser.add_argument("--rates", type=lambda text: [float(part) for part in text.split(",")], default=[0.5, 2, 20],
                        metavar="N,N", help="random arrivals per second (0.5,2,20)")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=60, help="how long people arrive (60)")
    parser.add_argument("--processes", type=int, default=2, help="of Chatify (2)")
    parser.add_argument("--check", type=float, metavar="MS", help="fail if the overshoot's p99 is above")
    return parser.parse_args()


def benchmark(options: argparse.Namespace) -> int:
    """Measure and print."""
    with open_workshop() as workshop:
        around = build_surroundings(workshop, ttft=200, tokens=40, gap=20)
        house = start_house(around, options.processes)
        say("everybody alone")
        lines, is_good = asyncio.run(measure_overshoot(house, options))
        for rate in options.rates:
            say(f"random arrivals, {rate:g}/s")
            lines += asyncio.run(measure_waits(house, rate, options))
    print("\n".join(lines))
    return 0 if is_good or options.check is None else 1


if __name__ == "__main__":
    options = parse_options()
    sys.exit(carry_out(lambda: benchmark(options)))
