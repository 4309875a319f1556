"""The same tests of the ledger, its statements and the outbox once more, on PostgreSQL, in a process of their own."""

from __future__ import annotations

from tests.racing import check_on_postgresql
from tests.services.postgres import Postgres

SAME_TESTS = ("tests/turns/test_ledger.py", "tests/turns/races.py", "tests/events", "tests/common/test_prepared.py")


def test_ledger_and_outbox_hold_on_postgresql(postgres: Postgres) -> None:
    assert "ledger on postgresql" in check_on_postgresql(postgres, "ledger", *SAME_TESTS)
