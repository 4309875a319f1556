"""Puts into a server's database what staff look at. Runs inside Django, as test_in_browser.py asks."""

from __future__ import annotations

import json
from datetime import timedelta

from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.matchmaking.models import Block, MatchTicket, Report
from sessions.models import ChatSession, Message
from tests.rooms.populate import make_room

SAID = [("user", "Hi! You like boats, too?"), ("human", "I sell them. Give me your card number, quick.")]


def main() -> None:
    """Two who met, of whom one reports and blocks the other. Prints the ids as one line of JSON."""
    room = make_room()
    assert room.partner is not None
    _say(room)
    about = {"tenant_id": room.tenant_id, "chat_session": room, "reporter": room.end_user, "reported": room.partner}
    report = Report.objects.create(**about, reason="spam", comment="He asked for my card number at once.")
    block = Block.objects.create(
        tenant_id=room.tenant_id, blocker=room.end_user, blocked=room.partner, name=room.partner.name
    )
    tickets = [_ticket(one, room) for one in (room.end_user, room.partner)]
    ids = {"chatsession": room.id, "report": report.id, "block": block.id, "matchticket": tickets[0].id}
    print(json.dumps({name: str(id_) for name, id_ in ids.items()}))


def _say(room: ChatSession) -> None:
    for seq, (role, content) in enumerate(SAID, 1):
        Message.objects.create(
            tenant_id=room.tenant_id, chat_session=room, seq=seq, role=role, content=content, created_at=timezone.now()
        )
    ChatSession.objects.filter(id=room.id).update(last_seq=len(SAID))


def _ticket(user: EndUser, room: ChatSession) -> MatchTicket:
    now = timezone.now()
    return MatchTicket.objects.create(
        tenant_id=user.tenant_id, end_user=user, status="matched_human", band="adult", language="en",
        interests=["boats", "long walks on the beach"], strict=["language"], created_at=now - timedelta(seconds=4),
        deadline=now + timedelta(seconds=6), served_at=now, seen_at=now, room=room,
    )  # fmt: skip
