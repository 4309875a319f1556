"""A server that mirrors from inside: what is said arrives, and Firestore's absence is nobody's but the mirror's."""

from __future__ import annotations

import re
import signal
import time
from uuid import uuid4

import psycopg

from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.mirror.stage import Documents
from tests.services.firestore import Firestore
from tests.services.ports import free_port
from tests.services.server import Server
from tests.waiting import wait_until

PROJECT = f"away-{uuid4().hex[:8]}"
LONG_AGO = "UPDATE events_outboxrow SET created_at = '2020-01-01 00:00:00'"


def mirroring(make_server: MakeServer, host: str, *, grown: bool = False) -> Server:
    return make_server(grown=grown, FIREBASE_PROJECT_ID=PROJECT, FIRESTORE_EMULATOR_HOST=host)


def metric(client: ApiClient, name: str) -> float | None:
    found = re.search(rf"^{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else None


def firestore_part(client: ApiClient) -> tuple[str, dict[str, str]]:
    answer = client.get("/health/")
    assert answer.status_code == 200
    return answer.json()["status"], answer.json()["parts"].get("firestore", {})


def test_what_is_said_arrives_in_firestore(
    make_server: MakeServer, make_client: MakeClient, firestore: Firestore
) -> None:
    server = mirroring(make_server, firestore.host)
    client = make_client(server)
    chat = client.start()["id"]
    client.send(chat, "hello")
    documents = Documents(firestore.host, PROJECT)
    wait_until(lambda: len(documents.said(chat)) == 2, 20, "in Firestore")
    assert documents.said(chat) == [(1, "hello"), (2, "You said: hello")]
    wait_until(lambda: metric(client, "chatify_firestore_waiting") == 0)
    assert firestore_part(client)[1]["detail"] == "0 waiting, 0 dead"
    assert (metric(client, "chatify_firestore_documents_total") or 0) >= 3
    asked_at = time.monotonic()
    assert server.terminate() in (0, -signal.SIGTERM)
    assert time.monotonic() - asked_at < 8
    assert "Traceback" not in server.log_text()


def test_chats_do_not_feel_that_firestore_is_away(make_server: MakeServer, make_client: MakeClient) -> None:
    server = mirroring(make_server, f"127.0.0.1:{free_port()}")
    client = make_client(server)
    chat = client.start()["id"]
    wait_until(lambda: "firestore_away" in server.log_text(), 20)
    slowest = 0.0
    for number in range(20):
        asked_at = time.monotonic()
        assert client.send(chat, f"hello {number}")["reply"]["status"] == "complete"
        slowest = max(slowest, time.monotonic() - asked_at)
    assert slowest < 3
    assert (metric(client, "chatify_firestore_waiting") or 0) >= 20
    assert firestore_part(client)[0] == "ok", "it is only just away"


def test_health_is_degraded_when_the_mirror_is_behind(make_server: MakeServer, make_client: MakeClient) -> None:
    """As when no relay was started beside grown servers."""
    server = mirroring(make_server, f"127.0.0.1:{free_port()}", grown=True)
    client = make_client(server)
    client.start()
    assert "firestore_relay_started" not in server.log_text()
    assert firestore_part(client)[0] == "ok"
    with psycopg.connect(server.database_url) as connection:
        connection.execute(LONG_AGO)
    status, part = firestore_part(client)
    assert (status, part["status"]) == ("degraded", "down")
    assert re.fullmatch(r"behind by \d{4,} s: \d+ waiting, 0 dead", part["detail"])
    assert (metric(client, "chatify_firestore_lag_seconds") or 0) > 1000
    assert client.get("/health/ready/").status_code == 200


def test_nothing_is_told_of_a_mirror_that_is_off(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    assert firestore_part(client)[1] == {}
    assert metric(client, "chatify_firestore_waiting") is None
