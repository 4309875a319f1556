"""Makes human rooms in a server's database. Runs inside Django, as tests/rooms/conftest.py asks."""

from __future__ import annotations

import json
from uuid import uuid4

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.models import EndUser
from sessions.models import ChatSession
from sessions.starting import new_human_room, save_chat_sessions

AGES = {"Ada": 36, "Ben": 47}


def main(count: int) -> None:
    """So many rooms of an Ada and a Ben; prints their ids and the external ids of the two as one line of JSON."""
    rooms = [make_room() for _ in range(count)]
    print(json.dumps([[str(room.id), room.end_user.external_id, room.partner.external_id] for room in rooms]))


def make_room(slug: str = "demo") -> ChatSession:
    """A room of two people who have never met."""
    room = new_human_room(_person(slug, "Ada"), _person(slug, "Ben"))
    save_chat_sessions([room])
    return room


def _person(slug: str, name: str) -> EndUser:
    about = {"name": name, "age": AGES[name], "interests": [f"only-{name}-likes-it"]}
    tenant = ensure_tenant(slug=slug)
    return upsert_end_user(tenant_id=tenant.id, external_id=f"{name.lower()}-{uuid4()}", changes=about)
