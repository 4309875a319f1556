"""The only place that fetches tenants, keys, end users and people for somebody."""

from __future__ import annotations

from uuid import UUID

from chatify.accounts.models import ApiKey, EndUser, Tenant, User
from chatify.accounts.principal import Principal
from chatify.common.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound


def get_tenant(principal: Principal, slug: str | None = None) -> Tenant:
    """The tenant that the principal manages: a key of scope `admin` its own, a person one that they own.

    `slug` says which. Raises Forbidden (`missing_scope`) for other keys and for end-user tokens; NotFound; InvalidInput
    when a person owns several and names none.
    """
    if principal.user_id is None:
        principal.require_scope("admin")
        rows = Tenant.objects.existing().filter(id=principal.tenant_id)
    else:
        rows = Tenant.objects.existing().filter(memberships__user_id=principal.user_id)
    found = list(rows.filter(slug=slug) if slug is not None else rows.order_by("slug")[:2])
    if not found:
        raise NotFound("There is no such tenant.")
    if len(found) > 1:
        raise InvalidInput.at("tenant", "required", "You own several tenants: say which by its slug.")
    return found[0]


def get_api_key(tenant: Tenant, api_key_id: UUID) -> ApiKey:
    """One key, working or not, of a tenant that the caller got from here. Raises NotFound."""
    found = ApiKey.objects.filter(tenant=tenant, id=api_key_id).first()
    if found is None:
        raise NotFound("There is no such key.")
    return found


def get_end_user(principal: Principal, external_id: str) -> EndUser:
    """One end user: any of the tenant's for a key, else themself. Raises NotFound, also for somebody else's."""
    rows = EndUser.objects.filter(tenant_id=principal.tenant_id, external_id=external_id)
    if principal.end_user_id is not None:
        rows = rows.filter(id=principal.end_user_id)
    found = rows.first()
    if found is None:
        raise NotFound("There is no such user.")
    return found


def get_own_end_user(principal: Principal) -> EndUser:
    """The end user that a principal speaks for, which is no key. Raises NotFound when they were erased meanwhile."""
    assert principal.end_user_id is not None
    found = EndUser.objects.filter(id=principal.end_user_id).first()
    if found is None:
        raise NotFound("There is no such user.")
    return found


def get_person(principal: Principal) -> User:
    """Who signed in. Raises Forbidden (`not_a_person`) for keys, end-user tokens and strangers at the page."""
    if principal.user_id is None:
        raise Forbidden("This is for people who signed in.", code="not_a_person")
    found = User.objects.filter(pk=principal.user_id).first()
    if found is None:
        raise NotAuthenticated("This account is gone.")  # in this moment
    return found
