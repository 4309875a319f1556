"""Make what a first look needs: an admin, the demo tenant and its key."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.audit import record
from chatify.accounts.credentials import create_api_key, principal_of_key
from chatify.accounts.emails import normal_email
from chatify.accounts.models import User


class Command(BaseCommand):
    """Idempotent; reads ADMIN_EMAIL, ADMIN_PASSWORD and DEMO_API_KEY and prints where everything is."""

    help = "Make the admin and the demo tenant's key from the environment, and print the addresses."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where it will be served."""
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and print."""
        email, password, key = settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD, settings.DEMO_API_KEY
        if email and password and not User.objects.filter(email=normal_email(email)).exists():
            User.objects.create_superuser(email, password)
        if key and principal_of_key(key) is None:
            try:
                _make_key(key)
            except ValueError as error:
                raise CommandError(f"DEMO_API_KEY: {error}") from None
            except IntegrityError:
                key = "revoked or expired; manage.py create_api_key --tenant demo --name NAME makes another"
        url = f"http://127.0.0.1:{options['port']}"
        rows = [("Chat", f"{url}/"), ("Admin", f"{url}/admin/"), ("API", f"{url}/docs")]
        if email and password and User.objects.get(email=normal_email(email)).check_password(password):
            rows.append(("Login", f"{email}  {password}"))
        if key:
            rows.append(("API key", key))
        model = settings.CHAT_MODEL if settings.OPENAI_API_KEY else "built-in offline companion (set OPENAI_API_KEY)"
        rows.append(("Model", model))
        self.stdout.write("\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows) + "\n")


@transaction.atomic
def _make_key(text: str) -> None:
    made, _ = create_api_key(tenant=ensure_tenant(slug=settings.DEMO_TENANT), name="demo", key=text)
    record(
        "key.created", who=None, tenant_id=made.tenant_id, subject_id=made.id, prefix=made.prefix, scopes=made.scopes
    )
