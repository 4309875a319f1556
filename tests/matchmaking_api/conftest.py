"""People who look for somebody, on servers where nobody waits for ten seconds."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import MakeServer
from tests.matchmaking_api.seekers import Seeker, fresh_language
from tests.services.server import Server

MakeSeeker = Callable[..., Seeker]
QUICK = {"MATCH_TIMEOUT_SECONDS": "2"}


@pytest.fixture
def language() -> str:
    """A language of this test's own."""
    return fresh_language()


@pytest.fixture
def make_seeker(language: str) -> Iterator[MakeSeeker]:
    """People of this test: `make_seeker(server)`, `make_seeker(server, name="Grace", is_key=False)`."""
    made: list[Seeker] = []

    def make(server: Server, **options: object) -> Seeker:
        made.append(Seeker(server, language, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for seeker in made:
        seeker.close()


@pytest.fixture(scope="session")
def quick_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """Makes servers on which a personality steps in after two seconds; they run until the end."""
    made = MakeServer(request, tmp_path_factory.mktemp("quick"))
    yield made
    for server in made.made:
        server.close()


@pytest.fixture(scope="session")
def quick_embedded(quick_servers: MakeServer) -> tuple[Server, Server]:
    """One process on SQLite, named twice."""
    server = quick_servers(**QUICK)
    return server, server


@pytest.fixture(scope="session")
def quick_grown(quick_servers: MakeServer) -> tuple[Server, Server]:
    """Two processes on PostgreSQL and Redis."""
    server = quick_servers(grown=True, **QUICK)
    return server, quick_servers.beside(server)


@pytest.fixture(scope="session", params=["embedded", "grown"])
def quick(request: pytest.FixtureRequest) -> tuple[Server, Server]:
    """Where the first and where the second person is, in both ways to run."""
    found: tuple[Server, Server] = request.getfixturevalue(f"quick_{request.param}")
    return found


@pytest.fixture(scope="session", params=["embedded", "grown"])
def patient(request: pytest.FixtureRequest) -> tuple[Server, Server]:
    """The same where a personality steps in after ten seconds: both are there before."""
    if request.param == "grown":
        found: tuple[Server, Server] = request.getfixturevalue("grown_servers")
        return found
    server: Server = request.getfixturevalue("embedded_server")
    return server, server


@pytest.fixture
def ada(quick: tuple[Server, Server], make_seeker: MakeSeeker) -> Seeker:
    """Somebody who looks for somebody, on the first process."""
    return make_seeker(quick[0], name="Ada")


@pytest.fixture
def grace(quick: tuple[Server, Server], make_seeker: MakeSeeker) -> Seeker:
    """Somebody who looks for somebody, on the second process."""
    return make_seeker(quick[1], name="Grace")
