"""What the outbox keeps about end users: ids only, and those go with them."""

from __future__ import annotations

from chatify.accounts.models import EndUser
from chatify.accounts.personal_data import Holding, register_holding
from chatify.events.bus import emit, forget


def register_holdings() -> None:
    """Said by the app when it is ready."""
    register_holding(Holding("outbox", erase=_forget, tell=_tell))


def _forget(end_user: EndUser) -> None:
    forget(subject_ids=[end_user.id])


def _tell(end_user: EndUser) -> None:
    """The last that sinks hear: what they have about this end user has to go."""
    emit("user.erased", tenant_id=end_user.tenant_id, subject_id=end_user.id)
