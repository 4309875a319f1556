"""Tests on PostgreSQL in a process of their own: those of rows once more, and races, which SQLite knows none of.

SQLite lets in one writer at a time, and its database in memory knows no waiting. Files of races are called `races.py`,
so that only `check_on_postgresql` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from tests.services.postgres import Postgres
from tests.services.server import base_env, run_python

OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--ds=config.settings")
RACES = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("racing")]
"""The `pytestmark` of a file of races."""

T = TypeVar("T")


def check_on_postgresql(postgres: Postgres, name: str, *paths: str, **env: str) -> str:
    """Run the tests of these paths on a database of this name. Gives what they printed."""
    env = base_env(DATABASE_URL=postgres.create_database(name), LOG_LEVEL="ERROR", **env)
    done = run_python("-m", "pytest", *OPTIONS, *paths, env=env, check=False, timeout=400)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


def at_once(*jobs: Callable[[], T]) -> list[T]:
    """Run the jobs at the same moment, each with a database connection of its own."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        barrier.wait(10)
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))
