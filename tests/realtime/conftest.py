"""What the tests of the socket share."""

import pytest

from tests.client import ApiClient


@pytest.fixture
def chat(alice: ApiClient) -> str:
    """A chat session of alice's."""
    return alice.start(name="Alice")["id"]
