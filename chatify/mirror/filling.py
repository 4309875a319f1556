"""Filling a chat session that is imported: with its messages, and with what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID, uuid5

from chatify.mirror.foreign import ForeignChat, ForeignMessage
from sessions.models import ChatSession, Message, Participant, Summary

_CREATED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Double:
    """A message with the id of another one: document ids may differ in capitals only.

    `is_of_copy`: the other document is what we wrote of a message.
    """

    path: str
    message: ForeignMessage
    is_of_copy: bool


def add_messages(row: ChatSession, messages: Sequence[ForeignMessage]) -> int:
    """Those that are not there yet, behind those that are. Gives their number."""
    taken = _taken_ids([one.id for one in messages])
    known = {id_ for id_, chat in taken.items() if chat == row.id}
    # An id that is a message's of another chat session: this one needs its own.
    ids = {one.id: uuid5(row.id, str(one.id)) if one.id in taken.keys() - known else one.id for one in messages}
    known |= set(_taken_ids([id_ for id_ in ids.values() if id_ not in ids]))
    senders = {one.kind: one for one in row.participants.all()}
    made: list[Message] = []
    for one in messages:
        if ids[one.id] in known:
            continue
        made.append(_message(row, one, ids[one.id], row.last_seq + len(made) + 1, senders))
    _link_answers(made)
    for start in range(0, len(made), _CREATED_AT_ONCE):
        Message.objects.bulk_create(made[start : start + _CREATED_AT_ONCE])
    if made:
        row.last_seq = made[-1].seq
        row.last_activity = max([row.last_activity, *(one.created_at for one in made)])
        row.save(update_fields=["last_seq", "last_activity"])
    return len(made)


def lost(row: ChatSession, doubles: Sequence[Double]) -> list[str]:
    """The paths of those that are not here. The others are what our copies were imported from."""
    said = set(row.messages.values_list("role", "content")) if any(one.is_of_copy for one in doubles) else set()
    return [one.path for one in doubles if not one.is_of_copy or (one.message.role, one.message.content) not in said]


def _message(row: ChatSession, one: ForeignMessage, id_: UUID, seq: int, senders: dict[str, Participant]) -> Message:
    kinds: dict[str, str] = {Message.Role.USER: Participant.Kind.END_USER, Message.Role.ASSISTANT: Participant.Kind.AI}
    made = Message(
        id=id_,
        tenant_id=row.tenant_id,
        chat_session=row,
        seq=seq,
        role=one.role,
        sender=senders.get(kinds.get(one.role, "")),
        content=one.content,
        status=one.status,
        created_at=one.created_at,
    )
    if one.role == Message.Role.ASSISTANT:
        made.finished_at, made.version_id = one.created_at, row.version_id
        made.prompt_tokens, made.completion_tokens = 0, one.tokens
    return made


def _link_answers(messages: Iterable[Message]) -> None:
    """What was answered there is not answered again."""
    asked: list[Message] = []
    for message in messages:
        if message.role == Message.Role.USER:
            asked.append(message)
        elif message.role == Message.Role.ASSISTANT:
            for one in asked:
                one.answered_by_id = message.id
            asked.clear()


def _taken_ids(ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Of these ids those that messages have, with their chat sessions."""
    found: dict[UUID, UUID] = {}
    rest = iter(ids)
    while some := list(islice(rest, _CREATED_AT_ONCE)):
        found |= dict(Message.objects.filter(id__in=some).values_list("id", "chat_session_id"))
    return found


def finish(row: ChatSession, chat: ForeignChat) -> None:
    """What a chat session gets when its messages are there."""
    if chat.status == ChatSession.Status.ENDED:
        row.ended_at, row.end_reason = chat.ended or row.last_activity, chat.end_reason
    if chat.summary and row.last_seq:
        Summary.objects.create(
            tenant_id=row.tenant_id,
            chat_session=row,
            from_seq=1,
            to_seq=row.last_seq,
            text=chat.summary,
            model="imported",
        )
        row.summarized_seq, row.context_version = row.last_seq, row.context_version + 1
    row.save(update_fields=["ended_at", "end_reason", "summarized_seq", "context_version"])
