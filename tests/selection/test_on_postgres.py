"""The catalogue and the choice once more on PostgreSQL, with what happens at once, in a process of their own."""

from __future__ import annotations

from tests.services.postgres import Postgres
from tests.services.server import base_env, run_python
from tests.turns.test_ledger_on_postgres import OPTIONS

FOLDER = "tests/selection"
SAME_TESTS = [f"{FOLDER}/{name}.py" for name in ("races", "test_catalogue", "test_choosing_rows", "test_rules")]


def test_selection_holds_on_postgresql(postgres: Postgres) -> None:
    env = base_env(DATABASE_URL=postgres.create_database("selection"), LOG_LEVEL="ERROR")
    done = run_python("-m", "pytest", *OPTIONS, *SAME_TESTS, env=env, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
