"""Comparing while people talk and the relay is at work: what is on its way is no difference."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.services.firestore import Firestore

PEOPLE = 4
LOOKS = 3
# The rebuild brings the personalities, by the server's relay. A difference is an exception.
LOOK = f"""
from django.core.management import call_command
call_command("firestore_sync", "--rebuild", verbosity=0)
for number in range({LOOKS}):
    call_command("firestore_sync", "--verify", wait=0)
"""


def test_nothing_differs_while_people_talk(
    make_server: MakeServer, make_client: MakeClient, firestore: Firestore
) -> None:
    server = make_server(FIREBASE_PROJECT_ID=f"live-{uuid4().hex[:8]}", FIRESTORE_EMULATOR_HOST=firestore.host)
    people = [make_client(server, external_id=f"person-{number}") for number in range(PEOPLE)]
    are_done = Event()
    with ThreadPoolExecutor(PEOPLE) as pool:
        talks = [pool.submit(_talk, person, are_done) for person in people]
        try:
            looks = server.manage("shell", "--no-imports", "-c", LOOK)
        finally:
            are_done.set()
        said = sum(talk.result() for talk in talks)
    assert looks.stdout.count(": 0 differ.") == LOOKS
    last = server.manage("firestore_sync", "--verify").stdout
    documents = int(last.split()[0].replace(",", ""))
    assert documents >= 2 * said + PEOPLE > 3 * PEOPLE
    assert "not yet" not in last


def _talk(person: ApiClient, are_done: Event) -> int:
    chat, said = person.start(), 0
    while not are_done.is_set() and said < 80:
        person.send(chat["id"], f"text {said}")
        said += 1
    return said
