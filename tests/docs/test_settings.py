"""Settings: code, .env.example and docs/operations.md name the same ones."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.docs.documents import DOCS, ROOT, first_cells, row_of, section
from tests.services.server import base_env, run_python

OPERATIONS = DOCS / "operations.md"
_READ = re.compile(r'\b(?:env|environment)\.\w+\(\s*(?:env,\s*)?"([A-Z][A-Z_]+)"')
_ELSEWHERE = (
    "chatify/operations/management/commands/bootstrap.py",
    "Makefile",
    "docker-compose.yml",
)


def test_every_setting_in_the_code_is_in_the_example_and_in_the_document() -> None:
    read = set(_READ.findall((ROOT / "config/settings.py").read_text()))
    assert len(read) > 10
    assert read <= _example(is_later=False)
    assert read <= first_cells(section(OPERATIONS, "Settings that are read"))


def test_every_setting_in_the_example_is_read_by_something() -> None:
    text = "".join((ROOT / path).read_text() for path in ("config/settings.py", *_ELSEWHERE))
    assert [name for name in sorted(_example(is_later=False)) if not re.search(rf"\b{name}\b", text)] == []


def test_example_and_document_name_the_same_settings() -> None:
    assert first_cells(section(OPERATIONS, "Settings that are read")) == _example(is_later=False)
    assert first_cells(section(OPERATIONS, "Names reserved for later")) == _example(is_later=True)


@pytest.mark.parametrize("name", ["CHAT_MODEL", "CONTEXT_MESSAGES", "OPENAI_BASE_URL"])
def test_document_tells_the_default(name: str) -> None:
    default = str(getattr(settings, name))
    assert f"`{default}`" in row_of(section(OPERATIONS, "Settings that are read"), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("OPENAI_BASE_URL", "ftp://models.example.com"),
        ("CONTEXT_MESSAGES", "21"),
        ("DATABASE_URL", "mysql://localhost/chatify"),
        ("REDIS_URL", "http://localhost"),
        ("CELERY_BROKER_URL", "sqs://"),
    ],
)
def test_wrong_value_stops_the_start_with_one_line(name: str, value: str) -> None:
    done = run_python("manage.py", "check", env=base_env(**{name: value}), check=False)
    assert done.returncode == 1
    assert re.fullmatch(rf"chatify: {name} has to [^\n]+\n", done.stderr)
    assert "refuses to start" in row_of(section(OPERATIONS, "Settings that are read"), name)


def test_without_debug_a_secret_key_is_demanded() -> None:
    done = run_python("manage.py", "check", env=base_env(DEBUG="0", SECRET_KEY=None), check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("chatify: SECRET_KEY is not set.")


def _example(*, is_later: bool) -> set[str]:
    """The names in .env.example whose comment says, or does not say, that they come later."""
    found, comment = set(), ""
    for line in Path(ROOT / ".env.example").read_text().splitlines():
        name, separator, _ = line.partition("=")
        if line.startswith("#"):
            comment = line
        elif separator and comment.startswith("# Later:") == is_later:
            found.add(name)
    return found
