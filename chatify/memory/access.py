"""The only place that fetches memories for somebody."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from chatify.accounts.access import get_end_user
from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.common.errors import NotFound
from chatify.memory.models import Memory


def get_remembered_user(principal: Principal, external_id: str) -> EndUser:
    """The end user whose memories these are: any of the tenant's for a key, else themself.

    Raises Forbidden (`missing_scope`, `bound_to_session`: one chat session is not all of somebody), NotFound.
    """
    _check(principal)
    return get_end_user(principal, external_id)


def memories_for(principal: Principal, external_id: str) -> QuerySet[Memory]:
    """What is remembered about one end user. Raises as `get_remembered_user`."""
    return Memory.objects.filter(end_user=get_remembered_user(principal, external_id)).select_related(
        "source__chat_session"
    )


def get_memory(principal: Principal, external_id: str, memory_id: UUID) -> Memory:
    """One of them. Raises as `get_remembered_user`; somebody else's is as little found as one that never was."""
    _check(principal)
    rows = Memory.objects.filter(tenant_id=principal.tenant_id, end_user__external_id=external_id, id=memory_id)
    if principal.end_user_id is not None:
        rows = rows.filter(end_user_id=principal.end_user_id)
    found = rows.select_related("source__chat_session").first()
    if found is None:
        raise NotFound("There is no such memory.")
    return found


def _check(principal: Principal) -> None:
    principal.require_scope("chat")
    principal.require_whole_user()
