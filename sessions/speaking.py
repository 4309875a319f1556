"""Who may answer in a chat session: its personality, a human being, or for the moment nobody.

Each change raises `speaker_epoch`. A reply starts only while the personality has the floor, and is completed only under
the epoch that it started with; else it is broken off, and what people saw of it is kept as `cancelled`.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from chatify.common.errors import Conflict
from chatify.events.bus import emit
from sessions.access import lock_chat_session, require_personality
from sessions.actions import request_cancel
from sessions.models import ChatSession

Speaker = ChatSession.Speaker


@transaction.atomic
def give_floor(*, chat_session_id: UUID, to: ChatSession.Speaker) -> int:
    """From now on `to` answers; a running reply is broken off. Gives the speaker epoch. Once is enough.

    What was written while a personality had no floor counts as answered: it replies to the next message. Raises
    NotFound, Conflict (`session_ended`, `human_room`).
    """
    row = lock_chat_session(chat_session_id)
    if row.status == ChatSession.Status.ENDED:
        raise Conflict("This chat session has ended.", code="session_ended")
    require_personality(row)
    if row.speaker == to:
        return row.speaker_epoch
    epoch = row.speaker_epoch + 1
    request_cancel(chat_session_ids=[row.id])
    ChatSession.objects.filter(id=row.id).update(speaker=to, speaker_epoch=epoch)
    emit("session.speaker_changed", tenant_id=row.tenant_id, chat_session_id=row.id)
    return epoch
