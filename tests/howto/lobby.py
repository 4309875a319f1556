"""The two programs of docs/howto/matchmaker.md, run as their reader runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from redis import Redis as Store

from tests.client import Socket
from tests.docs.documents import DOCS, fences
from tests.services.ports import free_port, is_listening
from tests.services.process import Process
from tests.services.redis import Redis
from tests.services.server import Server
from tests.waiting import wait_until

HOW_TO = DOCS / "howto" / "matchmaker.md"
PROGRAMS = DOCS / "howto" / "matchmaker"
WAIT_SECONDS = 1.5


class Lobby:
    """A matchmaker and a backend beside a Chatify, with free ports instead of 8002."""

    def __init__(self, server: Server, redis: Redis, folder: Path) -> None:
        self.server, self.folder, self.port = server, folder, free_port()
        self.redis_url = redis.url(9)
        self.programs: list[Process] = []

    def set_up(self) -> None:
        """Run all shell blocks of the document."""
        script = "\n".join(fence.text for fence in fences(HOW_TO, "bash")).replace("8002", str(self.port))
        env = {"CHATIFY_URL": self.server.url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=self.folder, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start both programs on an empty Redis, and wait for the backend."""
        with Store.from_url(self.redis_url) as store:
            store.flushdb()  # people of another test may wait there: its backend was killed before it heard them leave
        for name in ("backend", "matchmaker"):
            self.programs.append(self._run(name))
        self.programs[0].wait_ready(lambda: is_listening(self.port), 20)

    def open_page(self, user: str, name: str) -> Socket:
        """What a user's browser does."""
        return Socket(f"ws://127.0.0.1:{self.port}/meet?user={user}&name={name}", {})

    def stop(self) -> None:
        """End both."""
        for program in self.programs:
            program.kill()

    def log_text(self) -> str:
        """What both have printed."""
        return "\n".join(f"{program.log.name}: {program.log_text()[-3000:]}" for program in self.programs)

    def _run(self, name: str) -> Process:
        env = {
            **self.secrets(),
            "PATH": os.environ["PATH"],
            "REDIS_URL": self.redis_url,
            "PORT": str(self.port),
            "WAIT_SECONDS": str(WAIT_SECONDS),
        }
        command = [sys.executable, str(PROGRAMS / f"{name}.py")]
        return Process(command, log=self.folder / f"{name}.log", env=env, cwd=self.folder)

    def secrets(self) -> dict[str, str]:
        """The lines of the file that the shell blocks have written."""
        lines = (self.folder / "lobby.env").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines)


def frame_of(socket: Socket, *types: str, timeout: float = 15) -> dict[str, Any]:
    """The next frame of one of these types."""
    return socket.recv_until(*types, timeout=timeout)


def logged(lobby: Lobby, user: str) -> list[str]:
    """Which webhooks the backend was told of a user."""
    import redis

    with redis.Redis.from_url(lobby.redis_url, decode_responses=True) as store:
        return list(store.lrange(f"log:{user}", 0, -1))


def wait_for_log(lobby: Lobby, user: str, *events: str) -> None:
    """Wait until the backend was told of all of these."""
    wait_until(lambda: set(events) <= set(logged(lobby, user)), 20, f"{events} of {user}")
