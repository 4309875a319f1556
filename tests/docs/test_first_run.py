"""The README's first steps, in a fresh clone with a virtual environment of its own. Takes about a minute."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.docs.documents import ROOT, fences, section
from tests.services.ports import free_port
from tests.services.process import Process

README = ROOT / "README.md"
_START_SECONDS = 400
_KEPT = re.compile(r"PATH|HOME|LANG|TMPDIR|PIP_.*|SSL_.*|REQUESTS_CA_BUNDLE|.*_proxy|.*_PROXY|PYENV_.*")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What somebody gets who clones this checkout, with what is not committed yet."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    target = tmp_path / "chatify"
    _git("clone", "--quiet", str(ROOT), str(target), cwd=tmp_path)
    for name in _git("ls-files", "--modified", "--others", "--exclude-standard", "-z", cwd=ROOT).split("\0")[:-1]:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, target / name)
        else:
            (target / name).unlink(missing_ok=True)
    return target


def test_two_commands_lead_to_a_running_chatify(clone: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    command = fences(README, "sh")[0].text.split()
    assert command == ["make", "run"]
    process = Process([*command, f"PORT={port}"], log=log, env=_environment(), cwd=clone)
    try:
        process.wait_ready(lambda: _answers(port), timeout=_START_SECONDS)
        printed = log.read_text()
        assert "Chatify" in httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text
    finally:
        process.kill()
    shown = next(fence.text for fence in fences(README, "text") if "API key" in fence.text)
    for label in re.findall(r"^  (\w[\w ]*?)  ", shown, re.MULTILINE):
        assert re.search(rf"^  {label}  ", printed, re.MULTILINE), f"{label!r} is not printed: {printed}"
    assert section(README, "Start")
    assert (clone / ".env").stat().st_mode & 0o777 == 0o600


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    return {**kept, "PIP_NO_COMPILE": "1"}  # most of what is installed is never imported


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready/", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _git(*args: str, cwd: Path) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
