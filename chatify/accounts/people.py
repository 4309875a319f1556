"""People who sign in, as the end users that they are in the house's own tenant."""

from __future__ import annotations

from django.conf import settings

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import EndUser, User


def end_user_of(user: User) -> EndUser | None:
    """Whom a person chats as, made at the first time. None while the house's tenant is deleted."""
    external_id = f"user-{user.pk}"
    found = EndUser.objects.filter(tenant__slug=settings.HOUSE_TENANT, external_id=external_id)
    end_user = found.select_related("tenant").first()
    if end_user is None:
        tenant = ensure_tenant(slug=settings.HOUSE_TENANT, name="People who sign in here")
        end_user, _ = EndUser.objects.select_related("tenant").get_or_create(
            tenant=tenant, external_id=external_id, defaults={"name": user.name}
        )
    return end_user if end_user.tenant.deleted_at is None else None
