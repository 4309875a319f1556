"""The access table: every method of every route, tried by everybody who could come (tests/api/who_may.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.checks import outcome
from tests.api.database import SqliteState, about, rows_on_postgres
from tests.api.forgeries import FORGERIES
from tests.api.routes import Route, api_routes
from tests.api.who_may import BAD, KEYS, MATCH_SOCKET, MORE_BAD, NOT_AUTHENTICATED, SEES, SOCKET, TABLE, Row, all_cells
from tests.api.world import ALICE, OF_CHAT, OF_TENANT, OF_USER, World, make_world
from tests.client import Socket
from tests.services.server import Prepared, Server, copy_sqlite

SECRETS = (OF_CHAT, OF_USER, OF_TENANT)
ALL_BAD = sorted({*BAD, *MORE_BAD, *FORGERIES})
CLOSED = Row({})
CELLS = [(name, who, cell) for name in TABLE for who, cell in all_cells(name).items()]
ALLOWED = [(name, who, cell) for name, who, cell in CELLS if isinstance(cell, int)]
REFUSED = [(name, who, cell) for name, who, cell in CELLS if not isinstance(cell, int)]


def named(cells: list[tuple[Any, ...]]) -> list[str]:
    return [f"{cell[0]} by {cell[1]}" for cell in cells]


def refused_to(who: str) -> dict[str, tuple[int, str]]:
    """What somebody may not, and how they are told."""
    return {name: cell for name, whose, cell in REFUSED if whose == who}


@contextmanager
def noting(name: str) -> Iterator[None]:
    """Say in a failure which row it is about: tests of their own would cost more time."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"at {name}")
        raise


@dataclass
class Place:
    """A server with everybody in it."""

    server: Server
    world: World
    http: httpx.Client

    def ask(self, name: str, who: str, ids: dict[str, str] | None = None, **headers: Any) -> httpx.Response:
        """What a row is about, asked by somebody; of other ids if they are given."""
        row, ids = TABLE[name], self.world.ids if ids is None else ids
        route = _routes()[name.partition(" (")[0]]
        path = route.path(**{**ids, **{key: ids[other] for key, other in row.values.items()}})
        body = {} if route.method in ("GET", "DELETE") else {"json": _body_of(row, route, ids)}
        headers = headers or self.world.headers_of(who)
        return self.http.request(route.method, path, params=dict(row.query), headers=headers, **body)

    def socket(self, headers: dict[str, bytes], query: str = "") -> Socket:
        """A socket on the chat session in question."""
        url = f"{self.server.ws_url}/ws/v1/sessions/{self.world.ids['chat_session_id']}/{query}"
        return Socket(url, {name: value.decode() for name, value in headers.items()})

    def match_socket(self, headers: dict[str, bytes], user: str = "") -> Socket:
        """A socket at matchmaking."""
        url = f"{self.server.ws_url}/ws/v1/match/{f'?user={user}' if user else ''}"
        return Socket(url, {name: value.decode() for name, value in headers.items()})


@cache
def _routes() -> dict[str, Route]:
    return {str(route): route for route in api_routes()}


def _body_of(row: Row, route: Route, ids: dict[str, str]) -> Any:
    text = json.dumps(route.body if row.body is None else row.body)
    return json.loads(text.replace("{chat_session_id}", ids["chat_session_id"]))


@contextmanager
def open_place(server: Server) -> Iterator[Place]:
    """Make everybody there, and a client that keeps no cookies."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http:
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield Place(server, make_world(server), http)


@pytest.fixture(scope="module")
def place(prepared_sqlite: Prepared, provider: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server of this module's own, on SQLite."""
    model = {"OPENAI_API_KEY": "test-provider-key", "OPENAI_BASE_URL": provider.base_url, "CHAT_MODEL": "test-model"}
    never = {"PAUSE_AFTER_SECONDS": "86400", "END_AFTER_SECONDS": "86400"}  # or silence changes rows after five minutes
    server = Server(prepared_sqlite, copy_sqlite(prepared_sqlite, tmp_path_factory.mktemp("access")), **model, **never)
    try:
        with open_place(server.start()) as made:
            yield made
    finally:
        server.close()


