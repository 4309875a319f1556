"""More is asked of a process at once than it has connections to PostgreSQL: that is told, and nothing is lost."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import httpx
import psycopg

from tests.api.checks import SESSIONS, outcome
from tests.conftest import MakeClient, MakeServer
from tests.waiting import wait_until

CALLERS = 40
"""A process has 20 connections."""


def test_who_gets_no_connection_is_told_to_come_again(make_server: MakeServer, make_client: MakeClient) -> None:
    server = make_server(grown=True)
    clients = [make_client(server, external_id=f"caller-{number}") for number in range(CALLERS)]
    with psycopg.connect(server.database_url) as blocker, ThreadPoolExecutor(CALLERS) as callers:
        blocker.execute("LOCK TABLE accounts_enduser IN ACCESS EXCLUSIVE MODE")
        answers: list[Future[httpx.Response]] = [
            callers.submit(one.post, SESSIONS, {"user": {"external_id": one.external_id}}) for one in clients
        ]
        wait(answers, timeout=15, return_when=FIRST_COMPLETED)
        wait_until(lambda: "database_away" in server.log_text())
        blocker.rollback()
        told = [one.result() for one in answers]
    refused = [one for one in told if one.status_code != 201]
    assert {outcome(one) for one in refused} == {(503, "unavailable")}
    assert {one.json()["detail"] for one in refused} == {"The database is away, or too much is going on."}
    assert {one.headers["retry-after"] for one in refused} == {"2"}
    assert len(refused) < CALLERS
    for client, answer in zip(clients, told, strict=True):
        found = client.get(SESSIONS, params={"user": client.external_id}).json()["results"]
        assert len(found) == (answer.status_code == 201)
    assert clients[0].start()
