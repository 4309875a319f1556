"""Print a new API key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.audit import record
from chatify.accounts.models import Tenant
from chatify.accounts.principal import SCOPES
from chatify.accounts.tenancy import issue_api_key
from chatify.common.errors import ChatifyError

MAX_DAYS = 36_500


class Command(BaseCommand):
    """Prints the key and nothing else, so that scripts can read it."""

    help = "Make an API key for a tenant (which is made if it is missing) and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and what for."""
        parser.add_argument("--tenant", required=True, help="slug of the tenant")
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--scopes", default=",".join(SCOPES), help="by commas (default: %(default)s)")
        parser.add_argument("--expires-in-days", type=int, help="how long it works (default: until it is revoked)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make and print it."""
        scopes, days = options["scopes"].split(","), options["expires_in_days"]
        if not set(scopes) <= set(SCOPES):
            raise CommandError(f"--scopes: there are {', '.join(SCOPES)}, with commas and no spaces between them.")
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--expires-in-days: 1 to {MAX_DAYS}.")
        is_new = not Tenant.objects.filter(slug=options["tenant"]).exists()
        tenant = ensure_tenant(slug=options["tenant"])
        if is_new:
            record("tenant.created", who=None, tenant_id=tenant.id, subject_id=tenant.id)
        if tenant.deleted_at is not None:
            raise CommandError("This tenant is deleted. Staff can restore it in the admin.")
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        try:
            _, key = issue_api_key(tenant=tenant, name=options["name"], scopes=scopes, expires_at=expires_at, who=None)
        except ChatifyError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(key)
