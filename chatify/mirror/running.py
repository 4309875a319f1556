"""The mirror at work: a thread that delivers what is waiting, until it is told to stop."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic

import structlog
from django.db import DatabaseError, InterfaceError, connection, reset_queries

from chatify.events import bus
from chatify.events.bus import Event
from chatify.events.leases import LeaseLost
from chatify.mirror import client as connection_to_firestore
from chatify.mirror import meters
from chatify.mirror.listening import Inbound
from chatify.mirror.relay import Relay, Round
from chatify.mirror.writing import Away

LOOK_SECONDS = 0.5
"""So often it looks for rows that another process has written."""

PAUSE_SECONDS = 0.1
"""What happens within so long is delivered together."""

STANDBY_SECONDS = 5.0
"""So often it asks for the lease while another relay has it."""

MAX_BACKOFF_SECONDS = 60.0
PATIENCE_SECONDS = 2.0
"""So long a call to Firestore may go on when the relay is to end."""

JOIN_SECONDS = 2.0
"""So long it may take afterwards."""

log = structlog.get_logger(__name__)


class Running:
    """The relay, and what comes in from Firestore, in a thread of their own."""

    def __init__(self, relay: Relay | None = None) -> None:
        self._inbound = Inbound()
        self._relay = relay or Relay(look=self._inbound.look)
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self.run, name="firestore-relay", daemon=True)
        self._failures = 0
        self._deaf, self._hear_again_at = 0, float("-inf")
        self.death: BaseException | None = None
        """Why it has ended, if nobody asked for that."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self) -> None:
        """Until somebody requests the stop, or the thread has ended."""
        while self._thread.is_alive() and not self._stopping.is_set():
            self._thread.join(LOOK_SECONDS)  # and not on an event, which a signal handler could not set then

    def request_stop(self) -> None:
        """Let it end after what it is at; also from a signal handler."""
        self._stopping.set()
        self._news.set()

    def stop(self) -> bool:
        """Let it end, and wait for that a few seconds. Whether it did: what is being written then is repeated later."""
        self.request_stop()
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            connection_to_firestore.interrupt()
            self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            log.warning("firestore_relay_left_running")
        return not self._thread.is_alive()

    def run(self) -> None:
        """Deliver until `request_stop`."""
        log.info("firestore_relay_started", owner=self._relay.lease.owner)
        unlisten = bus.listen(self._heard)
        try:
            while not self._stopping.is_set():
                self._wait(self._step())
        except BaseException as error:
            self.death = error
            log.exception("firestore_relay_died")
        finally:
            unlisten()
            self._end()

    def _heard(self, event: Event) -> None:
        self._news.set()

    def _wait(self, seconds: float) -> None:
        """News cut a usual pause short, but no backing off."""
        if seconds <= LOOK_SECONDS:
            self._stopping.wait(min(seconds, PAUSE_SECONDS))
            self._news.wait(max(0.0, seconds - PAUSE_SECONDS))
        else:
            self._stopping.wait(seconds)
        if not self._stopping.is_set():
            self._news.clear()

    def _step(self) -> float:
        """One round. Gives the seconds until the next one."""
        try:
            reset_queries()
            done = self._relay.run_once()
        except LeaseLost:
            log.warning("firestore_lease_lost")
            return STANDBY_SECONDS
        except (Away, DatabaseError, InterfaceError) as error:
            kind = error.kind if isinstance(error, Away) else type(error).__name__
            return self._back_off(kind, str(error))
        except Exception as error:  # whatever it is: the relay must not end, or nobody delivers any more
            log.exception("firestore_relay_failed")
            return self._back_off(type(error).__name__, "")
        if self._failures:
            log.info("firestore_back", failures=self._failures)
            self._failures = 0
        self._hear(done)
        return _pause_after(done)

    def _hear(self, done: Round) -> None:
        if not done.is_ours:
            with suppress(Exception):
                self._inbound.close()
            return
        if monotonic() < self._hear_again_at or self._stopping.is_set():
            return
        try:
            self._inbound.step(connection_to_firestore.client())
            self._deaf = 0
        except Exception as error:  # what comes in must not keep back what goes out
            self._deaf += 1
            self._hear_again_at = monotonic() + _backoff(self._deaf)
            log.warning("firestore_inbound_failed", kind=type(error).__name__, exc_info=self._deaf == 1)

    def _back_off(self, kind: str, detail: str) -> float:
        seconds = _backoff(self._failures)
        self._failures += 1
        meters.failures.labels(kind).inc()
        log.warning("firestore_away", kind=kind, detail=detail.partition("\n")[0], again_in=seconds)
        self._hang_up()
        return seconds

    def _end(self) -> None:
        with suppress(DatabaseError, InterfaceError):
            self._relay.lease.release()
        self._hang_up()
        log.info("firestore_relay_stopped")

    def _hang_up(self) -> None:
        """New connections come up at once; one that gRPC kept through a long absence waits up to two minutes."""
        for close in (self._inbound.close, connection_to_firestore.close, connection.close):
            try:
                close()
            except Exception:  # the relay must not end, or nobody delivers any more
                log.exception("firestore_not_hung_up")


def _backoff(failures: int) -> float:
    """Doubled each time. The exponent is bounded, too: after a day of absence 2.0 to the power of it is no number."""
    return min(MAX_BACKOFF_SECONDS, 2.0 ** min(failures, 10))


def _pause_after(done: Round) -> float:
    if not done.is_ours:
        return STANDBY_SECONDS
    if done.is_full:
        return 0.0
    return LOOK_SECONDS if done.due_in is None else min(LOOK_SECONDS, done.due_in)