@pytest.fixture(scope="module")
def first_state(place: Place) -> Iterator[SqliteState]:
    state = SqliteState(place.server)
    yield state
    state.close()


@pytest.fixture
def state(first_state: SqliteState) -> Iterator[SqliteState]:
    """The database, which is put back as it was."""
    yield first_state
    first_state.put_back()


# The table is whole -------------------------------------------------------------------------------
def test_every_route_says_who_may():
    known = {name.partition(" (")[0] for name in TABLE}
    missing = sorted({str(route) for route in api_routes()} - known)
    assert missing == [], "say who may, in tests/api/who_may.py"
    assert known <= {str(route) for route in api_routes()}, "these routes are gone"
    assert len(known) > 40


# Every cell ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "who", "cell"), ALLOWED, ids=named(ALLOWED))
def test_who_may_is_let_in(place: Place, state: SqliteState, name: str, who: str, cell: int):
    response = place.ask(name, who)
    assert response.status_code == cell, response.text
    assert secrets_in(response) <= set(SEES.get(who.split(maxsplit=1)[0], ()))
    if who not in SEES:
        assert about(state.first, place.world.victim) <= state.rows()


@pytest.mark.parametrize("who", dict.fromkeys(who for _, who, _ in REFUSED))
def test_who_may_not_is_refused(place: Place, state: SqliteState, who: str):
    for name, cell in refused_to(who).items():
        with noting(name):
            response = place.ask(name, who)
            assert outcome(response) == cell
            assert response.headers.get("WWW-Authenticate") == ("Bearer" if cell[0] == 401 else None)
            assert secrets_in(response) == set()
            assert state.is_as_it_was()
            if cell[0] == 404:  # as if it were not there
                assert problem_of(place.ask(name, who, elsewhere(place))) == problem_of(response)


@pytest.mark.parametrize("who", BAD)
def test_bad_credential_opens_nothing(place: Place, state: SqliteState, who: str):
    for name in (name for name in TABLE if " (" not in name):
        with noting(name):
            response = place.ask(name, who)
            cell = TABLE[name].cells["nobody"] if TABLE[name].is_open else NOT_AUTHENTICATED
            assert outcome(response)[0] == (cell if isinstance(cell, int) else cell[0])
            assert secrets_in(response) == set()
            assert state.is_as_it_was()


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
@pytest.mark.parametrize("who", ALL_BAD)
def test_bad_credential_is_bad_in_both_headers(place: Place, state: SqliteState, who: str, header: str):
    shown = place.world.headers_of(who)["Authorization"]
    good_cookie = place.world.headers_of("browser")["Cookie"]
    shown = shown if header == "Authorization" else shown.removeprefix(b"Bearer ")
    for headers in ({header: shown}, {header: shown, "Cookie": good_cookie}):
        assert outcome(place.ask("GET session-list", who, **headers)) == NOT_AUTHENTICATED
    assert state.is_as_it_was()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "TRACE"])
@pytest.mark.parametrize("who", ["nobody", "other_key", "other_user", "person"])
def test_other_methods_tell_strangers_nothing(place: Place, state: SqliteState, who: str, method: str):
    for route in {route.name: route for route in api_routes()}.values():
        response = place.http.request(method, route.path(**place.world.ids), headers=place.world.headers_of(who))
        is_open = who != "nobody" or TABLE.get(f"POST {route.name}", CLOSED).is_open
        assert response.status_code in ({200, 204, 400, 403, 404, 405} if is_open else {401, 405}), route
        assert secrets_in(response) == set(), route
    assert state.is_as_it_was()


# Sockets ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("who", "cell"), SOCKET.items(), ids=SOCKET)
def test_who_may_is_let_in_to_the_socket(place: Place, state: SqliteState, who: str, cell: str | int):
    with place.socket(place.world.headers_of(who)) as socket:
        assert (socket.recv()["type"] if isinstance(cell, str) else socket.wait_closed()) == cell
        assert bool(socket.seen) == isinstance(cell, str)
    assert state.is_as_it_was()


