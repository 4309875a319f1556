"""Tenants and keys as clients see them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from chatify.accounts.allowances import Allowances, allowances_of
from chatify.accounts.models import ApiKey, Tenant
from chatify.accounts.owners import first_owner_of
from chatify.accounts.principal import Scope


class TenantObject(BaseModel):
    """An application that uses Chatify."""

    id: UUID
    slug: str
    name: str
    email: str | None = Field(description="Of the first of its owners; null without one.")
    allowed_origins: list[str] = Field(description="Web origins whose pages may use its tokens.")
    retention_days: int | None = Field(
        description="Chat sessions without activity for so many days are erased; null: they are kept."
    )
    limits: Allowances = Field(description="What it may use; only staff can change that.")
    created_at: datetime


class NewTenantObject(BaseModel):
    """A tenant that just signed up, and its first key, which is shown this once."""

    tenant: TenantObject
    key: str


class ApiKeyObject(BaseModel):
    """An API key, without its text."""

    id: UUID
    name: str
    prefix: str = Field(description="What the key begins with.")
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")
    expires_at: datetime | None
    rotated_at: datetime | None = Field(description="When another key was made instead of it.")
    revoked_at: datetime | None


class NewApiKeyObject(BaseModel):
    """A new key: its text is shown this once."""

    key: str
    api_key: ApiKeyObject


def tenant_object(tenant: Tenant) -> dict[str, Any]:
    """The TenantObject."""
    owner = first_owner_of(tenant)
    made = {"email": owner.email if owner else None, "limits": asdict(allowances_of(tenant.id))}
    return {name: made[name] if name in made else getattr(tenant, name) for name in TenantObject.model_fields}


def api_key_object(api_key: ApiKey) -> dict[str, Any]:
    """The ApiKeyObject."""
    found = {name: getattr(api_key, name) for name in ApiKeyObject.model_fields}
    return {**found, "prefix": f"ck_{api_key.prefix}"}


def new_api_key_object(api_key: ApiKey, key: str) -> dict[str, Any]:
    """The NewApiKeyObject."""
    return {"key": key, "api_key": api_key_object(api_key)}
