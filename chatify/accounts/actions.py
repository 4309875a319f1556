"""Writes of accounts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chatify.accounts.models import EndUser, Tenant


def ensure_tenant(*, slug: str, name: str = "") -> Tenant:
    """The tenant of this slug, made if it is missing."""
    tenant, _ = Tenant.objects.get_or_create(slug=slug, defaults={"name": name or slug.replace("-", " ").title()})
    return tenant


def upsert_end_user(*, tenant_id: UUID, external_id: str, changes: dict[str, Any]) -> EndUser:
    """The end user of this `external_id`, made if missing, with the changed profile fields written."""
    user, is_new = EndUser.objects.get_or_create(tenant_id=tenant_id, external_id=external_id, defaults=changes)
    return user if is_new else update_profile(user=user, changes=changes)


def update_profile(*, user: EndUser, changes: dict[str, Any]) -> EndUser:
    """Write the profile fields that differ."""
    changed = {field: value for field, value in changes.items() if getattr(user, field) != value}
    if changed:
        for field, value in changed.items():
            setattr(user, field, value)
        user.save(update_fields=[*changed, "updated_at"])
    return user
