"""Tenants that sign up for a test: each from an address of its own, since an address may sign up only so often."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import psycopg

from tests.accounts.visitors import Visitor, fresh_email
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.services.server import Server

TENANTS = "/api/v1/tenants/"
ME = f"{TENANTS}me/"
KEYS = f"{ME}keys/"
TOKENS = "/api/v1/tokens/"
PASSWORD = "Three-Cups-of-77"


@dataclass
class NewTenant:
    """A tenant that signed up. `client` has its first key."""

    client: ApiClient
    email: str
    object: dict[str, Any]

    def make_key(self, **body: Any) -> dict[str, Any]:
        """Another key: `{key, api_key}`."""
        made = self.client.post(KEYS, {"name": "another", **body})
        assert made.status_code == 201, made.text
        return made.json()


def from_elsewhere(server: Server) -> httpx.Client:
    """A client without a key, at another address."""
    return Visitor(server.url).http


def sign_up_body(**changes: Any) -> dict[str, Any]:
    """What signs up somebody new."""
    return {"name": "Tea house", "email": fresh_email("owner"), "password": PASSWORD, **changes}


def sign_up(server: Server, make_client: MakeClient, **changes: Any) -> NewTenant:
    """A new tenant."""
    body = sign_up_body(**changes)
    with from_elsewhere(server) as http:
        answer = http.post(TENANTS, json=body)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    return NewTenant(make_client(server, key=found["key"]), body["email"], found["tenant"])


def sign_in(server: Server, make_client: MakeClient, tenant: NewTenant, password: str = PASSWORD) -> ApiClient:
    """The owner, with an access token instead of a key."""
    owner = Visitor(server.url)
    answer = owner.login(email=tenant.email, password=password)
    owner.http.close()
    assert answer.status_code == 200, answer.text
    return make_client(server, key=answer.json()["access_token"])


def end_user_token(client: ApiClient, external_id: str, **body: Any) -> str:
    """A token that a key asks for."""
    answer = client.post(TOKENS, {"user": {"external_id": external_id}, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


# What is in the database --------------------------------------------------------------------------


def rows(server: Server, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query finds in a server's database (`?` for values; ids as texts)."""
    if server.database_url.startswith("sqlite"):
        with closing(sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=20)) as connection:
            return connection.execute(sql, [_plain(value) for value in values]).fetchall()
    with psycopg.connect(server.database_url) as postgres:
        return postgres.execute(sql.replace("?", "%s"), values).fetchall()


def audit_of(server: Server, tenant_id: str) -> list[str]:
    """The actions that the audit log has of a tenant, oldest first."""
    found = rows(server, "select action from accounts_auditentry where tenant_id = ? order by id", tenant_id)
    return [action for (action,) in found]


def statuses_of(server: Server, chat: str) -> list[str]:
    """The states of the messages of a chat session: also of one that nobody may see any more."""
    found = rows(server, "select status from chat_sessions_message where chat_session_id = ? order by seq", chat)
    return [status for (status,) in found]


def _plain(value: Any) -> Any:
    """SQLite has ids without their hyphens."""
    return UUID(value).hex if isinstance(value, str) and len(value) == 36 else value


# What is open -------------------------------------------------------------------------------------


def start_long_reply(socket: Socket) -> None:
    """A reply of twenty seconds, of which something has come."""
    socket.send("message.send", content="[[n=400,gap=50]]")
    socket.recv_until("reply.delta")


def closes_within_five_seconds(*sockets: Socket) -> int:
    """The close code of all of them."""
    since = time.monotonic()
    codes = {socket.wait_closed(timeout=6) for socket in sockets}
    assert time.monotonic() - since < 5.5, "a sweep every 2.5 s takes longer"
    assert len(codes) == 1, codes
    return codes.pop()
