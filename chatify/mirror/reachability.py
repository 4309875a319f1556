"""Whether Firestore answers, asked before something long begins: its client would try for minutes, without a word."""

from __future__ import annotations

from time import monotonic

from chatify.events.models import OutboxRow
from chatify.mirror.client import client
from chatify.mirror.paths import TEMPLATES, DocKey, Kind, path_of
from chatify.mirror.payloads import mirrored_chat_sessions, places
from chatify.mirror.sink import NAME
from chatify.mirror.writing import ERRORS

ANSWER_SECONDS = 5.0


def ask_firestore() -> tuple[bool, str]:
    """Whether Firestore answers, and how fast, or why not."""
    started = monotonic()
    try:
        query = client().collection(TEMPLATES).limit(1)
        list(query.stream(retry=None, timeout=ANSWER_SECONDS))
    except (*ERRORS, ValueError, OSError) as error:  # of the network, of credentials
        return False, f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return True, f"answers in {(monotonic() - started) * 1000:.0f} ms"


def lacks_the_oldest() -> bool:
    """Whether the oldest chat session is missing in Firestore, and nothing is about to write it.

    It was there before the mirror was turned on, and nobody has rebuilt since. One document is read.
    """
    oldest = mirrored_chat_sessions().order_by("id").first()
    if oldest is None or OutboxRow.objects.filter(sink=NAME, chat_session_id=oldest.id).exists():
        return False
    key = DocKey(Kind.CHAT_SESSION, oldest.tenant_id, oldest.id)
    try:
        found = client().document(path_of(key, places([oldest.tenant_id]))).get(retry=None, timeout=ANSWER_SECONDS)
    except ERRORS:
        return False
    return not found.exists
