"""Reading what facts are looked for in, and writing what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from chatify.accounts.models import EndUser
from chatify.accounts.usage import add_tokens
from chatify.llm.types import Usage
from chatify.memory.actions import delete_memories, lock_end_user, lock_memories, tell_change
from chatify.memory.finding import FactsInput, Found, Spoken
from chatify.memory.forgotten import is_forgotten
from chatify.memory.models import Memory
from chatify.memory.recalling import MAX_MEMORIES
from chatify.memory.texts import key_of
from sessions.models import ChatSession, Message

MOST_MESSAGES = 200
MOST_CHARACTERS = 40_000
"""Of what is read at once, in messages of the user and in code points; what is left is read the next time."""

_MOST_OF_REPLY = 600
_OPPOSITE: dict[str, str] = {Memory.Kind.LIKE: Memory.Kind.DISLIKE, Memory.Kind.DISLIKE: Memory.Kind.LIKE}

Known = dict[tuple[str, str], Memory]


def read_for_facts(chat_session_id: UUID) -> FactsInput | None:
    """What was said since facts were looked for last, as much of it as is read at once.

    None if the chat session is gone, is a room of two people, or nothing was said. Without a message of the user, or
    when they had everything forgotten since, it is empty, and is to be written nevertheless: then it counts as read.
    """
    rows = ChatSession.objects.existing().filter(id=chat_session_id, mode=ChatSession.Mode.AI)
    row = rows.select_related("end_user").first()
    if row is None or row.facts_seq >= row.last_seq:
        return None
    is_theirs, is_reply = Q(role=Message.Role.USER), Q(role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE)
    said = Message.objects.filter(is_theirs | is_reply, chat_session=row, seq__gt=row.facts_seq, seq__lte=row.last_seq)
    if (forgotten_at := row.end_user.memories_forgotten_at) is not None:
        said = said.filter(created_at__gt=forgotten_at)
    spoken, is_all = _as_much_as_fits(_spoken(said.order_by("seq")[: 2 * MOST_MESSAGES]))
    is_all = is_all and len(spoken) < 2 * MOST_MESSAGES
    to_seq = row.last_seq if is_all else spoken[-1].seq
    return FactsInput(row.id, row.tenant_id, row.end_user_id, to_seq, tuple(spoken))


@transaction.atomic
def write_facts(
    *,
    input: FactsInput,
    found: Sequence[Found],
    model: str,
    prompt_version: int,
    claim: UUID,
    usage: Usage | None = None,
) -> bool:
    """Remember what was found, and that it was looked for. False when the claim is lost: nothing is written then."""
    end_user = lock_end_user(input.end_user_id)
    claimed = ChatSession.objects.existing().filter(
        id=input.chat_session_id, memory_claim=claim, facts_seq__lt=input.to_seq
    )
    if end_user is None or claimed.select_for_update(of=("self",)).first() is None:
        return False
    add_tokens(tenant_id=input.tenant_id, end_user_id=end_user.id, tokens=usage.total if usage else 0)
    if _remember(end_user, input, found, model, prompt_version):
        tell_change(end_user)
    ChatSession.objects.filter(id=input.chat_session_id).update(facts_seq=input.to_seq)
    return True


# Reading ------------------------------------------------------------------------------------------
def _spoken(messages: Iterable[Message]) -> list[Spoken]:
    return [_one(row, row.role == Message.Role.USER) for row in messages]


def _one(row: Message, is_user: bool) -> Spoken:
    return Spoken(row.seq, is_user, row.content if is_user else row.content[:_MOST_OF_REPLY], row.created_at, row.id)


def _as_much_as_fits(spoken: Sequence[Spoken]) -> tuple[list[Spoken], bool]:
    """The first ones up to the limits, at least one, and whether that is all."""
    taken: list[Spoken] = []
    messages = characters = 0
    for one in spoken:
        messages, characters = messages + one.is_user, characters + len(one.text)
        if taken and (messages > MOST_MESSAGES or characters > MOST_CHARACTERS):
            return taken, False
        taken.append(one)
    return taken, True


# Writing ------------------------------------------------------------------------------------------
def _remember(end_user: EndUser, input: FactsInput, found: Sequence[Found], model: str, prompt_version: int) -> bool:
    """Write what is news. Gives whether anything was."""
    rows = lock_memories(input.end_user_id)[1]
    known: Known = {(row.kind, row.key): row for row in rows}
    spoken = {one.seq: one for one in input.spoken}
    told = [_memory(input, one, spoken[one.seq]) for one in sorted(found, key=lambda one: one.seq)]
    fresh = [one for one in told if not is_forgotten(end_user, (one.kind, one.key), one.said_at)]
    news = [row for one in fresh if (row := _learn(known, one)) is not None]
    _forget_oldest(known)
    kept = set(map(id, known.values()))
    gone = [row.id for row in rows if id(row) not in kept]
    delete_memories(gone)
    written = {id(row): row for row in news if id(row) in kept}
    for row in written.values():
        row.model, row.prompt_version = model, prompt_version
        row.save()
    return bool(gone or written)


def _memory(input: FactsInput, found: Found, said: Spoken) -> Memory:
    return Memory(
        tenant_id=input.tenant_id,
        end_user_id=input.end_user_id,
        kind=found.kind,
        text=found.text,
        key=key_of(found.kind, found.text),
        chat_session_id=input.chat_session_id,
        source_id=said.message_id,
        said_at=said.at,
    )


def _learn(known: Known, told: Memory) -> Memory | None:
    """Put what was told in its place. Gives the row that is to be written, if it is news.

    What a person has corrected stays, and so does what was said later in another chat session. Who likes what they
    disliked before has changed their mind.
    """
    place, opposite = (told.kind, told.key), known.get((_OPPOSITE.get(told.kind, ""), told.key))
    if opposite is not None:
        if not _gives_way(opposite, told):
            return None
        del known[opposite.kind, opposite.key]
    present = known.setdefault(place, told)
    if present is told:
        return told
    if not _gives_way(present, told):
        return None
    present.text, present.said_at = told.text, told.said_at
    present.chat_session_id, present.source_id = told.chat_session_id, told.source_id
    return present


def _gives_way(present: Memory, told: Memory) -> bool:
    return present.corrected_at is None and present.said_at < told.said_at


def _forget_oldest(known: Known) -> None:
    """What has no room goes: first what nobody has corrected, the oldest of it first."""
    by_worth = sorted(known, key=lambda place: (known[place].corrected_at is not None, known[place].said_at))
    for place in by_worth[: max(0, len(known) - MAX_MEMORIES)]:
        del known[place]
