"""Chatify itself as a subprocess: `manage.py serve`, with an environment of its own."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.services.ports import free_port
from tests.services.postgres import Postgres
from tests.services.process import Process

ROOT = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 45
# Tests of something else are not slowed down; tests of the limits set them, or take these out for the defaults.
NO_LIMITS = {
    "LIMIT_KEY_REQUESTS_PER_MINUTE": "0",
    "LIMIT_PERSON_REQUESTS_PER_MINUTE": "0",
    "LIMIT_USER_MESSAGES_PER_MINUTE": "0",
    "LIMIT_SESSION_MESSAGES_PER_MINUTE": "0",
}
_STOP_SECONDS = 40  # running replies get 30 s to finish


def base_env(**changes: str | None) -> dict[str, str]:
    """A whole environment: nothing of the developer's shell or `.env` gets in. None takes a name out."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    env: dict[str, str | None] = {
        **kept,
        **measured,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "CHATIFY_ENV_FILE": os.devnull,
        "SECRET_KEY": "only-for-tests-" * 4,
        "DEBUG": "1",
        **NO_LIMITS,
        **changes,
    }
    return {name: value for name, value in env.items() if value is not None}


def run_python(
    *args: str, env: Mapping[str, str], check: bool = True, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run Python in the project. Raises AssertionError with what it printed when it fails and `check` is on."""
    command = [sys.executable, *args]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(env), check=False, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0 or not check, f"{' '.join(args)}: {done.stdout}{done.stderr}"
    return done


@dataclass(frozen=True)
class Prepared:
    """A migrated and seeded database with one API key of tenant `demo` and one of `mallory`; copied, never served."""

    database: str
    key: str
    other_key: str


def prepare_sqlite(folder: Path) -> Prepared:
    """Prepare a SQLite file."""
    file = folder / "prepared.sqlite3"
    return Prepared(str(file), *_prepare(sqlite_url(file)))


def prepare_postgres(postgres: Postgres) -> Prepared:
    """Prepare a database of the cluster."""
    return Prepared("prepared", *_prepare(postgres.create_database("prepared")))


def copy_sqlite(prepared: Prepared, folder: Path) -> str:
    """Copy a prepared file into a folder and give its DATABASE_URL."""
    source, target = sqlite3.connect(prepared.database), sqlite3.connect(folder / "chatify.sqlite3")
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    return sqlite_url(folder / "chatify.sqlite3")


def sqlite_url(file: Path) -> str:
    """What DATABASE_URL is for a SQLite file."""
    return f"sqlite:///{file}"


def _prepare(database_url: str) -> tuple[str, str]:
    done = run_python("-m", "tests.services.prepare", env=base_env(DATABASE_URL=database_url))
    keys = json.loads(done.stdout.splitlines()[-1])
    return keys["demo"], keys["mallory"]


class Server:
    """One server process. It can be killed and started again on the same port with the same database."""

    program: tuple[str, ...] = ("manage.py",)

    def __init__(self, prepared: Prepared, database_url: str, **env: str | None) -> None:
        self.key, self.other_key = prepared.key, prepared.other_key
        self.database_url = database_url
        self.port = free_port()
        self.env = base_env(DATABASE_URL=database_url, **env)
        self._folder = Path(tempfile.mkdtemp(prefix="chatify-server-"))
        self._log = self._folder / f"server-{self.port}.log"
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where its page and REST are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where its sockets are."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.is_running

    def start(self) -> "Server":
        """Start it and wait until it is ready."""
        assert not self.is_running, "the server runs already"
        command = [sys.executable, *self.program, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = Process(command, log=self._log, env=self.env, cwd=ROOT)
        self._process.wait_ready(self._is_ready, timeout=_START_SECONDS)
        return self

    def kill(self) -> None:
        """SIGKILL to the whole group: no shutdown code runs."""
        if self._process is not None:
            self._process.kill()

    def terminate(self, timeout: float = _STOP_SECONDS) -> int:
        """SIGTERM, as a service manager sends it; gives the exit code (-9 if it took longer than `timeout`)."""
        assert self._process is not None, "the server was not started"
        return self._process.stop(timeout)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        assert self._process is not None, "the server was not started"
        self._process.signal(number)

    def manage(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command in the server's environment."""
        return run_python("manage.py", *args, env=self.env, check=check)

    def log_text(self) -> str:
        """What it has printed since its first start."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def close(self) -> None:
        """Kill it and remove its folder; where coverage is measured, let it end well, or its figures are lost."""
        if self.is_running and any(name.startswith("COVERAGE_") for name in self.env):
            self.terminate()
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready/", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False
