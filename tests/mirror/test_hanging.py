"""Firestore takes connections and never answers: whoever is told to stop ends within seconds all the same."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeClient, MakeServer
from tests.mirror.stage import RELAY
from tests.services.process import Process
from tests.services.server import ROOT, Prepared, base_env, copy_sqlite, run_python
from tests.waiting import wait_until

STOP_SECONDS = 8.0
"""Two for what is under way, at most two more, and the rest for Python to end on a busy machine."""


class Silence:
    """A server that accepts."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.accepted: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            while True:
                self.accepted.append(self._socket.accept()[0])
        except OSError:
            return

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
        for one in self.accepted:
            one.close()


@pytest.fixture
def silence() -> Iterator[Silence]:
    made = Silence()
    yield made
    made.close()


@pytest.mark.parametrize("seconds", [0, 6])
def test_relay_stops(silence: Silence, prepared_sqlite: Prepared, tmp_path: Path, seconds: float) -> None:
    """Also after it has been at it for a while."""
    database_url = copy_sqlite(prepared_sqlite, tmp_path)
    env = base_env(DATABASE_URL=database_url, FIREBASE_PROJECT_ID="silent", FIRESTORE_EMULATOR_HOST=silence.host)
    run_python("-m", "tests.mirror.crowd", "1", "1", env=env)
    relay = Process(RELAY, log=tmp_path / "relay.log", env=env, cwd=ROOT)
    wait_until(lambda: silence.accepted, 30)
    time.sleep(seconds)
    asked_at = time.monotonic()
    assert relay.stop(30) == 0
    assert time.monotonic() - asked_at < STOP_SECONDS
    said = relay.log_text()
    assert ("firestore_relay_stopped" in said, "firestore_relay_left_running" in said) == (True, False)
    assert "Traceback" not in said
    left = "from chatify.events.models import OutboxRow as R; print(R.objects.filter(state='pending').count())"
    assert int(run_python("manage.py", "shell", "--no-imports", "-c", left, env=env).stdout) > 0, "nothing is lost"


def test_server_stops(silence: Silence, make_server: MakeServer, make_client: MakeClient) -> None:
    server = make_server(FIREBASE_PROJECT_ID="silent", FIRESTORE_EMULATOR_HOST=silence.host)
    client = make_client(server)
    client.send(client.start()["id"], "hello")
    wait_until(lambda: silence.accepted, 30)
    asked_at = time.monotonic()
    assert server.terminate() in (0, -signal.SIGTERM)
    assert time.monotonic() - asked_at < STOP_SECONDS
    assert "firestore_relay_stopped" in server.log_text()
    assert "Traceback" not in server.log_text()
