"""Snippets: fenced blocks in `bash`, `python` and `js` do what they say; those in `sh` and `console` are not run.

The `bash` blocks of one document are one script, so a block may use what one above it has set.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, Fence, fences, name_of
from tests.services.server import Server, base_env

_IMPORT = re.compile(r'import (\{.*?\}) from "(.*?)"', re.DOTALL)
_SECONDS = 120
BASH = [document for document in DOCUMENTS if fences(document, "bash")]
PYTHON = [fence for document in DOCUMENTS for fence in fences(document, "python")]
JAVASCRIPT = [fence for document in DOCUMENTS for fence in fences(document, "js")]


def _id(fence: Fence) -> str:
    return f"{name_of(fence.document)}:{fence.number}"


@pytest.fixture
def checkout(embedded_server: Server, tmp_path: Path) -> Path:
    """A folder that looks like a checkout in which `make run` was called."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "docs").mkdir()
    for name in ("manage.py", "chatify"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "chatify.sqlite3").symlink_to(embedded_server.database_url.removeprefix("sqlite:///"))
    return tmp_path


@pytest.fixture
def run(embedded_server: Server, checkout: Path) -> Any:
    """Runs a program in the checkout, with the server's address and key in the environment."""
    env = base_env(**embedded_server.env, CHATIFY_URL=embedded_server.url, CHATIFY_KEY=embedded_server.key)
    env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def call(*command: str) -> str:
        done = subprocess.run(
            command, cwd=checkout, env=env, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    return call


def test_there_are_snippets() -> None:
    assert BASH
    assert PYTHON
    assert JAVASCRIPT


@pytest.mark.parametrize("document", BASH, ids=name_of)
def test_shell_snippets_run(document: Path, run: Any) -> None:
    script = "\n".join(fence.text for fence in fences(document, "bash"))
    assert run("bash", "-euxo", "pipefail", "-c", script)


@pytest.mark.parametrize("fence", PYTHON, ids=_id)
def test_python_snippet_runs(fence: Fence, run: Any) -> None:
    assert run(sys.executable, "-c", fence.text), "it prints nothing: then nobody sees that it worked"


@pytest.mark.parametrize("fence", JAVASCRIPT, ids=_id)
def test_browser_snippet_runs(fence: Fence, embedded_server: Server, page: Any) -> None:
    page.goto(embedded_server.url)
    code = _IMPORT.sub(r'const \1 = await import("\2")', fence.text)
    with page.expect_console_message(lambda message: "You said" in message.text, timeout=15_000):
        page.evaluate(f"async () => {{ {code} }}")
