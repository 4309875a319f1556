"""The how-to from signing up to a chat in a page of another origin: followed to the letter, in a real browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.docs.documents import DOCS, fences
from tests.services.ports import free_port
from tests.services.process import Process
from tests.services.server import Server
from tests.waiting import wait_until

HOW_TO = DOCS / "howto" / "chat-in-your-own-page.md"


def text_of(language: str) -> str:
    return "\n".join(fence.text for fence in fences(HOW_TO, language))


class Follower:
    """Somebody who follows the how-to in a folder of theirs, with a free port instead of 8001."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.env = {"CHATIFY_URL": server.url, "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
        self.shop: Process | None = None

    @property
    def url(self) -> str:
        """Where the page of their own is."""
        return f"http://localhost:{self.port}"

    def ported(self, text: str) -> str:
        """A block with their port."""
        return text.replace("8001", str(self.port))

    def run_shell(self) -> str:
        """Run all shell blocks; gives what they print."""
        command = ["bash", "-euo", "pipefail", "-c", self.ported(text_of("bash"))]
        done = subprocess.run(command, cwd=self.folder, env=self.env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self) -> None:
        """Save the program and the page, and start the program."""
        (self.folder / "shop.py").write_text(self.ported(text_of("py")))
        (self.folder / "chat.html").write_text(text_of("html"))
        command = [sys.executable, "shop.py"]
        self.shop = Process(command, log=self.folder / "shop.log", env=self.env, cwd=self.folder)


@pytest.fixture
def follower(make_server: MakeServer, tmp_path: Path) -> Iterator[Follower]:
    found = Follower(make_server(), tmp_path)
    yield found
    if found.shop is not None:
        found.shop.kill()


def test_new_user_chats_in_a_page_of_another_origin(follower: Follower, page: Any) -> None:
    assert '"slug":"librarian"' in follower.run_shell()
    follower.serve()
    asked: list[Any] = []
    page.on("request", lambda request: asked.append((request.url, request.all_headers)))
    wait_until(lambda: _opens(page, follower.url), 10)
    page.get_by_text("You are talking to Ruth, an AI.").wait_for()
    page.get_by_label("Message").fill("hello")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("You said: hello").wait_for()
    key = (follower.folder / "server.key").read_text().strip()
    assert len(asked) > 5
    assert not [url for url, headers in asked if key in url or key in str(headers())]


def _opens(page: Any, url: str) -> bool:
    try:
        page.goto(url)
    except Exception:
        return False
    return True
