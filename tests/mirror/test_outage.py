"""Firestore is away for hours: chat does not feel it, nothing is given up, and all that waited arrives in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from google.api_core.exceptions import from_grpc_status
from google.cloud.firestore import Client
from grpc import StatusCode

from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.events.models import OutboxRow
from chatify.mirror import client as connection_to_firestore
from chatify.mirror import running as module
from chatify.mirror.meters import MirrorBehind, check_backlog, read_backlog
from chatify.mirror.relay import Relay
from chatify.mirror.running import MAX_BACKOFF_SECONDS, Running
from chatify.mirror.writing import Away, Writer
from sessions.actions import rename_chat_session, start_chat_session
from sessions.models import ChatSession
from tests.memory.talking import talk
from tests.mirror.emulator import MortalFirestore
from tests.mirror.relaying import contents, document, rows, transcript
from tests.services import firestore as emulators

pytestmark = pytest.mark.django_db
CHATS, TURNS = 25, 40
HOUR = 3600.0


@pytest.fixture
def mortal(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalFirestore]:
    """An emulator of the test's own, and the mirror on for it."""
    if not emulators.is_available():
        pytest.skip("Firestore emulator: it is not installed")
    made = MortalFirestore().start()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", made.host)
    settings.FIRESTORE_EMULATOR_HOST, settings.FIRESTORE_IS_ON = made.host, True
    settings.FIREBASE_PROJECT_ID = f"test-{uuid4().hex[:12]}"
    monkeypatch.setattr(module.connection, "close", lambda: None)  # it is the test's
    yield made
    connection_to_firestore.close()
    made.close()


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def drain(running: Running, after_each: Callable[[], None]) -> None:
    """Round by round, as the loop does."""
    give_up_at = time.monotonic() + 120
    while OutboxRow.objects.exists():
        assert time.monotonic() < give_up_at, rows()[:10]
        time.sleep(min(running._step(), 0.5))
        after_each()


def check_order(firestore: Client, chats: list[ChatSession]) -> None:
    """What is there at any moment has no gaps, and no chat session counts what is not there."""
    for chat in chats:
        seqs = [message["seq"] for message in transcript(firestore, chat)]
        assert seqs == list(range(1, len(seqs) + 1))
        counted = (document(firestore, f"chatbot_sessions/{chat.id}") or {}).get("message_count", 0)
        assert counted <= len(seqs)


def test_hour_of_absence(mortal: MortalFirestore, principal: Principal, chat: ChatSession) -> None:
    users = [UserInput(external_id=f"person {number}") for number in range(CHATS)]
    chats = [start_chat_session(principal=principal, template_slug=None, user=user) for user in users]
    running = Running()
    before = [timed(lambda chat=chat: talk(principal, chat, 1)) for chat in chats]
    drain(running, lambda: None)
    mortal.kill(connection_to_firestore.client().project)

    waited, meanwhile = 0.0, []
    for turn in range(2, TURNS + 1):
        for one in chats:
            meanwhile.append(timed(lambda one=one, turn=turn: talk(principal, one, 1, first=turn)))
        for _ in range(65 if turn == 2 else turn % 4 == 0):  # most while a try costs little
            waited += running._step()
    assert waited > HOUR, "as much as it would have waited between these tries"
    backlog = read_backlog()
    assert (backlog.waiting, backlog.dead) == (2 * CHATS * (TURNS - 1), 0)
    assert set(OutboxRow.objects.values_list("attempts", "error")) == {(0, "")}
    assert min(meanwhile[-100:]) < 2 * min(before) + 0.01, "the longer the backlog, the same"
    OutboxRow.objects.update(created_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(MirrorBehind):
        check_backlog()
    assert running._step() == MAX_BACKOFF_SECONDS

    mortal.start()
    firestore = connection_to_firestore.client()
    drain(running, lambda: check_order(firestore, chats[::8]))
    words = [word for turn in range(1, TURNS + 1) for word in (f"question {turn}", f"answer {turn}")]
    assert [contents(firestore, one) for one in chats] == [words] * CHATS
    counted = {(document(firestore, f"chatbot_sessions/{one.id}") or {})["message_count"] for one in chats}
    assert counted == {2 * TURNS}
    assert check_backlog() == "0 waiting, 0 dead"
    assert running._step() <= 1, "and it does not wait any longer than before"
    running._end()


@pytest.mark.parametrize("failures", [70, 1500, 10**6])
def test_days_of_absence_do_not_end_the_relay(
    mortal: MortalFirestore, principal: Principal, chat: ChatSession, failures: int
) -> None:
    """2.0 to the power of 1024 is no number any more: after 17 hours."""
    mortal.stop()
    running = Running()
    running._failures = running._deaf = failures
    talk(principal, chat, 1)
    assert running._step() == MAX_BACKOFF_SECONDS
    assert rows(state=OutboxRow.State.DEAD) == []
    mortal.start()
    drain(running, lambda: None)
    assert (running._failures, len(contents(connection_to_firestore.client(), chat))) == (0, 2)
    running._end()


@pytest.mark.parametrize(
    "code", [code for code in StatusCode if code not in (StatusCode.OK, StatusCode.INVALID_ARGUMENT)], ids=str
)
def test_no_way_of_being_away_gives_anything_up(
    mirror: Client, chat: ChatSession, monkeypatch: pytest.MonkeyPatch, code: StatusCode
) -> None:
    def fail(self: Writer, operations: Any) -> None:
        raise from_grpc_status(code, "not now")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(Writer, "_commit", fail)
    rename_chat_session(chat_session=chat, title="Another")
    for _ in range(70):
        with pytest.raises(Away):
            Relay(lease=_lease()).run_once()
    assert rows(state=OutboxRow.State.PENDING) == rows() == ["template.changed", "session.renamed"]
    assert set(OutboxRow.objects.values_list("attempts", flat=True)) == {0}


def _lease() -> Any:
    from chatify.events.leases import Lease
    from chatify.events.models import SinkLease

    SinkLease.objects.all().delete()
    return Lease("firestore")
