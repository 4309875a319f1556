"""People who sign in, as the end users that they are in the house's own tenant."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction

from chatify.accounts.actions import ensure_tenant, update_profile
from chatify.accounts.models import EndUser, Tenant, User


def external_id_of(user: User) -> str:
    """How a person is called as an end user."""
    return f"user-{user.pk}"


def end_user_of(user: User) -> EndUser | None:
    """Whom a person chats as, made at the first time. None while the house's tenant is deleted, and for the erased."""
    found = EndUser.objects.filter(tenant__slug=settings.HOUSE_TENANT, external_id=external_id_of(user))
    end_user = found.select_related("tenant").first() or _make_end_user(user)
    return end_user if end_user is not None and end_user.tenant.deleted_at is None else None


@transaction.atomic
def _make_end_user(user: User) -> EndUser | None:
    """None when the person was erased since `user` was read: with their account's row locked, nobody comes back."""
    if not User.objects.select_for_update(no_key=True).filter(pk=user.pk).exists():
        return None
    tenant = ensure_tenant(slug=settings.HOUSE_TENANT, name="People who sign in here")
    end_user, _ = EndUser.objects.select_related("tenant").get_or_create(
        tenant=tenant, external_id=external_id_of(user), defaults={"name": user.name}
    )
    return end_user


def account_of(end_user: EndUser) -> User | None:
    """The person who chats as this end user; None for the end users of applications. Reads the tenant."""
    prefix, _, id_ = end_user.external_id.partition("-")
    if end_user.tenant.slug != settings.HOUSE_TENANT or prefix != "user":
        return None
    try:
        return User.objects.filter(id=UUID(id_)).first()
    except ValueError:
        return None


def tenants_of(user: User) -> list[Tenant]:
    """The tenants that a person owns, by slug."""
    return list(Tenant.objects.existing().filter(memberships__user=user).order_by("slug"))


@transaction.atomic
def rename_person(*, user: User, name: str) -> None:
    """Give a person another name, also as the end user that they are."""
    user.name = name
    user.save(update_fields=["name"])
    end_user = end_user_of(user)
    if end_user is not None:
        update_profile(user=end_user, changes={"name": name})
