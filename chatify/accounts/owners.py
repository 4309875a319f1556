"""Who owns a tenant, and what they sign in with."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from chatify.accounts.audit import Who, record
from chatify.accounts.models import Tenant, User
from chatify.accounts.signing_in import check_current_password, email_taken, hash_new_password, store_password
from chatify.common.errors import Conflict


def first_owner_of(tenant: Tenant) -> User | None:
    """Whose e-mail address is the tenant's."""
    membership = tenant.memberships.select_related("user").order_by("created_at", "id").first()
    return membership.user if membership else None


def change_email(*, tenant: Tenant, email: str, current_password: str, address: str, who: Who) -> None:
    """Give the first owner another e-mail address.

    Raises Conflict (`no_owner`, `email_taken`), InvalidInput (`wrong_password`), TooFast.
    """
    owner = _check_owner(tenant, current_password, address)
    try:
        with transaction.atomic():
            User.objects.filter(id=owner.id).update(email=email)
            record("tenant.updated", who=who, tenant_id=tenant.id, subject_id=tenant.id, fields=["email"])
    except IntegrityError:
        raise email_taken() from None


def change_password(*, tenant: Tenant, new_password: str, current_password: str, address: str, who: Who) -> None:
    """Give the first owner another password, which ends their sign-ins.

    Raises Conflict (`no_owner`, `password_changed`), InvalidInput (`wrong_password`, or each rule that the new one
    fails), TooFast.
    """
    owner = _check_owner(tenant, current_password, address)
    encoded = hash_new_password(user=owner, password=new_password)
    with transaction.atomic():
        store_password(user=owner, encoded=encoded)
        record("tenant.updated", who=who, tenant_id=tenant.id, subject_id=tenant.id, fields=["password"])


def _check_owner(tenant: Tenant, current_password: str, address: str) -> User:
    owner = first_owner_of(tenant)
    if owner is None:
        raise Conflict("This tenant has no owner who signs in.", code="no_owner")
    return check_current_password(user=owner, current_password=current_password, address=address)
