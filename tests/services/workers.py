"""Celery's workers and beats as processes of their own, with a beat that is in a hurry."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.process import Process
from tests.services.server import ROOT, Server

_HURRY = """
import sys
from config.celery import app
for entry in app.conf.beat_schedule.values():
    entry["schedule"] = 0.5
"""
_BEAT = f"""{_HURRY}
app.conf.beat_schedule_filename = sys.argv[1]
app.start(["beat", "--loglevel", "WARNING", "--max-interval", "1"])
"""
_SERVE = f"""{_HURRY}
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
HURRIED_SERVER = ("-c", _SERVE)
"""For `Server.program`: a server whose embedded beat does not wait for the schedule."""

_LOG_TAIL = 3000


class Workers:
    """Workers and beats beside a server, on a broker of their own."""

    def __init__(self, server: Server, broker: str, folder: Path) -> None:
        self._env = {**server.env, "CELERY_BROKER_URL": broker}
        self._folder = folder
        self.programs: dict[str, Process] = {}

    def worker(self, name: str, *flags: str) -> Process:
        """Start a worker: two threads, unless `flags` say something else."""
        flags = ("-n", name, "--loglevel", "INFO", *(flags or ("--pool", "threads", "--concurrency", "2")))
        return self._start(name, [sys.executable, "-m", "celery", "-A", "config", "worker", *flags])

    def beat(self, name: str) -> Process:
        """Start a beat to which everything is due twice a second."""
        return self._start(name, [sys.executable, "-c", _BEAT, str(self._folder / f"{name}.schedule")])

    def stop(self) -> dict[str, int]:
        """Ask all to end, and give their exit codes by name."""
        return {name: program.stop(20) for name, program in self.programs.items()}

    def expect(self, wait: Callable[[], Any]) -> Any:
        """Wait for something. Raises AssertionError with what the programs have printed."""
        try:
            return wait()
        except AssertionError as error:
            logs = {name: program.log_text()[-_LOG_TAIL:] for name, program in self.programs.items()}
            raise AssertionError(f"{error}\n{logs}") from None

    def _start(self, name: str, command: list[str]) -> Process:
        self.programs[name] = Process(command, log=self._folder / f"{name}.log", env=self._env, cwd=ROOT)
        return self.programs[name]


@contextmanager
def workers_beside(server: Server, broker: str, folder: Path) -> Iterator[Workers]:
    """Workers that are gone at the end."""
    workers = Workers(server, broker, folder)
    try:
        yield workers
    finally:
        for program in workers.programs.values():
            program.kill()
