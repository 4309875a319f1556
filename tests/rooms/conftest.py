"""Human rooms on running servers, and in the database of the test."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from sessions.models import ChatSession
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.rooms import populate
from tests.services.server import Server

MADE_AT_ONCE = 12


@dataclass(frozen=True)
class Room:
    """A room of two people, each with a token of their own, and the key of their application."""

    id: str
    ada: ApiClient
    ben: ApiClient
    key: ApiClient

    @property
    def path(self) -> str:
        """Where it is over REST."""
        return f"/api/v1/sessions/{self.id}/"


class Rooms:
    """Rooms in the databases of servers: made a dozen at a time, since that takes a process each time."""

    def __init__(self) -> None:
        self._made: dict[str, list[tuple[str, str, str]]] = {}

    def take(self, server: Server) -> tuple[str, str, str]:
        """The ids of a fresh room and of its two people."""
        left = self._made.setdefault(server.database_url, [])
        if not left:
            code = f"from tests.rooms import populate; populate.main({MADE_AT_ONCE})"
            left += [tuple(one) for one in json.loads(server.manage("shell", "-c", code).stdout.splitlines()[-1])]
        return left.pop()


@pytest.fixture(scope="session")
def rooms() -> Rooms:
    return Rooms()


def enter(rooms: Rooms, make_client: MakeClient, first: Server, second: Server | None = None) -> Room:
    """A fresh room with its people, Ada at one server and Ben at another one, or at the same."""
    id_, ada, ben = rooms.take(first)
    key = make_client(first)

    def person(server: Server, external_id: str) -> ApiClient:
        token = key.post("/api/v1/tokens/", {"user": {"external_id": external_id}}).json()["token"]
        return make_client(server, key=token, external_id=external_id)

    return Room(id_, person(first, ada), person(second or first, ben), key)


@pytest.fixture
def room(rooms: Rooms, server: Server, make_client: MakeClient) -> Room:
    """A fresh room."""
    return enter(rooms, make_client, server)


@pytest.fixture
def far_room(rooms: Rooms, grown_servers: tuple[Server, Server], make_client: MakeClient) -> Room:
    """A fresh room whose people are at different processes."""
    return enter(rooms, make_client, *grown_servers)


@pytest.fixture
def quiet_room(db: None) -> ChatSession:
    """A room in the database of the test."""
    return populate.make_room()
