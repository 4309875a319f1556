"""What the tests of kills and restarts have in common."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from tests.client import ApiClient, Socket
from tests.services.postgres import Postgres
from tests.services.process import Process
from tests.services.provider import Provider
from tests.services.redis import Redis, find_program
from tests.waiting import wait_until

ENDS = ("complete", "failed", "cancelled")


class RestartableRedis(Redis):
    """A Redis that goes away and comes back at the same address, empty."""

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()

    def signal_go_on(self) -> None:
        """Thaw it, if it was frozen."""
        self.process.signal(signal.SIGCONT)

    def start_again(self) -> None:
        """Come back."""
        flags = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = Process([find_program(), *flags, "--dir", self.folder], log=self.folder / "redis.log")
        self.process.wait_ready(self._is_ready, timeout=15)


class RestartablePostgres(Postgres):
    """A cluster that crashes and recovers at the same address."""

    def crash(self) -> None:
        """What `pg_ctl stop -m immediate` does: nobody is waited for, nothing is tidied up."""
        self._process.signal(signal.SIGQUIT)
        wait_until(lambda: not self._process.is_running, 10, "PostgreSQL ended")

    def start_again(self) -> None:
        """Come back, and recover."""
        self._process = self._start(self._programs)

    def _start(self, programs: Any) -> Process:
        self._programs = programs
        return super()._start(programs)


def accept(socket: Socket, content: str, **fields: Any) -> dict[str, Any]:
    """Send a message and give its acknowledgement: from here on it must not get lost."""
    socket.send("message.send", content=content, **fields)
    return socket.recv_until("message.accepted")


def hurry(provider: Provider, marker: str) -> None:
    """From now on the reply with this marker comes without delay."""
    scripts = provider._scripts.prepared
    scripts[marker.strip("[]")] = replace(scripts[marker.strip("[]")], gap=0.0, ttft=0.0)


def words(count: int) -> str:
    """A text of so many tokens, none of which is like another."""
    return "".join(f"w{number} " for number in range(count))


def settled(client: ApiClient, chat: str, timeout: float = 30) -> list[dict[str, Any]]:
    """The messages of a chat session when nothing runs and nobody waits in it any more."""

    def messages() -> list[dict[str, Any]] | None:
        answer = client.get(f"/api/v1/sessions/{chat}/messages/?limit=200")
        if answer.status_code == 503:
            return None  # a database that has just come back may be away for a moment more
        assert answer.status_code == 200, answer.text
        found = answer.json()["results"]
        is_over = all(one["status"] in ENDS and (one["role"] != "user" or one["answered_by"]) for one in found)
        return found if is_over else None

    return wait_until(messages, timeout, f"{chat} settled")


def seqs(messages: Iterable[dict[str, Any]]) -> list[int]:
    """Their numbers."""
    return [message["seq"] for message in messages]


def said(messages: Iterable[dict[str, Any]]) -> list[str]:
    """What the person said."""
    return [message["content"] for message in messages if message["role"] == "user"]


def together(*jobs: Any) -> list[Any]:
    """Run the jobs at the same time, and give their results in order."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
