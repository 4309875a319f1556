"""The outbox: rows come and go with the change they tell of. Listeners: told after the commit, and each for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.db import transaction

from chatify.accounts.actions import ensure_tenant
from chatify.common.prepared import write
from chatify.events import bus
from chatify.events.bus import Event, Sink, emit, emit_all, listen, outbox, register_sink, unregister_sink
from chatify.events.models import OutboxRow

SUBJECT, TENANT = UUID(int=5), UUID(int=6)
pytestmark = pytest.mark.django_db


class Switch:
    """A sink that can be turned on and off, and wants what begins with `message.`."""

    def __init__(self) -> None:
        self.is_on = True
        register_sink(Sink("test", lambda: self.is_on, lambda event: event.name.startswith("message.")))


@pytest.fixture
def sink() -> Iterator[Switch]:
    yield Switch()
    unregister_sink("test")


@pytest.fixture
def hear() -> Iterator[Callable[[Callable[[Event], None]], None]]:
    stops: list[Callable[[], None]] = []
    yield lambda listener: stops.append(listen(listener))
    for stop in stops:
        stop()


def test_sink_that_is_on_gets_a_row_that_holds_ids(sink: Switch) -> None:
    emit("message.created", tenant_id=TENANT, subject_id=SUBJECT)
    row = OutboxRow.objects.get()
    assert (row.sink, row.event, row.tenant_id, row.subject_id) == ("test", "message.created", TENANT, SUBJECT)


def test_row_is_rolled_back_with_the_change(sink: Switch) -> None:
    with transaction.atomic():
        ensure_tenant(slug="never")
        emit("message.created", subject_id=SUBJECT)
        assert OutboxRow.objects.count() == 1
        transaction.set_rollback(True)
    assert OutboxRow.objects.count() == 0


def test_no_rows_while_the_sink_is_off(sink: Switch) -> None:
    sink.is_on = False
    emit("message.created", subject_id=SUBJECT)
    assert not OutboxRow.objects.exists()


def test_no_rows_for_what_the_sink_does_not_want(sink: Switch) -> None:
    emit("session.started", subject_id=SUBJECT)
    assert not OutboxRow.objects.exists()


def test_no_rows_without_sinks() -> None:
    emit("message.created", subject_id=SUBJECT)
    assert not OutboxRow.objects.exists()


def test_each_sink_has_rows_of_its_own_in_order(sink: Switch) -> None:
    register_sink(Sink("second", lambda: True, lambda name: True))
    try:
        for name in ("message.created", "session.ended", "message.created"):
            emit(name)
    finally:
        unregister_sink("second")
    assert list(OutboxRow.objects.filter(sink="second").values_list("event", flat=True)) == [
        "message.created", "session.ended", "message.created",
    ]  # fmt: skip
    assert OutboxRow.objects.filter(sink="test").count() == 2


def test_listeners_hear_after_the_commit(hear: Callable, django_capture_on_commit_callbacks: Callable) -> None:
    heard: list[Event] = []
    hear(heard.append)
    with django_capture_on_commit_callbacks(execute=True):
        emit("message.created", subject_id=SUBJECT)
        assert heard == []
    assert heard == [Event("message.created", None, None, SUBJECT)]


def test_listeners_do_not_hear_of_what_was_rolled_back(
    hear: Callable, django_capture_on_commit_callbacks: Callable
) -> None:
    heard: list[Event] = []
    hear(heard.append)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        emit("message.created")
        transaction.set_rollback(True)
    assert heard == []


def test_rows_can_be_left_to_the_caller_s_own_write(
    sink: Switch, hear: Callable, django_capture_on_commit_callbacks: Callable, django_assert_num_queries: Callable
) -> None:
    heard: list[Event] = []
    hear(heard.append)
    events = [Event("message.created", TENANT, None, SUBJECT), Event("session.resumed", TENANT)]
    with django_capture_on_commit_callbacks(execute=True), django_assert_num_queries(1):
        write(*outbox(*events))
    row = OutboxRow.objects.get()
    assert (row.event, row.tenant_id, row.subject_id) == ("message.created", TENANT, SUBJECT)
    assert row.created_at is not None
    assert heard == events
    sink.is_on = False
    assert outbox(*events) == ()


def test_many_events_are_one_statement(sink: Switch, django_assert_num_queries: Callable) -> None:
    with django_assert_num_queries(1):
        emit_all(Event("message.created", TENANT, None, UUID(int=number)) for number in range(50))
    assert OutboxRow.objects.count() == 50


def test_listener_that_fails_is_alone_with_it(
    hear: Callable, django_capture_on_commit_callbacks: Callable, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []

    def fail(event: Event) -> None:
        raise ZeroDivisionError

    hear(fail)
    hear(heard.append)
    with django_capture_on_commit_callbacks(execute=True):
        emit("message.created")
    assert len(heard) == 1


def test_listener_hears_no_more_when_it_stopped(django_capture_on_commit_callbacks: Callable) -> None:
    heard: list[Event] = []
    before = list(bus._listeners)
    listen(heard.append)()
    with django_capture_on_commit_callbacks(execute=True):
        emit("message.created")
    assert heard == []
    assert bus._listeners == before
