"""Human rooms, opened straight away: how people come to one is not looked at here."""

from tests.client import ApiClient
from tests.services.server import Server

_OPEN = """
from chatify.accounts.models import Tenant
from chatify.accounts.actions import upsert_end_user
from sessions.starting import new_human_room, save_chat_sessions
from django.db import transaction
tenant = Tenant.objects.get(slug="demo")
people = [upsert_end_user(tenant_id=tenant.id, external_id=name, changes={{}}) for name in {names!r}]
room = new_human_room(*people)
with transaction.atomic():
    save_chat_sessions([room])
print(room.id)
"""


def open_room(server: Server, *people: ApiClient) -> str:
    """The id of a room of two."""
    names = [person.external_id for person in people]
    return server.manage("shell", "-c", _OPEN.format(names=names)).stdout.splitlines()[-1]
