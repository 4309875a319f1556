"""The queue once more on PostgreSQL, and its races, in a process of their own."""

from __future__ import annotations

from tests.services.postgres import Postgres
from tests.services.server import base_env, run_python

SAME_TESTS = tuple(
    f"tests/matchmaking/{name}.py"
    for name in ("test_queue", "test_look", "test_proposals", "test_rooms", "test_ages", "races")
)
OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--ds=config.settings")


def test_queue_holds_on_postgresql(postgres: Postgres) -> None:
    env = base_env(DATABASE_URL=postgres.create_database("queue"), LOG_LEVEL="ERROR")
    done = run_python("-m", "pytest", *OPTIONS, *SAME_TESTS, env=env, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
