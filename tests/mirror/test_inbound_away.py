"""Firestore goes away and comes back: what was edited meanwhile is taken, and nothing ends the listening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore import Client

from chatify.mirror import client as connection_to_firestore
from chatify.mirror.listening import Inbound
from chatify.mirror.models import InboundReport
from tests.mirror.edits import after, current, mirrored, personality, versions
from tests.mirror.emulator import MortalFirestore
from tests.services import firestore as emulators
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def mortal(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalFirestore]:
    """An emulator of the test's own, and the mirror on for it."""
    if not emulators.is_available():
        pytest.skip("Firestore emulator: it is not installed")
    made = MortalFirestore()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", made.host)
    settings.FIRESTORE_EMULATOR_HOST, settings.FIRESTORE_IS_ON = made.host, True
    settings.FIREBASE_PROJECT_ID = f"test-{uuid4().hex[:12]}"
    yield made
    connection_to_firestore.close()
    made.close()


@pytest.fixture
def inbound() -> Iterator[Inbound]:
    made = Inbound(refresh_seconds=0.3)
    yield made
    made.close()


def test_edits_around_a_restart_are_taken(
    mortal: MortalFirestore, inbound: Inbound, capfd: pytest.CaptureFixture[str]
) -> None:
    mortal.start()
    firestore: Client = connection_to_firestore.client()
    template = personality()
    path = mirrored(firestore, template)
    inbound.step(firestore)
    firestore.document(path).update({"temperature": 0.1})
    mortal.kill(firestore.project)
    wait_until(lambda: not inbound.is_listening)  # the listener has ended with its connection
    for _ in range(3):
        inbound.step(firestore)  # raises nothing
    mortal.start()
    after(inbound, firestore, lambda: current(template).temperature == 0.1)
    mirrored(firestore, template)
    firestore.document(path).update({"temperature": 0.2})
    after(inbound, firestore, lambda: current(template).temperature == 0.2)
    assert inbound.is_listening
    assert len(versions(template)) == 3
    assert "unexpected" not in capfd.readouterr().err
    assert not InboundReport.objects.exists()


def test_listening_begins_when_firestore_comes(mortal: MortalFirestore, inbound: Inbound) -> None:
    firestore: Client = connection_to_firestore.client()
    template = personality()
    assert [inbound.step(firestore) for _ in range(3)] == [0, 0, 0]
    with pytest.raises(GoogleAPICallError):
        inbound.look(firestore, ["prompt_templates/x"])
    mortal.start()
    path = mirrored(firestore, template)
    firestore.document(path).update({"name": "Ine"})
    after(inbound, firestore, lambda: type(template).objects.get(id=template.id).name == "Ine")
