"""The mirror's relay as a process of its own."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from prometheus_client import start_http_server


class Command(BaseCommand):
    """Runs until SIGTERM. Where nothing but the server runs, the server has the relay inside."""

    help = (
        "Deliver to Firestore what has changed, until a signal says to end. A second one waits for the first to end. "
        "Exit status 1 when it ends by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Where its metrics are."""
        parser.add_argument("--metrics-port", type=int, metavar="PORT", help="serve Prometheus' format on this port")

    def handle(self, *args: Any, **options: Any) -> None:
        """Deliver."""
        if not settings.FIRESTORE_IS_ON:
            raise CommandError(
                "The mirror is off: set FIREBASE_PROJECT_ID, and credentials or FIRESTORE_EMULATOR_HOST."
            )
        from chatify.mirror.running import Running

        _serve_metrics(options["metrics_port"])
        running = Running()

        def end(signum: int, frame: FrameType | None) -> None:
            running.request_stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        running.start()
        running.wait()
        if not running.stop():
            os._exit(0)  # held up in a call: the interpreter would wait for gRPC's threads
        if running.death is not None:
            raise CommandError(f"The relay has ended by itself: {type(running.death).__name__}: {running.death}")


def _serve_metrics(port: int | None) -> None:
    if port is None:
        return
    try:
        start_http_server(port)
    except (OSError, OverflowError) as error:  # it is taken, not ours to take, or no port at all
        raise CommandError(f"Metrics cannot be served on port {port}: {error}") from error
