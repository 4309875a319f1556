"""What is in a server's database: looked at before and after what must change nothing, and put back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing

import psycopg

from tests.services.server import Server

Rows = frozenset[tuple[str, str]]

# What a refused call may write, too: when a key was used, and a browser's session.
_IGNORED_TABLES = ("django_session", "events_sinklease")  # who delivers webhooks, while there are endpoints
_IGNORED_COLUMNS = ("last_used_at",)


def about(rows: Rows, ids: Iterable[str]) -> Rows:
    """The rows that name one of the ids."""
    wanted = [id_.replace("-", "") for id_ in ids]
    return frozenset(row for row in rows if any(id_ in row[1] for id_ in wanted))


def select(server: Server, sql: str, *values: object) -> list[tuple[object, ...]]:
    """What a query finds (`?` for values)."""
    if server.database_url.startswith("sqlite"):
        with closing(sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=20)) as connection:
            return connection.execute(sql, values).fetchall()
    with psycopg.connect(server.database_url) as postgres:
        return postgres.execute(sql.replace("?", "%s"), values).fetchall()


class SqliteState:
    """The rows of a SQLite file as they were at first."""

    def __init__(self, server: Server) -> None:
        path = server.database_url.removeprefix("sqlite:///")
        self._connection = sqlite3.connect(path, timeout=20, isolation_level=None)
        self._copy = sqlite3.connect(":memory:")
        self._connection.backup(self._copy)
        self.first = self.rows()
        self._version = self._data_version()

    def rows(self) -> Rows:
        """All rows as they are."""
        names = self._connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        found: list[tuple[str, str]] = []
        for (table,) in names:
            cursor = self._connection.execute(f'select * from "{table}"')
            found += _texts(table, [column[0] for column in cursor.description], cursor.fetchall())
        return frozenset(found)

    def is_as_it_was(self) -> bool:
        """Whether nobody wrote anything. Where nobody wrote at all that costs next to nothing."""
        version = self._data_version()
        if version == self._version:
            return True
        if self.rows() != self.first:
            return False
        self._version = version
        return True

    def put_back(self) -> None:
        """Make it as it was."""
        if self._data_version() != self._version:
            self._copy.backup(self._connection)
            self._version = self._data_version()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._copy.close()

    def _data_version(self) -> int:
        return int(self._connection.execute("pragma data_version").fetchone()[0])


def rows_on_postgres(server: Server) -> Rows:
    """All rows as they are."""
    found: list[tuple[str, str]] = []
    with psycopg.connect(server.database_url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (table,) in tables:
            cursor = connection.execute(f'select * from "{table}"')
            found += _texts(table, [column.name for column in cursor.description or ()], cursor.fetchall())
    return frozenset(found)


def _texts(table: str, columns: list[str], rows: list[tuple[object, ...]]) -> list[tuple[str, str]]:
    if table in _IGNORED_TABLES:
        return []
    kept = [number for number, column in enumerate(columns) if column not in _IGNORED_COLUMNS]
    return [(table, " ".join(str(row[number]).replace("-", "") for number in kept)) for row in rows]
