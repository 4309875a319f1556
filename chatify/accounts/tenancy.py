"""Writes of tenants, their keys and their end users' tokens, each with its entry in the audit log."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.credentials import create_api_key
from chatify.accounts.models import ApiKey, EndUser, Membership, Tenant, User
from chatify.accounts.origins import known
from chatify.accounts.prefixes import check_prefix, tell_movers
from chatify.accounts.principal import SCOPES
from chatify.accounts.signing_in import add_person, find_person, new_person, note_address
from chatify.common.errors import Conflict
from chatify.common.slugs import free_slug, slug_base

MAX_WORKING_KEYS = 50

Watcher = Callable[[UUID, str], None]
_watchers: list[Watcher] = []


def register_watcher(watcher: Watcher) -> None:
    """Call `watcher` with a tenant's id and `tenant.deleted` or `tenant.restored`, in the transaction that does it."""
    if watcher not in _watchers:
        _watchers.append(watcher)


# Tenants ------------------------------------------------------------------------------------------


def sign_up_tenant(*, name: str, email: str, password: str, address: str) -> tuple[Tenant, str]:
    """A new tenant with its owner, and the text of its first key, which is good for everything.

    Somebody who has an account owns it with that, if the password is theirs. `email` is a normal one. Raises as
    `signing_in.find_person`, `new_person` and `add_person` do.
    """
    owner = find_person(email=email, password=password, address=address)
    if owner is None:
        owner = new_person(email=email, password=password, name=name, address=address)
        owner.name = ""  # that was the application's
    return _make_tenant_with_owner(name, owner, address)


@transaction.atomic
def _make_tenant_with_owner(name: str, owner: User, address: str) -> tuple[Tenant, str]:
    if owner._state.adding:
        add_person(owner)
    note_address(user=owner, address=address)
    tenant = _make_tenant(name)
    Membership.objects.create(user=owner, tenant=tenant)
    record("tenant.created", who=owner, tenant_id=tenant.id, subject_id=tenant.id)
    _, key = issue_api_key(tenant=tenant, name="First key", scopes=SCOPES, who=owner)
    return tenant, key


def _make_tenant(name: str) -> Tenant:
    base = slug_base(name) or f"tenant-{secrets.token_hex(4)}"
    while True:  # each time that it goes round, somebody else got a tenant
        tenant, is_new = Tenant.objects.get_or_create(slug=_free_slug(base), defaults={"name": name})
        if is_new:
            return tenant


