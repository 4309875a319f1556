"""The same tests of the ledger, its statements and the outbox once more, on PostgreSQL, in a process of their own."""

from __future__ import annotations

from tests.services.postgres import Postgres
from tests.services.server import base_env, run_python

SAME_TESTS = ("tests/turns/test_ledger.py", "tests/turns/races.py", "tests/events", "tests/common/test_prepared.py")
OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--ds=config.settings")


def test_ledger_and_outbox_hold_on_postgresql(postgres: Postgres) -> None:
    env = base_env(DATABASE_URL=postgres.create_database("ledger"), LOG_LEVEL="ERROR")
    done = run_python("-m", "pytest", *OPTIONS, *SAME_TESTS, env=env, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "ledger on postgresql" in done.stdout
