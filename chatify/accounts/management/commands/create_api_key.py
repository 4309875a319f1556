"""Print a new API key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.credentials import create_api_key


class Command(BaseCommand):
    """Prints the key and nothing else, so that scripts can read it."""

    help = "Make an API key for a tenant (which is made if it is missing) and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and what for."""
        parser.add_argument("--tenant", required=True, help="slug of the tenant")
        parser.add_argument("--name", required=True, help="what the key is for")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make and print it."""
        _, key = create_api_key(tenant=ensure_tenant(slug=options["tenant"]), name=options["name"])
        self.stdout.write(key)
