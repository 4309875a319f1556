"""Writes of accounts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone

from chatify.accounts.models import EndUser, Tenant
from chatify.accounts.principal import Principal
from chatify.common.errors import InvalidInput, NotFound


def ensure_tenant(*, slug: str, name: str = "") -> Tenant:
    """The tenant of this slug, made if it is missing."""
    tenant, _ = Tenant.objects.get_or_create(slug=slug, defaults={"name": name or slug.replace("-", " ").title()})
    return tenant


def upsert_end_user(*, tenant_id: UUID, external_id: str, changes: dict[str, Any]) -> EndUser:
    """The end user of this `external_id`, made if missing, with the changed profile fields written."""
    return put_end_user(tenant_id=tenant_id, external_id=external_id, changes=changes)[0]


def put_end_user(*, tenant_id: UUID, external_id: str, changes: dict[str, Any]) -> tuple[EndUser, bool]:
    """As `upsert_end_user`, with whether they were made."""
    user, is_new = EndUser.objects.get_or_create(tenant_id=tenant_id, external_id=external_id, defaults=changes)
    if is_new:
        return user, True
    try:
        return update_profile(user=user, changes=changes), False
    except NotFound:  # erased in this moment: whoever writes now means a new one
        return put_end_user(tenant_id=tenant_id, external_id=external_id, changes=changes)


def update_own_profile(*, principal: Principal, user: EndUser, changes: dict[str, Any], field: str = "") -> EndUser:
    """Write what an end user says about themself. `field` is where the profile stands in the input.

    Whoever has a token of an application cannot change the age that the application told: it opens personalities
    for adults. Raises InvalidInput (`not_yours`).
    """
    if principal.credential.token_epoch is not None and changes.get("age", user.age) != user.age:
        raise InvalidInput.at(f"{field}.age".lstrip("."), "not_yours", "Only the application can change the age.")
    return update_profile(user=user, changes=changes)


def update_profile(*, user: EndUser, changes: dict[str, Any]) -> EndUser:
    """Write the profile fields that differ. Raises NotFound when the end user was erased since they were read."""
    changed = {field: value for field, value in changes.items() if getattr(user, field) != value}
    if changed:
        changed["updated_at"] = timezone.now()
        if not EndUser.objects.filter(id=user.id).update(**changed):
            raise NotFound("There is no such user.")
        for field, value in changed.items():
            setattr(user, field, value)
    return user
