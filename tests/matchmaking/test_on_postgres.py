"""The queue once more on PostgreSQL, and its races, in a process of their own."""

from __future__ import annotations

from tests.racing import check_on_postgresql
from tests.services.postgres import Postgres

SAME_TESTS = tuple(
    f"tests/matchmaking/{name}.py"
    for name in ("test_queue", "test_look", "test_proposals", "test_rooms", "test_ages", "races")
)


def test_queue_holds_on_postgresql(postgres: Postgres) -> None:
    check_on_postgresql(postgres, "queue", *SAME_TESTS)
