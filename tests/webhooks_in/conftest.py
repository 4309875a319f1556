"""What the tests of webhooks in share."""

from collections.abc import Iterator

import pytest

from tests.client import ApiClient
from tests.webhooks_in.matchmakers import SOURCES, Matchmaker, make_matchmaker


@pytest.fixture
def matchmaker(alice: ApiClient) -> Iterator[Matchmaker]:
    """A source of tenant demo, which may have so many only."""
    made = make_matchmaker(alice)
    yield made
    alice.delete(f"{SOURCES}{made.id}/")
