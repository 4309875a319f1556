"""The catalogue and the choice once more on PostgreSQL, with what happens at once, in a process of their own."""

from __future__ import annotations

from tests.racing import check_on_postgresql
from tests.services.postgres import Postgres

FOLDER = "tests/selection"
SAME_TESTS = [f"{FOLDER}/{name}.py" for name in ("races", "test_catalogue", "test_choosing_rows", "test_rules")]


def test_selection_holds_on_postgresql(postgres: Postgres) -> None:
    check_on_postgresql(postgres, "selection", *SAME_TESTS)
