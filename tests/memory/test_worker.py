"""Real workers: killed, frozen and two at once, on Redis and inside the server, they make each summary once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.checks import change_many, change_rows, read_rows
from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.services.provider import Call, Provider
from tests.services.redis import Redis
from tests.services.server import Server
from tests.services.workers import HURRIED_SERVER, Workers, workers_beside
from tests.waiting import wait_until

SAID = """
insert into chat_sessions_message (id, tenant_id, chat_session_id, seq, role, content, status, created_at, error_code,
  model, is_usage_estimated, lease_owner, epoch, cancel_requested)
select ?, tenant_id, id, ?, ?, ?, 'complete', created_at, '', '', ?, '', 0, ?
from chat_sessions_chatsession where id = ?
"""
DUE = "update chat_sessions_chatsession set last_seq = ?, memory_due_at = ? where id = ?"
LEASE_OVER = "update chat_sessions_chatsession set memory_due_at = ? where id = ?"
STATE = (
    "select summarized_seq, memory_claim, memory_attempts, memory_due_at from chat_sessions_chatsession where id = ?"
)
SUMMARIES = "select from_seq, to_seq, text from chat_sessions_summary where chat_session_id = ? order by from_seq"
_LONG_AGO = "2020-01-01 00:00:00"
_COUNT, _END = 20, 13  # so many messages, and so many of them leave the window


class Conversation:
    """A chat session of a server in which much was said. Its memory is due."""

    def __init__(self, server: Server, client: ApiClient, provider: Provider, marker: str) -> None:
        self._server, self._provider = server, provider
        self.id = self._key(UUID(client.start()["id"]))
        self.mark = f"mark-{uuid4()}"
        texts = [f"{self.mark} {marker}", *(f"This is number {seq}." for seq in range(2, _COUNT + 1))]
        change_many(server, SAID, [self._row(seq, text) for seq, text in enumerate(texts, 1)])
        change_rows(server, DUE, _COUNT, _LONG_AGO, self.id)

    def _row(self, seq: int, text: str) -> tuple[Any, ...]:
        return self._key(uuid4()), seq, "user" if seq % 2 else "assistant", text, False, False, self.id

    def _key(self, id_: UUID) -> Any:
        return id_.hex if self._server.database_url.startswith("sqlite") else id_

    def let_lease_run_out(self) -> None:
        """Turn the clock for it."""
        assert change_rows(self._server, LEASE_OVER, _LONG_AGO, self.id) == 1

    @property
    def calls(self) -> list[Call]:
        """The calls for its summary."""
        return self._provider.memory_calls_about(self.mark)

    @property
    def summaries(self) -> list[tuple[int, int, str]]:
        """Range and text."""
        return read_rows(self._server, SUMMARIES, self.id)

    @property
    def is_claimed(self) -> bool:
        """Whether some worker has it, dead or alive."""
        return self._state[1] is not None

    @property
    def is_done(self) -> bool:
        """Whether nothing is due any more."""
        return self._state == (_END, None, 0, None)

    @property
    def _state(self) -> tuple[Any, ...]:
        return tuple(read_rows(self._server, STATE, self.id)[0])

    def wait_for_call(self, number: int) -> Call:
        """The call of that number, as soon as it is there."""
        return wait_until(lambda: self.calls[number - 1 :], 40, f"call {number} for a summary")[0]

    def wait_done(self) -> None:
        """Wait until memory has done its work."""
        wait_until(lambda: self.is_done, 40, "the summary")


Converse = Callable[..., Conversation]


@pytest.fixture
def converse(make_client: MakeClient, provider: Provider) -> Converse:
    """Makes conversations: `converse(server, "[[hang]]")`; the marker is the model's who summarises."""
    return lambda server, marker="": Conversation(server, make_client(server), provider, marker)


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """Servers for all tests of this module."""
    make = MakeServer(request, tmp_path_factory.mktemp("worker"))
    yield make
    for server in make.made:
        server.close()


@pytest.fixture(scope="module")
def grown(servers: MakeServer) -> Server:
    """A server whose tasks are done by workers."""
    return servers(grown=True)


