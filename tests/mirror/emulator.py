"""An emulator that can be killed and comes back with what it had, as Firestore does."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

import httpx

from tests.services.firestore import _MAIN, find_jar, find_java
from tests.services.ports import free_port, is_listening
from tests.services.process import Process

_ESTABLISHED = "01"


class MortalFirestore:
    """Google's emulator in a process of the test's own. It keeps everything in memory, so it is exported first."""

    def __init__(self) -> None:
        self._command = [find_java(), "-cp", find_jar(), _MAIN, "start", "--host=127.0.0.1"]
        self._folder = Path(tempfile.mkdtemp(prefix="chatify-firestore-"))
        self._port = free_port()
        self._exports: list[Path] = []
        self._process: Process | None = None

    @property
    def host(self) -> str:
        """What FIRESTORE_EMULATOR_HOST wants."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> MortalFirestore:
        """Start it with what it had when it was killed, on the port that it had."""
        seeds = [f"--seed_from_export={export}" for export in self._exports[-1:]]
        command = [*self._command, f"--port={self._port}", *seeds]
        self._process = Process(command, log=self._folder / "firestore.log", cwd=self._folder)
        self._process.wait_ready(lambda: is_listening(self._port), timeout=60)
        return self

    def kill(self, project: str) -> None:
        """End it as kill -9 does. Nobody may be writing at this moment: what is written after the export is lost."""
        name = f"export-{len(self._exports)}"
        order = {"database": f"projects/{project}/databases/(default)", "export_directory": str(self._folder)}
        url = f"http://{self.host}/emulator/v1/projects/{project}:export"
        httpx.post(url, json={**order, "export_name": name}, timeout=60, trust_env=False).raise_for_status()
        self._exports.append(self._folder / name / f"{name}.overall_export_metadata")
        assert self._exports[-1].exists()
        self.stop()

    def freeze(self) -> None:
        """It answers nobody, and does not hang up."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on with what it was asked meanwhile."""
        self._signal(signal.SIGCONT)

    def is_asked(self, least_bytes: int = 1) -> bool:
        """Whether so much was sent to it that it has not read."""
        tables = [
            Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")
        ]  # Java has it mapped
        lines = [line.split() for table in tables for line in table]
        mine = [fields for fields in lines if int(fields[1].rpartition(":")[2], 16) == self._port]
        return any(int(fields[4].partition(":")[2], 16) >= least_bytes for fields in mine if fields[3] == _ESTABLISHED)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the emulator is not running"
        self._process.signal(number)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
