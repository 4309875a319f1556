"""Erasing people who queue once more on PostgreSQL, and its races, in a process of their own."""

from __future__ import annotations

from tests.racing import check_on_postgresql
from tests.services.postgres import Postgres

SAME_TESTS = tuple(f"tests/matchmaking_admin/{name}.py" for name in ("test_privacy", "races"))


def test_erasure_holds_on_postgresql(postgres: Postgres) -> None:
    check_on_postgresql(postgres, "erasing", *SAME_TESTS)
