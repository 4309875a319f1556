"""Fixtures that every test may ask for: services, servers, people and a browser."""

import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.db import close_old_connections, connection

from tests.client import ApiClient
from tests.services import ServiceMissing, chromium
from tests.services.firestore import Firestore
from tests.services.postgres import Postgres
from tests.services.provider import Provider
from tests.services.redis import Redis
from tests.services.server import Prepared, Server, copy_sqlite, prepare_postgres, prepare_sqlite
from tests.waiting import wait_until

T = TypeVar("T")
_LOG_TAIL = 6000
_numbers = itertools.count(1)
# Their tests take seconds each: at the end, one worker would wait for the other.
_LONG = ("tests/memory/test_worker.py", "tests/docs/test_first_run.py", "tests/operations/", "tests/turns/")


# How tests run ------------------------------------------------------------------------------------
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark browser tests and put them last, and what takes longest first.

    Playwright leaves an event loop running, in which Django refuses to work, so `make test` runs the two kinds
    in processes of their own.
    """
    for item in items:
        if "browser_name" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
    items.sort(key=lambda item: (item.get_closest_marker("browser") is not None, _place_of(item.nodeid)))


def _place_of(nodeid: str) -> int:
    """Where a test's file comes among the long ones; all others come after them."""
    return next((place for place, start in enumerate(_LONG) if nodeid.startswith(start)), len(_LONG))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests so that Django's database work happens on the connection of the test."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = pyfuncitem._fixtureinfo.argnames
    async_to_sync(pyfuncitem.obj)(**{name: pyfuncitem.funcargs[name] for name in arguments})
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """Show what the servers of a failed test have printed."""
    report = yield
    if report.failed:
        for server in _servers_of(getattr(item, "funcargs", {})):
            report.sections.append((f"log of {server.url}", server.log_text()[-_LOG_TAIL:]))
    return report


def _servers_of(arguments: dict[str, Any]) -> list[Server]:
    found: list[Server] = []
    for value in arguments.values():
        found += [one for one in (value if isinstance(value, tuple | list) else [value]) if isinstance(one, Server)]
        found += getattr(value, "made", [])
    return list(dict.fromkeys(found))


def _need(start: Callable[[], T]) -> T:
    """Start a service; skip the test where the machine lacks it, but fail in CI."""
    try:
        return start()
    except ServiceMissing as missing:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"missing in CI: {missing}", pytrace=False)
        pytest.skip(str(missing))


# Services -----------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL with pgvector."""
    service = _need(Postgres)
    yield service
    service.stop()


@pytest.fixture
def racing(transactional_db: None) -> Iterator[None]:
    """For tests of what several do at once (`tests.racing`)."""
    assert connection.vendor == "postgresql"
    yield
    close_old_connections()


@pytest.fixture
def one_day() -> None:
    """For tests of what is counted or told by the day (UTC): no midnight comes in the middle of them."""
    some_time = timedelta(seconds=30)
    wait_until(lambda: datetime.now(UTC).date() == (datetime.now(UTC) + some_time).date(), 60, "midnight")


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """Redis."""
    service = _need(Redis)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def firestore() -> Iterator[Firestore]:
    """Google's Firestore emulator."""
    service = _need(Firestore)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """A provider that answers what the markers in a message say."""
    service = Provider()
    yield service
    service.stop()


# Servers ------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A SQLite database to copy."""
    return prepare_sqlite(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="session")
def prepared_postgres(postgres: Postgres) -> Prepared:
    """A PostgreSQL database to copy."""
    return prepare_postgres(postgres)


