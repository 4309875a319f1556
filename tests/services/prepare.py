"""Run as a program: prepare the database of the environment, and print an API key of each tenant as JSON.

What four management commands do, in one process: three more starts of Django would cost each test run ten seconds.
"""

import io
import json

import django
from django.core.management import call_command

TENANTS = ("demo", "mallory")


def create_key(tenant: str) -> str:
    """What `manage.py create_api_key` prints."""
    printed = io.StringIO()
    call_command("create_api_key", tenant=tenant, name="test", stdout=printed)
    return printed.getvalue().strip()


if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("seed_templates", stdout=io.StringIO())
    print(json.dumps({tenant: create_key(tenant) for tenant in TENANTS}))
