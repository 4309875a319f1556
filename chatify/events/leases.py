"""Who delivers a sink's rows: one at a time, so that nothing is overtaken by what was read before it."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from time import monotonic

from django.db.models import Q
from django.db.models.functions import Now

from chatify.common.ids import uuid7
from chatify.events.models import SinkLease

LEASE_SECONDS = 30.0

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class LeaseLost(RuntimeError):
    """Somebody else has it, or may have it by now: whoever holds it goes on from here."""


class Lease:
    """The right to deliver a sink's rows, taken by compare-and-set with the database's clock.

    It counts from before it was asked for, by this process's clock, so that it never seems to last longer than it does.
    """

    def __init__(self, sink: str, *, seconds: float = LEASE_SECONDS) -> None:
        self.owner = f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid7()}"
        self.seconds = seconds
        self._sink = sink
        self._until = float("-inf")

    @property
    def seconds_left(self) -> float:
        """How long it is ours for sure; negative when it may be somebody else's."""
        return self._until - monotonic()

    def take(self) -> bool:
        """Take it if it is free, renew it if it is ours. Whether it is ours now."""
        asked_at = monotonic()
        if self._claim():
            self._until = asked_at + self.seconds
            return True
        self._until = float("-inf")
        return False

    def ensure(self, seconds: float) -> None:
        """Have at least so many seconds left; renewed when the half of it is over.

        Raises LeaseLost, also when it ran out and nobody took it: what was read under it may be old.
        """
        left = self.seconds_left
        if left < 0 or (left < max(seconds, self.seconds / 2) and not self.take()):
            raise LeaseLost

    def release(self) -> None:
        """Let others have it at once."""
        self._until = float("-inf")
        SinkLease.objects.filter(sink=self._sink, owner=self.owner).update(owner="", expires_at=Now())

    def _claim(self) -> bool:
        if self._set():
            return True
        row = SinkLease(sink=self._sink, owner="", expires_at=_LONG_AGO)  # the first time
        SinkLease.objects.bulk_create([row], ignore_conflicts=True)
        return self._set()

    def _set(self) -> bool:
        is_free = Q(owner=self.owner) | Q(expires_at__lte=Now())
        until = Now() + timedelta(seconds=self.seconds)
        return bool(SinkLease.objects.filter(is_free, sink=self._sink).update(owner=self.owner, expires_at=until))
