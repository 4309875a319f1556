"""Endpoints of the demo tenant, and receivers behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chatify.accounts.models import Tenant
from chatify.accounts.principal import Principal
from chatify.limits import budgets
from chatify.webhooks.known import known
from tests.turns.conftest import chat, principal
from tests.webhooks.receivers import Receiver, receiver

__all__ = ["chat", "principal"]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What another test has had is forgotten."""
    _forget_known()
    monkeypatch.setattr(budgets, "_budgets", None)
    yield
    _forget_known()


def _forget_known() -> None:
    known._wanted, known._read_at, known.is_kept = {}, float("-inf"), False


@pytest.fixture
def is_debug(settings: Any) -> None:
    """As servers of tests run: this machine may be sent to."""
    settings.DEBUG = True


@pytest.fixture
def tenant(principal: Principal) -> Tenant:
    """Whose endpoints these are."""
    return Tenant.objects.get(id=principal.tenant_id)


@pytest.fixture
def make_receiver() -> Iterator[Callable[[], Receiver]]:
    """Receivers on this machine."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(receiver())


@pytest.fixture
def there(make_receiver: Callable[[], Receiver]) -> Receiver:
    """A receiver that takes everything."""
    return make_receiver()
