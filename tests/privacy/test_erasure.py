"""Erasure over REST: what was known about somebody is found nowhere any more, whatever was going on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from sessions.models import Message
from tests.api.checks import outcome
from tests.client import ApiClient
from tests.client import Event as SentEvent
from tests.conftest import MakeClient, MakeServer
from tests.privacy.calls import SESSIONS, new_word, user_path
from tests.privacy.planting import models_about_people
from tests.privacy.traces import tables, traces
from tests.services.provider import Provider
from tests.services.server import Server, run_python
from tests.waiting import wait_until


def erase(client: ApiClient) -> None:
    answer = client.delete(user_path(client))
    assert (answer.status_code, answer.content) == (204, b""), answer.text


# Everywhere ---------------------------------------------------------------------------------------
def live_through(client: ApiClient, provider: Provider, word: str) -> str:
    """Say the word in every way that the API has. Gives the end user's chat session."""
    client.patch(user_path(client), {"name": f"{word} name", "interests": [f"{word} i"], "style": f"{word} style"})
    body = {"user": {"external_id": client.external_id}, "title": f"{word} title", "metadata": {word: word}}
    chat = client.post(SESSIONS, body, headers={"Idempotency-Key": f"{word} key"}).json()["id"]
    marker = provider.reply_with(f"The reply says {word}.")
    turn = client.send(chat, f"{word} asks {marker}", client_message_id=f"{word} id")
    assert word in turn["reply"]["content"]
    rated = {"rating": 2, "comment": f"{word} comment", "message_id": turn["reply"]["id"]}
    client.post(f"{SESSIONS}{chat}/feedback/", rated).raise_for_status()
    client.post(f"{SESSIONS}{chat}/ticket/").raise_for_status()
    client.delete(f"{SESSIONS}{chat}/").raise_for_status()
    with client.socket(client.start(name=f"{word} name")["id"]) as socket:
        socket.say(f"{word} on a socket")
    return str(chat)


def plant(server: Server, client: ApiClient, word: str) -> set[str]:
    """Plant the word in every table that is about the end user. Gives those places."""
    done = run_python("-m", "tests.privacy.planting", word, client.external_id, env=server.env)
    return {f"table {table}" for table in json.loads(done.stdout.splitlines()[-1])}


def test_erased_user_is_found_nowhere(server: Server, provider: Provider, make_client: MakeClient) -> None:
    word = new_word()
    client, neighbour = make_client(server, external_id=f"{word}@example.org"), make_client(server)
    theirs = neighbour.send(neighbour.start()["id"], "mine stays")["message"]["content"]
    live_through(client, provider, word)
    planted = plant(server, client, word)
    found = traces(word, server)
    assert planted | {"table accounts_enduser", "table events_outboxrow", "table django_admin_log"} <= found
    erase(client)
    assert traces(word, server) == set()
    assert outcome(client.delete(user_path(client))) == (404, "not_found")
    assert traces(word, server) == set(), "nor by asking for it"
    assert f"table {Message._meta.db_table}" in traces(theirs, server)


def test_no_table_is_left_out() -> None:
    names = {model._meta.label for model in models_about_people()}
    assert {"accounts.SocketTicket", "accounts.Usage", "accounts.IdempotentCall", "chat_sessions.Feedback"} <= names


def test_all_tables_are_searched(server: Server) -> None:
    assert {"accounts_enduser", "django_session", "events_outboxrow", "chat_sessions_message"} <= set(tables(server))


def test_deleting_a_chat_session_is_soft(server: Server, make_client: MakeClient) -> None:
    client, word = make_client(server), new_word()
    chat = client.start()["id"]
    client.send(chat, word)
    client.delete(f"{SESSIONS}{chat}/").raise_for_status()
    assert outcome(client.get(f"{SESSIONS}{chat}/")) == (404, "not_found")
    assert "table chat_sessions_message" in traces(word, server)


# While something is going on ----------------------------------------------------------------------
def long_reply(provider: Provider, word: str) -> str:
    """A marker for a reply of twenty seconds."""
    return provider.reply_with(f"{word} " * 400, tokens_delay=0.05)


def check_gone(provider: Provider, word: str, *servers: Server) -> None:
    """The reply has ended with its process none the worse, and nothing of it comes back."""
    call = provider.calls_about(word)[0]
    wait_until(lambda: call.state == "aborted", 15, "the reply is not written any more")
    wait_until(lambda: '"reply_ended"' in "".join(one.log_text() for one in servers), 10)
    for server in servers:
        assert "Traceback" not in server.log_text()
        assert traces(word, server) == set()


def test_reply_that_streams_while_its_user_is_erased(
    make_server: MakeServer, provider: Provider, make_client: MakeClient
) -> None:
    server, word = make_server(), new_word()
    client = make_client(server)
    with client.socket(client.start()["id"]) as socket:
        socket.send("message.send", content=f"{word} {long_reply(provider, word)}")
        socket.recv_until("reply.delta")
        erase(client)
        assert socket.wait_closed() in (4401, 4403)
        assert socket.types()[-1] == "session.ended"
        assert socket.seen[-1]["reason"] == "deleted"
    check_gone(provider, word, server)


def test_reply_of_another_process_while_its_user_is_erased(
    make_server: MakeServer, provider: Provider, make_client: MakeClient
) -> None:
    first = make_server(grown=True)
    second, word = make_server.beside(first), new_word()
    here = make_client(first)
    there = make_client(second, external_id=here.external_id)
    chat = there.start()["id"]
    with there.socket(chat) as writer, here.socket(chat) as reader:
        writer.send("message.send", content=f"{word} {long_reply(provider, word)}")
        reader.recv_until("reply.delta")
        erase(here)
        assert {writer.wait_closed(), reader.wait_closed()} <= {4401, 4403}
    check_gone(provider, word, first, second)


def test_streams_of_the_erased_end(server: Server, provider: Provider, make_client: MakeClient) -> None:
    client, word = make_client(server), new_word()
    stream: Iterator[SentEvent] = client.sse(client.start()["id"], f"{word} {long_reply(provider, word)}")
    next(event for event in stream if event.name == "reply.delta")
    erase(client)
    assert [event.name for event in stream if event.name != "reply.delta"] in ([], ["reply.cancelled"])


def test_application_that_goes_on_writing(server: Server, make_client: MakeClient) -> None:
    client, word, is_done = make_client(server), new_word(), Event()

    def write() -> set[int]:
        mine, seen = make_client(server, external_id=client.external_id), set()
        while not is_done.is_set():
            started = mine.post(SESSIONS, {"user": {"external_id": mine.external_id, "name": word}})
            seen.add(started.status_code)
            if started.status_code == 201:
                path = f"{SESSIONS}{started.json()['id']}/"
                seen.add(mine.post(f"{path}feedback/", {"rating": 1, "comment": word}).status_code)
                seen.add(mine.patch(path, {"title": word}).status_code)
                seen.add(mine.patch(user_path(mine), {"style": word}).status_code)
        return seen

    client.start()
    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write) for _ in range(3)]
        erased = [client.delete(user_path(client)).status_code for _ in range(10)]
        is_done.set()
        statuses = set().union(*(writer.result() for writer in writers))
    assert set(erased) <= {204, 404, 503}
    assert 204 in erased
    assert statuses <= {200, 201, 404, 409}, "erased in this moment is told as it is"
    client.delete(user_path(client))
    assert traces(word, server) == set()
