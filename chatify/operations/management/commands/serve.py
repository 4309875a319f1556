"""The one way to serve."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from uvicorn.supervisors import Multiprocess


def _check_database() -> None:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("The database is not up to date. Run `manage.py migrate` first.")
    except OperationalError as error:
        raise CommandError(f"The database cannot be reached: {str(error).splitlines()[0]}") from None
    finally:
        connection.close()


class Command(BaseCommand):
    """uvicorn with our limits; with Celery's worker and beat inside when no broker is configured."""

    help = "Serve the page, the admin, REST, SSE and WebSocket."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where, and with how many processes."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=1, help="processes; more than one needs REDIS_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal says to end."""
        host, port, workers = options["host"], options["port"], options["workers"]
        if workers < 1:
            raise CommandError("--workers has to be at least 1.")
        if workers > 1 and (not settings.REDIS_URL or settings.IS_SQLITE):
            raise CommandError("More than one worker needs REDIS_URL and a PostgreSQL DATABASE_URL.")
        _check_database()
        if workers > 1:
            self._serve_many(host, port, workers)
        else:
            self._serve_one(host, port)

    def _serve_one(self, host: str, port: int) -> None:
        from chatify.operations.lifespan import AlreadyServing, check_alone
        from chatify.operations.server import config

        try:
            check_alone()  # said here in one line; the lifespan takes the lock
        except AlreadyServing as error:
            raise CommandError(str(error)) from None
        server = uvicorn.Server(config(host, port))
        server.run()
        if not server.started:
            sys.exit(1)

    def _serve_many(self, host: str, port: int, workers: int) -> None:
        from chatify.operations.server import config

        with tempfile.TemporaryDirectory(prefix="chatify-metrics-") as folder:
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
            settings_ = config(host, port, workers)
            Multiprocess(settings_, sockets=[settings_.bind_socket()]).run()
