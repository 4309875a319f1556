"""The same tests of facts and memories once more, and races between them, on PostgreSQL, in a process of their own."""

from __future__ import annotations

from tests.racing import check_on_postgresql
from tests.services.postgres import Postgres

SAME_TESTS = ("tests/memory/test_facts.py", "tests/memory/test_memories.py", "tests/memory/races.py")


def test_memories_hold_on_postgresql(postgres: Postgres) -> None:
    assert "facts on postgresql" in check_on_postgresql(postgres, "memories", *SAME_TESTS)
