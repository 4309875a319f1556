"""Writes of endpoints, each with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.models import Tenant
from chatify.common.errors import Conflict, InvalidInput, NotFound
from chatify.common.sealing import seal
from chatify.webhooks.addresses import check_url
from chatify.webhooks.known import known
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.names import NAMES
from chatify.webhooks.signing import new_secret, rotate

MAX_ENDPOINTS = 10
NOT_READABLE = "Its secret cannot be read with this ENCRYPTION_KEY. Make a new one, then activate it."

_AS_NEW: dict[str, Any] = {"failing_since": None, "disabled_at": None, "disabled_reason": "", "is_owner_told": True}
log = structlog.get_logger(__name__)


@transaction.atomic
def create_endpoint(
    *, tenant: Tenant, url: str, description: str = "", events: Sequence[str] = (), who: Who
) -> tuple[WebhookEndpoint, str]:
    """Another endpoint of a tenant, and its secret, which is not shown again.

    Raises InvalidInput (`bad_url`, `unknown_event`), Conflict (`too_many_endpoints`).
    """
    check_url(url)
    _check_room(tenant.id)
    secret = new_secret()
    made = WebhookEndpoint.objects.create(
        tenant=tenant, url=url, description=description, events=_normal_events(events), secret=seal(secret)
    )
    _record("created", made, who)
    return made, secret


@transaction.atomic
def update_endpoint(*, endpoint: WebhookEndpoint, changes: dict[str, Any], who: Who) -> None:
    """Write the fields that differ, of `url`, `description`, `events`, `is_active`.

    Who activates it, or gives it another URL, lets it start afresh; what waited is sent. Raises InvalidInput, and
    NotFound when it was deleted meanwhile.
    """
    if "events" in changes:
        changes = {**changes, "events": _normal_events(changes["events"])}
    if "url" in changes:
        check_url(changes["url"])
    changed = {field: value for field, value in changes.items() if getattr(endpoint, field) != value}
    if not changed:
        return
    fresh = _AS_NEW if changed.get("is_active") else {"failing_since": None} if "url" in changed else {}
    rows = WebhookEndpoint.objects.filter(id=endpoint.id)
    if not rows.update(**changed, **fresh, updated_at=timezone.now()):
        raise NotFound("There is no such endpoint.")
    endpoint.refresh_from_db()
    _record("updated", endpoint, who, fields=sorted(changed))


@transaction.atomic
def delete_endpoints(*, endpoint_ids: Iterable[UUID], who: Who) -> int:
    """Delete them with their deliveries, told or not. Gives their number."""
    rows = list(WebhookEndpoint.objects.select_for_update().filter(id__in=list(endpoint_ids)).order_by("id"))
    for row in rows:
        _record("deleted", row, who)
    WebhookEndpoint.objects.filter(id__in=[row.id for row in rows]).delete()
    return len(rows)


@transaction.atomic
def rotate_secret(*, endpoint: WebhookEndpoint, who: Who) -> str:
    """A new secret, which is not shown again. For a day the one before signs, too, if it can be read at all.

    Raises NotFound when it was deleted meanwhile.
    """
    row = WebhookEndpoint.objects.select_for_update().filter(id=endpoint.id).first()
    if row is None:
        raise NotFound("There is no such endpoint.")
    secret, changes = rotate(row)
    WebhookEndpoint.objects.filter(id=row.id).update(**changes, updated_at=timezone.now())
    _record("rotated", row, who)
    endpoint.refresh_from_db()
    return secret


@transaction.atomic
def disable_endpoint(*, endpoint_id: UUID, reason: str) -> bool:
    """Send nothing there any more, and have its owners told by mail. What waits is given up, and can be replayed.

    Whether it was active until now.
    """
    changes = {"disabled_at": timezone.now(), "disabled_reason": reason, "is_owner_told": False}
    if not WebhookEndpoint.objects.filter(id=endpoint_id, is_active=True).update(is_active=False, **changes):
        return False
    row = WebhookEndpoint.objects.get(id=endpoint_id)
    waiting = WebhookDelivery.objects.filter(endpoint=row, state=WebhookDelivery.State.PENDING)
    waiting.update(state=WebhookDelivery.State.FAILED, error="The endpoint was disabled.")
    log.warning("webhook_endpoint_disabled", endpoint=str(endpoint_id), reason=reason)
    _record("disabled", row, None, reason=reason)
    return True


def _normal_events(events: Sequence[str]) -> list[str]:
    """Each once, in the usual order. Raises InvalidInput for a name that there is not."""
    if unknown := sorted(set(events) - set(NAMES)):
        raise InvalidInput.at("events", "unknown_event", f"There is no event {unknown[0]!r}.")
    return [name for name in NAMES if name in events]


def _check_room(tenant_id: UUID) -> None:
    """The tenant's row is locked, so that two do not both fit in."""
    Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
    if WebhookEndpoint.objects.filter(tenant_id=tenant_id).count() >= MAX_ENDPOINTS:
        raise Conflict(f"At most {MAX_ENDPOINTS} endpoints are possible: delete some.", code="too_many_endpoints")


def _record(verb: str, endpoint: WebhookEndpoint, who: Who, **details: Any) -> None:
    record(f"webhook.{verb}", who=who, tenant_id=endpoint.tenant_id, subject_id=endpoint.id, **details)
    transaction.on_commit(lambda: known.refresh(max_age=0))
