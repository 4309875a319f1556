"""What the tests of privacy share."""

from urllib.parse import quote
from uuid import uuid4

from tests.client import ApiClient

SESSIONS = "/api/v1/sessions/"


def user_path(client: ApiClient | str, rest: str = "") -> str:
    """The path of an end user."""
    external_id = client if isinstance(client, str) else client.external_id
    return f"/api/v1/users/{quote(external_id, safe='')}/{rest}"


def new_word() -> str:
    """A text that comes up nowhere else, short enough for every column."""
    return f"w{uuid4().hex[:12]}"
