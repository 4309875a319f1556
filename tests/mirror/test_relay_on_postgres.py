"""The same tests of the relay and of what documents hold once more, on PostgreSQL, in a process of their own."""

from __future__ import annotations

from tests.racing import check_on_postgresql
from tests.services.firestore import Firestore
from tests.services.postgres import Postgres

SAME_TESTS = tuple(
    f"tests/mirror/test_{name}.py" for name in ("relay", "relay_away", "payloads", "spreading", "moves", "places_left")
)


def test_relay_delivers_from_postgresql(postgres: Postgres, firestore: Firestore) -> None:
    check_on_postgresql(postgres, "relay", *SAME_TESTS, FIRESTORE_EMULATOR_HOST=firestore.host)
