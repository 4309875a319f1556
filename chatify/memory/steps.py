"""What memory has to do next in a chat session: read here, written by `summaries` and `facts`."""

from __future__ import annotations

from chatify.memory import window
from chatify.memory.facts import read_for_facts
from chatify.memory.finding import FactsInput
from chatify.memory.summarizing import MAX_MESSAGES, Source, take
from chatify.memory.window import Said, said_in
from sessions.models import ChatSession, Message, Summary

Step = Source | FactsInput


def next_step(row: ChatSession) -> Step | None:
    """The next summary, else one to make again, else, once it has ended, what facts are to be found in.

    A long chain that is made again keeps nobody from a summary of what they said last. What two people say to each
    other in a room is none of its business.
    """
    if row.mode == ChatSession.Mode.HUMAN:
        return None
    return _unsummarized(row) or _stale(row) or _facts(row)


def is_waiting(row: ChatSession) -> bool:
    """Whether the end of an ended chat session is still being written."""
    return row.status == ChatSession.Status.ENDED and row.running_reply_id is not None


def _stale(row: ChatSession) -> Source | None:
    stale = Summary.objects.filter(chat_session_id=row.id, is_stale=True).order_by("from_seq").first()
    if stale is None:
        return None
    said, _ = take(_said(row, stale.from_seq, stale.to_seq))
    previous = _text_before(row, stale.from_seq)
    return Source(row.id, row.context_version, stale.from_seq, stale.to_seq, previous, said, stale.id)


def _unsummarized(row: ChatSession) -> Source | None:
    first, last = row.summarized_seq + 1, _last(row)
    if last < first:
        return None
    said, is_all = take(_said(row, first, last))
    if not said:
        return None
    to_seq = last if is_all else said[-1].seq
    return Source(row.id, row.context_version, first, to_seq, _text_before(row, first), said)


def _last(row: ChatSession) -> int:
    """The last message of the next summary; 0 if none is due. What is being written is not said yet."""
    is_over = row.status == ChatSession.Status.ENDED
    if not is_over and row.last_seq - row.summarized_seq < window.due_after():
        return 0
    last = row.last_seq if is_over else row.last_seq - window.kept()
    running = None
    if row.running_reply_id is not None:
        running = Message.objects.filter(id=row.running_reply_id).values_list("seq", flat=True).first()
    return last if running is None else min(last, running - 1)


def _facts(row: ChatSession) -> FactsInput | None:
    if row.status != ChatSession.Status.ENDED or row.facts_seq >= row.last_seq or row.running_reply_id is not None:
        return None
    return read_for_facts(row.id)


def _said(row: ChatSession, first: int, last: int) -> list[Said]:
    rows = said_in(row.id).filter(seq__gte=first, seq__lte=last).order_by("seq")
    return [Said(*one) for one in rows.values_list("seq", "role", "content")[: MAX_MESSAGES + 1]]


def _text_before(row: ChatSession, seq: int) -> str:
    before = Summary.objects.filter(chat_session_id=row.id, to_seq=seq - 1)
    return before.values_list("text", flat=True).first() or ""
