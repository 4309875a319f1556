"""People who look for somebody, over REST and sockets. Each test has a language of its own, in which nobody else is."""

from __future__ import annotations

import random
from string import ascii_lowercase
from typing import Any
from uuid import uuid4

import httpx

from tests.api.checks import change_rows, read_rows
from tests.client import ApiClient, Socket
from tests.services.server import Server

TICKETS = "/api/v1/match/tickets/"
BLOCKS = "/api/v1/match/blocks/"
_TABLE = "matchmaking_matchticket"


def fresh_language() -> str:
    """A language that nobody else speaks: whoever insists on it meets nobody else."""
    return "".join(random.choices(ascii_lowercase, k=8))


class Seeker(ApiClient):
    """An end user who insists on a language. With a key, or with a token of their own (`is_key=False`)."""

    def __init__(self, server: Server, language: str, *, key: str = "", name: str = "", is_key: bool = True) -> None:
        super().__init__(server.url, key or server.key, f"{name or 'seeker'}-{uuid4()}")
        self.server, self.language, self.is_key, self.name = server, language, is_key, name
        self._match_sockets: list[Socket] = []

    @property
    def preferences(self) -> dict[str, Any]:
        """Whom they want to meet."""
        return {"language": self.language, "strict": ["language"]}

    def as_token(self) -> Seeker:
        """The same person with a token of their own."""
        made = Seeker(self.server, self.language, key=token_for(self), is_key=False)
        made.external_id = self.external_id
        self._match_sockets.append(made)  # type: ignore[arg-type]  # closed with this one
        return made

    def join(self, **body: Any) -> httpx.Response:
        """Look for somebody."""
        user = {"user": {"external_id": self.external_id, **({"name": self.name} if self.name else {})}}
        return self.post(TICKETS, {**(user if self.is_key else {}), "preferences": self.preferences, **body})

    def joined(self, **body: Any) -> dict[str, Any]:
        """Look for somebody, as somebody new in the queue. Gives the ticket."""
        response = self.join(**body)
        assert response.status_code == 201, response.text
        return dict(response.json())

    def ticket(self, id_: str) -> dict[str, Any]:
        """The ticket as it is now."""
        return dict(self.get(f"{TICKETS}{id_}/").raise_for_status().json())

    def acting(self, **body: Any) -> dict[str, Any]:
        """A body for a room, in which a key names who acts."""
        return {**({"user": self.external_id} if self.is_key else {}), **body}

    def match_socket(self, query: str | None = None) -> Socket:
        """Open a match socket; `query` instead of what names the person, a ticket instead of the credential."""
        query = (f"?user={self.external_id}" if self.is_key else "") if query is None else query
        headers = {} if "ticket=" in query else self.headers
        socket = Socket(f"{self.server.ws_url}/ws/v1/match/{query}", headers)
        self._match_sockets.append(socket)
        return socket

    def at_match(self) -> Socket:
        """An open match socket that was told that nothing is there."""
        socket = self.match_socket()
        assert socket.recv() == {"type": "match.ready", "ticket": None}
        return socket

    def looking(self, **fields: Any) -> Socket:
        """An open match socket of somebody who has just joined by it."""
        socket = self.at_match()
        profile = {"user": {"name": self.name}} if self.name else {}
        socket.send("match.join", preferences=self.preferences, **{**profile, **fields})
        assert socket.recv()["type"] == "match.waiting"
        return socket

    def close(self) -> None:
        """Close every socket and the HTTP connections."""
        for socket in self._match_sockets:
            socket.close()
        super().close()


def token_for(client: ApiClient, **body: Any) -> str:
    """A token of an end user, by their application's key."""
    response = client.post("/api/v1/tokens/", {"user": {"external_id": client.external_id}, **body})
    return str(response.raise_for_status().json()["token"])


def meet(first: Seeker, second: Seeker) -> str:
    """Both look for somebody, and find each other. Gives the room."""
    sockets = first.looking(), second.looking()
    room = enter_room(*sockets)
    for socket in sockets:
        socket.close()
    return room


def enter_room(*sockets: Socket) -> str:
    """Two people find each other. Who got a personality meanwhile says yes to that. Gives the room."""
    for socket in sockets:
        asked = socket.recv_until("match.human_found")["proposal"]
        if asked is not None and asked["must_answer"]:
            socket.send("match.accept", proposal=asked["id"])
    rooms = {socket.recv_until("match.matched")["session"]["id"] for socket in sockets}
    assert len(rooms) == 1, "they are in two rooms"
    return str(rooms.pop())


def age_ticket(server: Server, id_: str, column: str, seconds: int) -> None:
    """Move a time of a ticket into the past."""
    assert _age(server, _TABLE, id_, column, seconds) == 1


def age_proposal(server: Server, id_: str, seconds: int) -> None:
    """As if a question had been asked so long before."""
    assert _age(server, "matchmaking_matchproposal", id_, "expires_at", seconds) == 1


def set_language(server: Server, id_: str, language: str) -> None:
    """As if a ticket had been about this language."""
    sql = f"UPDATE {_TABLE} SET language = ?, version = version + 1 WHERE id = ?"
    assert change_rows(server, sql, language, _id(server, id_)) == 1


def seen_at(server: Server, id_: str) -> str:
    """When the person of a ticket was seen last."""
    return str(read_rows(server, f"SELECT seen_at FROM {_TABLE} WHERE id = ?", _id(server, id_))[0][0])


def _age(server: Server, table: str, id_: str, column: str, seconds: int) -> int:
    if server.database_url.startswith("sqlite"):
        value = f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-{seconds} seconds')"
    else:
        value = f"{column} - interval '{seconds} seconds'"
    return change_rows(server, f"UPDATE {table} SET {column} = {value} WHERE id = ?", _id(server, id_))


def _id(server: Server, id_: str) -> str:
    return id_.replace("-", "") if server.database_url.startswith("sqlite") else id_
