"""The relay's loop: how it pauses, backs off and comes back, and that nothing ends it but a stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError
from google.api_core.exceptions import ServiceUnavailable

from chatify.events.bus import Event
from chatify.events.leases import LeaseLost
from chatify.mirror import running as module
from chatify.mirror.relay import Relay, Round
from chatify.mirror.running import LOOK_SECONDS, MAX_BACKOFF_SECONDS, STANDBY_SECONDS, Running
from chatify.mirror.writing import Away
from tests.mirror.syncing import run
from tests.waiting import wait_until


class Script(Relay):
    """A relay whose rounds are given; the last one goes on for ever."""

    def __init__(self, *rounds: Round | Exception) -> None:
        super().__init__()
        self.left = list(rounds)
        self.played = 0

    def run_once(self) -> Round:
        """The next one."""
        self.played += 1
        one = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(one, Exception):
            raise one
        return one


class SilentInbound:
    """Nothing comes in."""

    def __init__(self) -> None:
        self.steps, self.is_open = 0, False

    def step(self, client: Any) -> int:
        """As `Inbound.step`."""
        self.steps, self.is_open = self.steps + 1, True
        return 0

    def close(self) -> None:
        """As `Inbound.close`."""
        self.is_open = False


Make = Callable[..., Running]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Loops that touch neither Firestore nor a database."""
    monkeypatch.setattr(module.connection_to_firestore, "client", lambda: None)
    monkeypatch.setattr(module.connection, "close", lambda: None)
    monkeypatch.setattr("chatify.events.leases.Lease.release", lambda self: None)
    made: list[Running] = []

    def running(*rounds: Round | Exception) -> Running:
        made.append(Running(Script(*rounds)))
        made[-1]._inbound = SilentInbound()  # type: ignore[assignment]
        return made[-1]

    yield running
    for one in made:
        one.request_stop()


def away() -> Away:
    return Away(ServiceUnavailable("away"))


def test_failures_make_it_wait_longer_up_to_a_minute(make: Make) -> None:
    running = make(away())
    assert [running._step() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert MAX_BACKOFF_SECONDS == 60


def test_waits_start_anew_after_a_success(make: Make) -> None:
    running = make(away(), away(), Round(), away())
    assert [running._step() for _ in range(4)] == [1, 2, LOOK_SECONDS, 1]


@pytest.mark.parametrize("error", [OperationalError("gone"), ZeroDivisionError()])
def test_nothing_ends_it(make: Make, error: Exception) -> None:
    running = make(error, Round())
    assert [running._step() for _ in range(2)] == [1, LOOK_SECONDS]


def test_new_connection_is_made_after_a_failure(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(module.connection_to_firestore, "close", lambda: closed.append(True))
    running = make(Round(), away())
    running._step()
    assert (closed, running._inbound.is_open) == ([], True)  # type: ignore[attr-defined]
    running._step()
    assert (closed, running._inbound.is_open) == ([True], False)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("done", "pause"),
    [
        (Round(), LOOK_SECONDS),
        (Round(rows=1000, documents=1200, is_full=True), 0),
        (Round(rows=3, due_in=0.2), 0.2),
        (Round(rows=3, due_in=0.9), LOOK_SECONDS),
        (Round(is_ours=False), STANDBY_SECONDS),
        (LeaseLost(), STANDBY_SECONDS),
    ],
)
def test_pause(make: Make, done: Round | Exception, pause: float) -> None:
    assert make(done)._step() == pause


def test_only_who_holds_the_lease_listens(make: Make) -> None:
    running = make(Round(), Round(is_ours=False))
    running._step()
    assert running._inbound.is_open  # type: ignore[attr-defined]
    running._step()
    assert not running._inbound.is_open  # type: ignore[attr-defined]


def test_what_comes_in_does_not_keep_back_what_goes_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    running = make(Round())

    def fail(client: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(running._inbound, "step", fail)
    assert [running._step() for _ in range(2)] == [LOOK_SECONDS] * 2


def test_news_cut_a_pause_short_but_no_backing_off(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    running, waited = make(Round()), []

    def note(seconds: float) -> bool:
        waited.append(seconds)
        return False

    monkeypatch.setattr(running._stopping, "wait", note)
    running._heard(Event("message.created"))
    monkeypatch.setattr(module, "LOOK_SECONDS", 600.0)
    running._wait(600.0)
    assert waited == [module.PAUSE_SECONDS]
    assert not running._news.is_set()
    running._heard(Event("message.created"))
    running._wait(601.0)
    assert waited == [module.PAUSE_SECONDS, 601.0]


def test_stop_ends_it_also_while_it_backs_off(make: Make) -> None:
    running = make(*[away()] * 7)
    running._failures = 6
    running.start()
    wait_until(lambda: running._failures == 7)
    assert running.stop()
    running.wait()


def test_stop_does_not_wait_for_a_call_that_hangs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    running, hangs = make(Round()), threading.Event()
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(module, "JOIN_SECONDS", 0.1)
    monkeypatch.setattr(running, "_step", lambda: hangs.wait(30) and 0.0)
    running.start()
    assert not running.stop()
    hangs.set()
    running._thread.join(10)


def test_stop_ends_a_call_that_can_be_interrupted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    running, hangs = make(Round()), threading.Event()
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(module.connection_to_firestore, "interrupt", hangs.set)
    monkeypatch.setattr(running, "_step", lambda: hangs.wait(30) and 0.0)
    running.start()
    assert running.stop()
    assert running.death is None


def test_nothing_is_listened_to_any_more_when_it_is_to_end(make: Make) -> None:
    running = make(Round())
    running.request_stop()
    running._step()
    assert running._inbound.steps == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("failures", [1023, 1024, 10**9])
def test_waits_stay_a_minute_however_long_it_was_away(make: Make, failures: int) -> None:
    """2.0 to the power of 1024 is an OverflowError."""
    running = make(away())
    running._failures = running._deaf = failures
    assert [running._step() for _ in range(3)] == [60] * 3


# Death --------------------------------------------------------------------------------------------
def test_death_is_known(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    running = make(Round())
    monkeypatch.setattr(running._relay, "run_once", lambda: (_ for _ in ()).throw(SystemExit("enough")))
    running.start()
    running.wait()
    assert running.stop()
    assert isinstance(running.death, SystemExit)


@pytest.mark.parametrize("is_asked", [True, False])
def test_command_fails_when_the_relay_ends_by_itself(
    make: Make, settings: Any, monkeypatch: pytest.MonkeyPatch, is_asked: bool
) -> None:
    settings.FIRESTORE_IS_ON = True
    running = make(Round())
    monkeypatch.setattr(module, "Running", lambda: running)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)

    def end() -> float:
        if is_asked:
            running.request_stop()
            return 0.0
        raise SystemExit("enough")

    monkeypatch.setattr(running, "_step", end)
    status, said = run("firestore_relay")
    assert (status, said) == ((0, "") if is_asked else (1, "The relay has ended by itself: SystemExit: enough"))
