"""Tenants and keys put straight into a server's database: a sign-up each would cost every test half a second."""

import hashlib
import json
import secrets
from datetime import UTC, datetime
from uuid import uuid4

from tests.api.checks import change_rows
from tests.services.server import Server

ALL = ("chat", "templates", "knowledge", "admin")


def insert_tenant(server: Server) -> str:
    """A new tenant's id."""
    id_ = uuid4()
    sql = (
        "insert into accounts_tenant (id, slug, name, allowed_origins, firestore_prefix, created_at)"
        " values (?, ?, 'New', '[]', '', ?)"
    )
    change_rows(server, sql, _id(server, str(id_)), f"t-{id_}", _now())
    return str(id_)


def insert_key(server: Server, tenant_id: str, *scopes: str) -> str:
    """The text of a new key of a tenant, with these scopes or all of them."""
    prefix = secrets.token_hex(4)
    text = f"ck_{prefix}_{secrets.token_urlsafe(30)}"
    sql = (
        "insert into accounts_apikey (id, tenant_id, name, prefix, digest, scopes, created_at)"
        " values (?, ?, 'test', ?, ?, ?, ?)"
    )
    ids = _id(server, str(uuid4())), _id(server, tenant_id)
    change_rows(server, sql, *ids, prefix, hashlib.sha256(text.encode()).hexdigest(), json.dumps(scopes or ALL), _now())
    return text


def _id(server: Server, id_: str) -> str:
    return id_.replace("-", "") if server.database_url.startswith("sqlite") else id_


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")[:26]
