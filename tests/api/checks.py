"""What the tests of the contract share: problem documents, the state of a person's data, changes in the database."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import httpx
import psycopg
import pytest

from tests.client import ApiClient
from tests.services.server import Server

SESSIONS = "/api/v1/sessions/"

# For tests of what happens before storage: once is enough.
on_sqlite = pytest.mark.parametrize("server", ["embedded"], indirect=True)
on_postgres = pytest.mark.parametrize("server", ["grown"], indirect=True)


def path_of(chat: str, rest: str = "") -> str:
    """The path of a chat session, or of something below it."""
    return f"{SESSIONS}{chat}/{rest}"


def outcome(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error. Raises AssertionError unless it is a whole problem document."""
    assert response.headers["content-type"] == "application/problem+json", response.text[:300]
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"] != ""
    assert problem["title"], problem["detail"]
    assert "{" not in problem["title"]
    return response.status_code, problem["code"]


def fields_of(response: httpx.Response) -> list[tuple[str, str]]:
    """The (field, code) pairs of an error."""
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def state_of(client: ApiClient) -> list[Any]:
    """Everything that REST shows of a person: to be compared before and after what must change nothing."""
    chats = client.get(SESSIONS, params={"user": client.external_id, "limit": 200}).json()["results"]
    return [(chat, client.messages(chat["id"], limit=200)) for chat in chats]


def change_rows(server: Server, sql: str, *values: Any) -> int:
    """Run one statement in a server's database (`?` for values), and give the number of rows that it changed."""
    if server.database_url.startswith("sqlite"):
        with sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=20) as connection:
            return connection.execute(sql, values).rowcount
    with psycopg.connect(server.database_url) as postgres:
        return postgres.execute(sql.replace("?", "%s"), values).rowcount


def change_many(server: Server, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run one statement (`?` for values) for each of the rows of values."""
    if server.database_url.startswith("sqlite"):
        with sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=20) as connection:
            connection.executemany(sql, rows)
        return
    with psycopg.connect(server.database_url) as postgres, postgres.cursor() as cursor:
        cursor.executemany(sql.replace("?", "%s"), rows)


def read_rows(server: Server, sql: str, *values: Any) -> list[Any]:
    """Run one query in a server's database (`?` for values)."""
    if server.database_url.startswith("sqlite"):
        with sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=20) as connection:
            return connection.execute(sql, values).fetchall()
    with psycopg.connect(server.database_url) as postgres:
        return postgres.execute(sql.replace("?", "%s"), values).fetchall()