@pytest.fixture(scope="session")
def embedded_server(
    prepared_sqlite: Prepared, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Chatify as `make run` has it: one process, SQLite, no Redis; the model is the test provider's."""
    database_url = copy_sqlite(prepared_sqlite, tmp_path_factory.mktemp("embedded"))
    server = Server(prepared_sqlite, database_url, **model_of(provider))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def grown_servers(
    prepared_postgres: Prepared, postgres: Postgres, redis: Redis, provider: Provider
) -> Iterator[tuple[Server, Server]]:
    """Two processes of Chatify on one PostgreSQL and one Redis."""
    database_url = postgres.create_database("grown", template=prepared_postgres.database)
    env = {"REDIS_URL": redis.url(), **model_of(provider)}
    servers = (Server(prepared_postgres, database_url, **env), Server(prepared_postgres, database_url, **env))
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.close()


@pytest.fixture(scope="session", params=["embedded", "grown"])
def server(request: pytest.FixtureRequest) -> Server:
    """Chatify in both ways to run; `parametrize("server", ["embedded"], indirect=True)` takes one of them."""
    if request.param == "embedded":
        embedded: Server = request.getfixturevalue("embedded_server")
        return embedded
    first: Server = request.getfixturevalue("grown_servers")[0]
    return first


class MakeServer:
    """Starts servers for one test, which may do with them what it likes."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self.made: list[Server] = []
        self._request, self._folder = request, folder

    def __call__(self, *, grown: bool = False, start: bool = True, **env: str | None) -> Server:
        """A server on a fresh database: SQLite, or PostgreSQL and Redis if `grown`. `env` is set on top."""
        prepared, database_url = self._database(grown)
        env = {**model_of(self._request.getfixturevalue("provider")), **env}
        if grown:
            env = {"REDIS_URL": self._request.getfixturevalue("redis").url(), **env}
        return self._add(Server(prepared, database_url, **env), start)

    def beside(self, server: Server, **env: str | None) -> Server:
        """Another process on the database and the Redis of a server."""
        prepared = Prepared(server.database_url, server.key, server.other_key)
        env = {**server.env, **env}
        return self._add(Server(prepared, env.pop("DATABASE_URL") or "", **env), start=True)

    def _add(self, server: Server, start: bool) -> Server:
        self.made.append(server)
        return server.start() if start else server

    def _database(self, grown: bool) -> tuple[Prepared, str]:
        prepared: Prepared
        if grown:
            prepared = self._request.getfixturevalue("prepared_postgres")
            postgres: Postgres = self._request.getfixturevalue("postgres")
            return prepared, postgres.create_database(f"made_{next(_numbers)}", template=prepared.database)
        prepared = self._request.getfixturevalue("prepared_sqlite")
        folder = self._folder / f"made-{next(_numbers)}"
        folder.mkdir()
        return prepared, copy_sqlite(prepared, folder)


@pytest.fixture
def make_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeServer]:
    """Servers of the test's own: `make_server(PAUSE_AFTER_SECONDS="2")`, `make_server(grown=True)`."""
    made = MakeServer(request, tmp_path)
    yield made
    for server in made.made:
        server.close()


def model_of(provider: Provider) -> dict[str, str]:
    """The settings by which a server talks to the test provider."""
    return {"OPENAI_API_KEY": "test-provider-key", "OPENAI_BASE_URL": provider.base_url, "CHAT_MODEL": "test-model"}


# People -------------------------------------------------------------------------------------------
MakeClient = Callable[..., ApiClient]


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Clients for a server: `make_client(server)`, `make_client(server, key="", external_id="x")`."""
    made: list[ApiClient] = []

    def make(server: Server, *, key: str | None = None, external_id: str = "") -> ApiClient:
        made.append(ApiClient(server.url, server.key if key is None else key, external_id))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def alice(server: Server, make_client: MakeClient) -> ApiClient:
    """An end user of tenant demo."""
    return make_client(server, external_id=f"alice-{uuid4()}")


@pytest.fixture
def bob(server: Server, make_client: MakeClient) -> ApiClient:
    """Another end user of tenant demo."""
    return make_client(server, external_id=f"bob-{uuid4()}")


@pytest.fixture
def mallory(server: Server, make_client: MakeClient) -> ApiClient:
    """An end user of another tenant, who must get at nothing of theirs."""
    return make_client(server, key=server.other_key, external_id=f"mallory-{uuid4()}")


# Browser ------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Debian's Chromium is."""
    return _need(chromium.find_chromium)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium_path: str) -> dict[str, Any]:
    """Playwright drives Debian's Chromium instead of one that it would download."""
    return {**browser_type_launch_args, "executable_path": chromium_path, "args": chromium.ARGUMENTS}