@pytest.mark.parametrize(("who", "cell"), MATCH_SOCKET.items(), ids=MATCH_SOCKET)
def test_who_may_is_let_in_to_the_match_socket(place: Place, state: SqliteState, who: str, cell: str | int):
    with place.match_socket(place.world.headers_of(who), ALICE if who in KEYS else "") as socket:
        assert (socket.recv()["type"] if isinstance(cell, str) else socket.wait_closed()) == cell
        assert bool(socket.seen) == isinstance(cell, str)
    assert state.is_as_it_was()


@pytest.mark.parametrize("who", ["other_user", "person"])
def test_match_socket_is_opened_for_nobody_else(place: Place, state: SqliteState, who: str):
    with place.match_socket(place.world.headers_of(who), ALICE) as socket:
        assert (socket.wait_closed(), [frame["code"] for frame in socket.seen]) == (4400, ["not_yours"])
    assert state.is_as_it_was()


@pytest.mark.parametrize("who", ALL_BAD)
def test_bad_credential_opens_no_socket(place: Place, state: SqliteState, who: str):
    shown = place.world.headers_of(who)["Authorization"]
    for headers in ({"Authorization": shown}, {"X-API-Key": shown.removeprefix(b"Bearer ")}):
        for socket in (place.socket(headers), place.match_socket(headers, ALICE)):
            with socket:
                assert (socket.wait_closed(), socket.seen) == (4401, [])
    assert state.is_as_it_was()


@pytest.mark.parametrize("who", ["owner_key", "owner", "bound_here", "tenant_owner"])
def test_only_a_ticket_is_a_ticket(place: Place, state: SqliteState, who: str):
    with place.socket({}, f"?ticket={place.world.shown[who]}") as socket:
        assert (socket.wait_closed(), socket.seen) == (4401, [])
    assert state.is_as_it_was()


# On PostgreSQL ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def grown_place(grown_servers: tuple[Server, Server]) -> Iterator[Place]:
    """A server on PostgreSQL, with what others do there, too."""
    with open_place(grown_servers[0]) as made:
        yield made


@pytest.mark.parametrize("who", ["nobody", "bound_elsewhere", "other_user", "other_key", "other_tenant_user", "person"])
def test_who_may_not_is_refused_on_postgres(grown_place: Place, who: str):
    before = about(rows_on_postgres(grown_place.server), grown_place.world.victim)
    refused = refused_to(who)
    answers = {name: grown_place.ask(name, who) for name in refused}
    assert {name: outcome(response) for name, response in answers.items()} == refused
    assert set().union(*map(secrets_in, answers.values())) == set()
    assert before <= rows_on_postgres(grown_place.server)


def test_bad_credentials_open_nothing_on_postgres(grown_place: Place):
    refused = [outcome(grown_place.ask("GET session-list", who)) for who in ALL_BAD]
    assert refused == [NOT_AUTHENTICATED] * len(ALL_BAD)


@pytest.mark.parametrize(
    "session", ['"\\000aaaaaaaaaaaa"', '"\\377\\376aaaaaaaaaa"', "é" * 32, "a" * 4000, "x; sessionid=y"]
)
def test_strange_cookie_is_none_on_postgres(grown_place: Place, session: str):
    for headers in ({}, {"Authorization": "Bearer garbage"}):
        cookie = {**headers, "Cookie": f"sessionid={session}".encode()}
        assert outcome(grown_place.ask("GET session-list", "", **cookie)) == NOT_AUTHENTICATED
    assert grown_place.http.get("/", headers={"Cookie": f"sessionid={session}".encode()}).status_code == 200


@pytest.mark.parametrize("who", ["owner_key", "owner", "bound_here", "person"])
def test_who_may_reads_on_postgres(grown_place: Place, who: str):
    allowed = {name: cell for name, whose, cell in ALLOWED if whose == who and name.startswith("GET ")}
    assert {name: grown_place.ask(name, who).status_code for name in allowed} == allowed


# What is looked at --------------------------------------------------------------------------------
def secrets_in(response: httpx.Response) -> set[str]:
    told = response.text + str(response.headers)
    return {secret for secret in SECRETS if secret in told}


def elsewhere(place: Place) -> dict[str, str]:
    """Ids of nothing."""
    return {name: str(uuid4()) for name in place.world.ids}


def problem_of(response: httpx.Response) -> dict[str, Any]:
    return {**response.json(), "request_id": ""}
