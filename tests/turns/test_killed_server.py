"""kill -9 in the middle of a reply: what was accepted is there, what ran is ended, who waited is answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.services.provider import Provider
from tests.services.server import Server
from tests.turns.scenes import accept, hurry, said, seqs, settled, words
from tests.waiting import wait_until

LONG = words(400)
LEASE_SECONDS, REAP_SECONDS = 15, 10


@dataclass
class Killed:
    """A server that was killed while two replies ran, and started again."""

    client: ApiClient
    lonely: str  # nobody wrote while its reply ran
    busy: str  # two messages were waiting in it
    saved: dict[str, str]  # the texts that were stored before the kill


@pytest.fixture(scope="module")
def killed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, provider: Provider
) -> Iterator[Killed]:
    make_server = MakeServer(request, tmp_path_factory.mktemp("killed"))
    try:
        found = kill_in_the_middle(make_server(), provider)
        yield found
        found.client.close()
    finally:
        for server in make_server.made:
            server.close()


def kill_in_the_middle(server: Server, provider: Provider) -> Killed:
    client = ApiClient(server.url, server.key)
    marker = provider.reply_with(LONG, tokens_delay=0.05)
    lonely, busy = (client.start()["id"] for _ in range(2))
    for chat, waiting in ((lonely, ()), (busy, ("first in line", "second in line"))):
        with client.socket(chat) as socket:
            accept(socket, f"tell {marker}")
            socket.recv_until("reply.delta")
            for content in waiting:
                accept(socket, content)
    saved = {chat: wait_until(lambda chat=chat: client.messages(chat)[1]["content"], 8) for chat in (lonely, busy)}
    server.kill()
    hurry(provider, marker)
    server.start()
    return Killed(client, lonely, busy, saved)


def test_accepted_message_survives(killed: Killed) -> None:
    assert len(said(killed.client.messages(killed.lonely))) == 1
    assert said(killed.client.messages(killed.busy))[1:] == ["first in line", "second in line"]


def test_reply_that_ran_is_failed_with_the_text_so_far(killed: Killed) -> None:
    for chat in (killed.lonely, killed.busy):
        reply = killed.client.messages(chat)[1]
        assert (reply["status"], reply["error"]["code"], reply["error"]["retryable"]) == ("failed", "interrupted", True)
        assert reply["content"].startswith(killed.saved[chat])
        assert LONG.startswith(reply["content"])


def test_messages_that_waited_are_answered_by_the_new_process(killed: Killed) -> None:
    messages = settled(killed.client, killed.busy)
    assert [(one["role"], one["status"]) for one in messages] == [
        ("user", "complete"), ("assistant", "failed"), ("user", "complete"), ("user", "complete"),
        ("assistant", "complete"),
    ]  # fmt: skip
    assert {one["answered_by"] for one in messages[2:4]} == {messages[4]["id"]}


def test_numbers_go_on_without_a_gap(killed: Killed) -> None:
    assert seqs(settled(killed.client, killed.busy)) == [1, 2, 3, 4, 5]


def test_retry_completes_what_was_interrupted(killed: Killed) -> None:
    failed = killed.client.messages(killed.lonely)[1]
    path = f"/api/v1/sessions/{killed.lonely}/messages/{failed['id']}/retry/"
    reply = killed.client.post(path).json()["reply"]
    assert (reply["status"], reply["content"]) == ("complete", LONG)
    assert seqs(killed.client.messages(killed.lonely)) == [1, 2, 3]


def test_nothing_is_left_running(killed: Killed) -> None:
    assert "chatify_replies_running 0.0" in killed.client.get("/metrics").text


# One of two processes ------------------------------------------------------------------------------
def expire_leases(server: Server) -> None:
    """Let the leases of the dead run out now, to spare 15 seconds of waiting for that."""
    with psycopg.connect(server.database_url) as connection:
        connection.execute("UPDATE chat_sessions_message SET lease_expires_at = now() WHERE status = 'streaming'")


def kill_one_of_two(
    make_server: MakeServer, make_client: MakeClient, provider: Provider, *, is_patient: bool
) -> tuple[dict[str, Any], list[dict[str, Any]], Any]:
    """Process A dies in the middle of a reply that a socket of process B follows."""
    first = make_server(grown=True)
    second = make_server.beside(first)
    here, there = (make_client(server, external_id="two") for server in (first, second))
    chat = here.start()["id"]
    follower = there.socket(chat)
    with here.socket(chat) as socket:
        accept(socket, provider.reply_with(LONG, tokens_delay=0.1))
        follower.recv_until("reply.delta")
        accept(socket, "and me?")
        first.kill()
    if not is_patient:
        expire_leases(first)
    failed = follower.recv_until("reply.failed", timeout=LEASE_SECONDS + REAP_SECONDS + 5)
    return failed, settled(there, chat), follower


def check_takeover(failed: dict[str, Any], messages: list[dict[str, Any]], follower: Any) -> None:
    """B has ended A's reply with its text, told its socket so, and answered who waited."""
    assert (failed["code"], failed["retryable"]) == ("interrupted", True)
    if follower.types()[-1] != "reply.completed":
        follower.recv_until("reply.completed")
    assert [(one["seq"], one["role"], one["status"]) for one in messages] == [
        (1, "user", "complete"), (2, "assistant", "failed"), (3, "user", "complete"), (4, "assistant", "complete"),
    ]  # fmt: skip
    assert messages[3]["content"] == "You said: and me?"
    assert follower.text_of(messages[3]["id"]) == messages[3]["content"]
    assert LONG.startswith(follower.text_of(messages[1]["id"]))


def test_other_process_takes_over_from_a_dead_one(
    make_server: MakeServer, make_client: MakeClient, provider: Provider
) -> None:
    check_takeover(*kill_one_of_two(make_server, make_client, provider, is_patient=False))


@pytest.mark.soak
def test_other_process_takes_over_when_the_lease_runs_out(
    make_server: MakeServer, make_client: MakeClient, provider: Provider
) -> None:
    check_takeover(*kill_one_of_two(make_server, make_client, provider, is_patient=True))


@pytest.mark.soak
def test_twenty_kills_lose_no_accepted_message(
    make_server: MakeServer, make_client: MakeClient, provider: Provider
) -> None:
    server = make_server()
    chat = make_client(server).start()["id"]
    accepted: list[str] = []
    for number in range(20):
        client = make_client(server)
        with client.socket(chat) as socket:
            for part in range(3):
                accept(socket, content := f"kill {number}.{part} [[n=40,gap={10 + number * 7}]]")
                accepted.append(content)
            socket.recv_until("reply.delta")
            server.kill()
        server.start()
    messages = settled(make_client(server), chat, timeout=60)
    assert said(messages) == accepted
    assert seqs(messages) == list(range(1, len(messages) + 1))
