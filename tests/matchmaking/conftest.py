"""People who queue, in the database of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chatify.accounts.principal import Principal
from chatify.matchmaking.look import Lookout
from templates_app.catalogue import catalogue
from templates_app.models import PromptTemplate
from tests.matchmaking.crowd import Crowd
from tests.selection.conftest import house, make_rule, make_template, stranger
from tests.turns.conftest import principal

__all__ = ["house", "make_rule", "make_template", "principal", "stranger"]


@pytest.fixture
def crowd(house: dict[str, PromptTemplate], principal: Principal) -> Iterator[Crowd]:
    """`crowd.join("alice", language="en")`."""
    yield Crowd(principal)
    catalogue.forget()


@pytest.fixture
def stranger_crowd(crowd: Crowd, stranger: Principal) -> Crowd:
    """The people of another tenant."""
    return Crowd(stranger)


@pytest.fixture
def lookout() -> Lookout:
    """A process's."""
    return Lookout()
