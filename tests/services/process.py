"""A program that the tests start: in its own process group, with its output in a file, and gone at the end."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.waiting import wait_until

_LOG_TAIL = 4000


class Process:
    """One started program. It is told to end when the test run itself is killed."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "/",
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log = log
        self._stop_signal = stop_signal
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*_with_death_signal(), *map(str, command)],
                env=dict(env) if env is not None else None,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **identity(user),
            )

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its group."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def wait_ready(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `is_ready`. Raises AssertionError with the end of the log when it ended or took too long."""
        try:
            wait_until(lambda: not self.is_running or is_ready(), timeout, "ready")
            assert self.is_running, f"it ended with {self._popen.returncode}"
        except AssertionError as error:
            raise AssertionError(f"{self.log.stem}: {error}\n{self.log_text()[-_LOG_TAIL:]}") from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, as SIGSTOP and SIGCONT want it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def freeze(self) -> None:
        """Let it do nothing, not even die."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def stop(self, timeout: float = 15) -> int:
        """Ask it to end, kill it when it takes longer than `timeout` seconds, and return its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(self._stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """End the whole group at once, as kill -9 does, and return the exit code."""
        self.signal(signal.SIGKILL)
        return self._popen.wait(10)

    def log_text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")


def identity(user: str | None) -> dict[str, object]:
    """The arguments with which `subprocess` becomes another user; none to stay who we are."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _with_death_signal() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
