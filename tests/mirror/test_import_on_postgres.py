"""The same tests of importing what others have written once more, on PostgreSQL, which cannot keep every text."""

from __future__ import annotations

from tests.racing import check_on_postgresql
from tests.services.firestore import Firestore
from tests.services.postgres import Postgres

SAME_TESTS = tuple(f"tests/mirror/test_{name}.py" for name in ("import_resumed", "import_strangers", "ownership"))


def test_import_from_strangers_into_postgresql(postgres: Postgres, firestore: Firestore) -> None:
    check_on_postgresql(postgres, "importing", *SAME_TESTS, FIRESTORE_EMULATOR_HOST=firestore.host)
