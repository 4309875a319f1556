"""The same tests of the relay and of what documents hold once more, on PostgreSQL, in a process of their own."""

from __future__ import annotations

from tests.services.firestore import Firestore
from tests.services.postgres import Postgres
from tests.services.server import base_env, run_python
from tests.turns.test_ledger_on_postgres import OPTIONS

SAME_TESTS = tuple(f"tests/mirror/test_{name}.py" for name in ("relay", "payloads", "spreading", "moves"))


def test_relay_delivers_from_postgresql(postgres: Postgres, firestore: Firestore) -> None:
    database_url = postgres.create_database("relay")
    env = base_env(DATABASE_URL=database_url, LOG_LEVEL="ERROR", FIRESTORE_EMULATOR_HOST=firestore.host)
    done = run_python("-m", "pytest", *OPTIONS, *SAME_TESTS, env=env, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
