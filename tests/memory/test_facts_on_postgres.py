"""The same tests of facts and memories once more, and races between them, on PostgreSQL, in a process of their own."""

from __future__ import annotations

from tests.services.postgres import Postgres
from tests.services.server import base_env, run_python

SAME_TESTS = ("tests/memory/test_facts.py", "tests/memory/test_memories.py", "tests/memory/races.py")
OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--ds=config.settings")


def test_memories_hold_on_postgresql(postgres: Postgres) -> None:
    env = base_env(DATABASE_URL=postgres.create_database("memories"), LOG_LEVEL="ERROR")
    done = run_python("-m", "pytest", *OPTIONS, *SAME_TESTS, env=env, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "facts on postgresql" in done.stdout