# On Redis -----------------------------------------------------------------------------------------
def test_killed_worker_loses_nothing_and_the_next_one_makes_it_once(
    grown: Server, converse: Converse, redis: Redis, tmp_path: Path
) -> None:
    chat = converse(grown, "[[hang,times=1]] [[say:The one summary.]]")
    with workers_beside(grown, redis.url(6), tmp_path) as workers:
        workers.beat("beat")
        first = workers.worker("first")
        workers.expect(lambda: chat.wait_for_call(1))
        first.kill()
        assert chat.is_claimed
        assert chat.summaries == []
        workers.worker("second")
        chat.let_lease_run_out()
        workers.expect(chat.wait_done)
    assert chat.summaries == [(1, _END, "The one summary.")]
    assert len(chat.calls) == 2


def test_worker_that_comes_back_after_its_lease_writes_nothing(
    grown: Server, converse: Converse, redis: Redis, provider: Provider, tmp_path: Path
) -> None:
    chat = converse(grown, provider.reply_with("Said slowly.", ttft=2.0))
    with workers_beside(grown, redis.url(7), tmp_path) as workers:
        workers.beat("beat")
        first = workers.worker("first")
        workers.expect(lambda: chat.wait_for_call(1))
        first.freeze()
        workers.worker("second")
        chat.let_lease_run_out()
        workers.expect(chat.wait_done)
        first.thaw()
        wait_until(lambda: '"result": "lost"' in first.log_text(), 20, "the loss")
    assert chat.summaries == [(1, _END, "Said slowly.")]
    assert len(chat.calls) == 2


def test_two_workers_and_two_beats_make_each_summary_once(
    grown: Server, converse: Converse, redis: Redis, tmp_path: Path
) -> None:
    chats = [converse(grown, "[[ttft=200]]") for _ in range(8)]
    with workers_beside(grown, redis.url(8), tmp_path) as workers:
        start_two_of_each(workers)
        for chat in chats:
            workers.expect(chat.wait_done)
        assert all(code == 0 for name, code in workers.stop().items() if name.startswith("worker"))
    assert [[summary[:2] for summary in chat.summaries] for chat in chats] == [[(1, _END)]] * len(chats)
    assert [len(chat.calls) for chat in chats] == [1] * len(chats)


def start_two_of_each(workers: Workers) -> None:
    for name in ("1", "2"):
        workers.worker(f"worker{name}")
        workers.beat(f"beat{name}")


# Inside the server --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def hurried(servers: MakeServer) -> Server:
    """A server with worker and beat inside, not started."""
    server = servers(start=False, PAUSE_AFTER_SECONDS="3")
    server.program = HURRIED_SERVER
    return server


@pytest.fixture
def embedded(hurried: Server) -> Server:
    """It, running."""
    return hurried if hurried.is_running else hurried.start()


def test_killed_server_loses_nothing_and_makes_it_once_when_it_is_back(embedded: Server, converse: Converse) -> None:
    chat = converse(embedded, "[[hang,times=1]] [[say:The one summary.]]")
    chat.wait_for_call(1)
    embedded.kill()
    assert chat.is_claimed
    assert chat.summaries == []
    chat.let_lease_run_out()
    embedded.start()
    chat.wait_done()
    assert chat.summaries == [(1, _END, "The one summary.")]
    assert len(chat.calls) == 2


def test_stopped_server_does_not_wait_for_the_model_and_gives_the_work_back(
    embedded: Server, converse: Converse
) -> None:
    chat = converse(embedded, "[[hang,times=1]] [[say:The one summary.]]")
    call = chat.wait_for_call(1)
    assert embedded.terminate(timeout=12) in (0, -signal.SIGTERM)
    wait_until(lambda: call.state == "aborted", 5, "the call was cut off")
    assert not chat.is_claimed
    embedded.start()  # what was given back is due at once
    chat.wait_done()
    assert chat.summaries == [(1, _END, "The one summary.")]


def test_model_that_does_not_answer_holds_up_no_other_task(
    embedded: Server, make_client: MakeClient, converse: Converse
) -> None:
    client = make_client(embedded)
    converse(embedded, "[[hang]]").wait_for_call(1)
    chat = client.start()["id"]
    with client.socket(chat) as socket:
        assert socket.recv_until("session.paused", timeout=10)["reason"] == "silence"
