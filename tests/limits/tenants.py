"""Tenants with limits of their own, on servers that have none: so one server does for all tests of limits."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from socket import SHUT_RDWR
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import psycopg

from chatify.accounts.models import EndUser
from chatify.accounts.tokens import issue_end_user_token
from chatify.common.ids import uuid7
from tests.client import ApiClient, Socket
from tests.services.server import Server

T = TypeVar("T")
LONG_AGO = "2026-01-01 00:00:00+00:00"


@dataclass(frozen=True)
class MadeTenant:
    """A tenant of a test's own, with one key of all scopes."""

    server: Server
    id: str
    key: str
    origins: Sequence[str]

    def set_limits(self, **limits: int) -> None:
        """As staff does in the admin."""
        names, marks = ", ".join(limits), ", ".join("?" * len(limits))
        changes = ", ".join(f"{name} = excluded.{name}" for name in limits)
        sql = f"INSERT INTO accounts_tenantlimits (tenant_id, {names}) VALUES (?, {marks})"
        execute(self.server, f"{sql} ON CONFLICT (tenant_id) DO UPDATE SET {changes}", self.id, *limits.values())

    def set_origins(self, *origins: str) -> None:
        """Allow these pages, and no others."""
        execute(
            self.server, "UPDATE accounts_tenant SET allowed_origins = ? WHERE id = ?", json.dumps(origins), self.id
        )

    def token(self, external_id: str, chat: str | None = None) -> str:
        """A token of an end user of whom the server knows already."""
        sql = "SELECT id FROM accounts_enduser WHERE tenant_id = ? AND external_id = ?"
        ((id_,),) = execute(self.server, sql, self.id, external_id)
        user = EndUser(id=UUID(str(id_)), tenant_id=UUID(self.id))
        return issue_end_user_token(end_user=user, api_key_id=None, chat_session_id=UUID(chat) if chat else None)[0]


def make_tenant(server: Server, *, origins: Sequence[str] = (), **limits: int) -> MadeTenant:
    """A fresh tenant. (Signing up would take half a second for the password's hash, and has limits itself.)"""
    id_, prefix = str(uuid7()), secrets.token_hex(4)
    key = f"ck_{prefix}_{secrets.token_hex(20)}"
    execute(
        server,
        "INSERT INTO accounts_tenant (id, slug, name, allowed_origins, created_at) VALUES (?, ?, ?, ?, ?)",
        id_, f"t-{prefix}", "Made for a test", json.dumps(origins), LONG_AGO,
    )  # fmt: skip
    execute(
        server,
        "INSERT INTO accounts_apikey (id, tenant_id, name, prefix, digest, scopes, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        str(uuid7()), id_, "test", prefix, hashlib.sha256(key.encode()).hexdigest(),
        json.dumps(["chat", "templates", "knowledge", "admin"]), LONG_AGO,
    )  # fmt: skip
    made = MadeTenant(server, id_, key, origins)
    if limits:
        made.set_limits(**limits)
    return made


def execute(server: Server, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement in a server's database (`?` for values), and give its rows."""
    if server.database_url.startswith("sqlite"):
        path = server.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
            return connection.execute(sql, [_plain(value) for value in values]).fetchall()
    with psycopg.connect(server.database_url, autocommit=True) as postgres:
        cursor = postgres.execute(sql.replace("?", "%s"), values)
        return cursor.fetchall() if cursor.description else []


def _plain(value: Any) -> Any:
    """SQLite has ids without their hyphens."""
    return UUID(value).hex if isinstance(value, str) and len(value) == 36 else value


# What is tried -----------------------------------------------------------------------------------


def person() -> str:
    """An external_id of a test's own."""
    return f"p-{uuid4()}"


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run jobs that begin together."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        barrier.wait(30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def say(client: ApiClient, chat: str, content: str = "hello", **fields: Any) -> httpx.Response:
    """A message over REST, whatever becomes of it."""
    return client.post(f"/api/v1/sessions/{chat}/messages/", {"content": content, **fields}, timeout=90)


def say_over_sse(client: ApiClient, chat: str, content: str = "hello", **fields: Any) -> int:
    """A message over Server-Sent Events, read to its end; the status."""
    path = f"/api/v1/sessions/{chat}/messages/"
    with client.stream("POST", path, json={"content": content, **fields}, timeout=90) as response:
        response.read()
        return response.status_code


def said(client: ApiClient, chat: str) -> int:
    """How many messages of people a chat session has."""
    return len([one for one in client.messages(chat, limit=200) if one["role"] == "user"])


def hang_up(socket: Socket) -> None:
    """Leave at once: a farewell would wait behind all that is said here and that nobody reads."""
    socket._connection.socket.shutdown(SHUT_RDWR)