def _free_slug(base: str) -> str:
    taken = set(Tenant.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    taken |= {settings.DEMO_TENANT, settings.HOUSE_TENANT}  # made when they are needed: nobody else may be there
    return free_slug(base, taken)


@transaction.atomic
def update_tenant(*, tenant: Tenant, changes: dict[str, Any], who: Who) -> None:
    """Write the fields that differ: `name`, `retention_days`, and normal `allowed_origins` and `firestore_prefix`.

    Raises InvalidInput (`prefix_taken`).
    """
    changed = {field: value for field, value in changes.items() if getattr(tenant, field) != value}
    if not changed:
        return
    check_prefix(tenant, changed.get("firestore_prefix", ""))
    prefix = tenant.firestore_prefix
    for field, value in changed.items():
        setattr(tenant, field, value)
    tenant.save(update_fields=list(changed))
    if tenant.firestore_prefix != prefix:
        tell_movers(tenant, prefix)
    record("tenant.updated", who=who, tenant_id=tenant.id, subject_id=tenant.id, fields=sorted(changed))
    transaction.on_commit(_refresh_origins)


def delete_tenants(*, tenant_ids: Iterable[UUID], who: Who) -> int:
    """Delete tenants softly: every access of theirs ends, and comes back when they are restored. Gives their number.

    Raises Conflict (`tenant_needed`) for the house's own, in which the people are who sign in here.
    """
    return _set_deleted(tenant_ids, timezone.now(), who)


def restore_tenants(*, tenant_ids: Iterable[UUID], who: Who) -> int:
    """Undo soft deletions: everything works again as it did. Gives their number."""
    return _set_deleted(tenant_ids, None, who)


@transaction.atomic
def _set_deleted(tenant_ids: Iterable[UUID], deleted_at: datetime | None, who: Who) -> int:
    wanted = Tenant.objects.filter(id__in=list(tenant_ids), deleted_at__isnull=deleted_at is not None)
    rows = list(wanted.select_for_update(no_key=True).order_by("id"))
    if deleted_at is not None and any(row.slug == settings.HOUSE_TENANT for row in rows):
        raise Conflict("This tenant is the house's own: who signs in here belongs to it.", code="tenant_needed")
    Tenant.objects.filter(id__in=[row.id for row in rows]).update(deleted_at=deleted_at)
    action = "tenant.restored" if deleted_at is None else "tenant.deleted"
    for row in rows:
        record(action, who=who, tenant_id=row.id, subject_id=row.id)
        for watcher in _watchers:
            watcher(row.id, action)
    transaction.on_commit(_refresh_origins)
    return len(rows)


def _refresh_origins() -> None:
    known.refresh(max_age=0)


# Keys ---------------------------------------------------------------------------------------------


@transaction.atomic
def issue_api_key(
    *, tenant: Tenant, name: str, scopes: Sequence[str], expires_at: datetime | None = None, who: Who
) -> tuple[ApiKey, str]:
    """Another key of a tenant, and its text, which is nowhere stored. Raises Conflict (`too_many_keys`)."""
    _check_room_for_key(tenant.id)
    made, key = create_api_key(tenant=tenant, name=name, scopes=scopes, expires_at=expires_at)
    _record_key("key.created", made, who, scopes=made.scopes)
    return made, key


@transaction.atomic
def rotate_api_key(*, api_key: ApiKey, grace: timedelta, who: Who) -> tuple[ApiKey, str]:
    """A key instead of this one, with the same name, scopes and expiry; the old one works for `grace` longer.

    Raises Conflict (`already_rotated`, `key_not_working`, `too_many_keys`).
    """
    _check_room_for_key(api_key.tenant_id, leaving=None if grace else api_key.id)
    old = ApiKey.objects.select_for_update().get(id=api_key.id)
    if old.rotated_at is not None:
        raise Conflict("There is a new key instead of this one already.", code="already_rotated")
    if not ApiKey.objects.working().filter(id=old.id).exists():
        raise Conflict("This key was revoked, or has expired.", code="key_not_working")
    made, key = create_api_key(tenant=api_key.tenant, name=old.name, scopes=old.scopes, expires_at=old.expires_at)
    old.rotated_at = timezone.now()
    ends_at = old.rotated_at + grace
    old.expires_at = min(old.expires_at or ends_at, ends_at)
    old.save(update_fields=["rotated_at", "expires_at"])
    _record_key("key.rotated", old, who, new_key=str(made.id), works_until=old.expires_at.isoformat())
    return made, key


@transaction.atomic
def revoke_api_keys(*, api_key_ids: Iterable[UUID], who: Who) -> int:
    """They stop working at once, and what was opened with them closes. Gives the number of those that were not yet."""
    rows = list(ApiKey.objects.select_for_update().filter(id__in=list(api_key_ids), revoked_at=None).order_by("id"))
    ApiKey.objects.filter(id__in=[row.id for row in rows]).update(revoked_at=timezone.now())
    for row in rows:
        _record_key("key.revoked", row, who)
    return len(rows)


def _check_room_for_key(tenant_id: UUID, leaving: UUID | None = None) -> None:
    """`leaving` is a key that stops in this transaction. The tenant's row is locked, so that two do not both fit in."""
    Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
    working = ApiKey.objects.working().filter(tenant_id=tenant_id)
    if (working.exclude(id=leaving) if leaving else working).count() >= MAX_WORKING_KEYS:
        raise Conflict(f"At most {MAX_WORKING_KEYS} keys work at once: revoke some.", code="too_many_keys")


def _record_key(action: str, api_key: ApiKey, who: Who, **details: Any) -> None:
    record(action, who=who, tenant_id=api_key.tenant_id, subject_id=api_key.id, prefix=api_key.prefix, **details)


@transaction.atomic
def end_tokens_of(*, end_user: EndUser, who: Who) -> None:
    """All end-user tokens that were issued for this person are good for nothing any more, nor what they opened."""
    EndUser.objects.filter(id=end_user.id).update(token_epoch=F("token_epoch") + 1)
    record("user.tokens_ended", who=who, tenant_id=end_user.tenant_id, subject_id=end_user.id)
