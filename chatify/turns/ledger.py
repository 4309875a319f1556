"""All writes of a turn, each one transaction under the chat session's row lock.

A reply belongs to the process that holds its lease (`lease_owner`, until `lease_expires_at` by the
database's clock) under the chat session's `epoch`. Whoever takes a chat session away from a process
raises the epoch, and what that process writes later finds no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, TextField, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from chatify import safety
from chatify.accounts.principal import Principal
from chatify.accounts.usage import usage_of_reply
from chatify.common.errors import Conflict, InvalidInput, NotFound
from chatify.common.prepared import Write, change, insertion, write
from chatify.events.bus import Event, emit, outbox
from chatify.memory import window
from chatify.memory.window import Said, Window
from chatify.turns.rows import (
    LEASE,
    LockedChatSession,
    is_theirs,
    lock,
    lock_for,
    new_reply,
    new_user_message,
    role_of,
    wire,
)
from chatify.turns.spec import Accepted, Finished, Outcome, Reaped, Renewal, ReplySpec
from chatify.turns.spending import check_replies_at_once
from sessions.access import get_chat_session, require_personality
from sessions.lifecycle import Step, next_status
from sessions.models import ChatSession, Message
from sessions.objects import NAMED, message_object, names_of
from templates_app.rendering import clean

MAX_TITLE = 60
RENEWED_AT_ONCE = 200
REAPED_AT_ONCE = 100
_Status = Message.Status
log = structlog.get_logger(__name__)


def accept(
    *,
    principal: Principal,
    chat_session_id: UUID,
    message_id: UUID,
    owner: str,
    content: str,
    client_message_id: str | None = None,
    model: str | None = None,
) -> Accepted:
    """Store a message of one of the people and, if a personality answers and is not at it, the reply's row with
    `owner`'s lease.

    When this returns, both are on disk. The same `client_message_id` again gives the first answer, and so does
    the same `message_id`: a call whose connection died in the commit is made again. Raises
    NotFound, AgeRestricted, InvalidInput (model), Conflict (`session_ended`, `client_message_id_reused`),
    TooFast (`too_many_replies`).
    """
    if model not in (None, settings.CHAT_MODEL):
        raise InvalidInput.at("model", "unknown_model", f"The model on offer is {settings.CHAT_MODEL}.")
    is_flagged = bool(safety.moderate(content))
    cached = window.look_up(chat_session_id)  # before anything is locked
    try:
        return _accept(principal, chat_session_id, message_id, owner, content, client_message_id, cached, is_flagged)
    except (IntegrityError, Conflict):  # a message that was accepted stays accepted after the end, too
        known = find_accepted(
            principal=principal,
            chat_session_id=chat_session_id,
            message_id=message_id,
            content=content,
            client_message_id=client_message_id,
        )
        if known is None:
            raise
        return known


@transaction.atomic
def _accept(
    principal: Principal,
    chat_session_id: UUID,
    message_id: UUID,
    owner: str,
    content: str,
    client_message_id: str | None,
    cached: Window | None,
    is_flagged: bool,
) -> Accepted:
    row = lock_for(principal, chat_session_id)
    row.check_open()
    message = new_user_message(row, role_of(principal, row), message_id, content, client_message_id)
    spec, reply = None, None
    if row.running_reply_id is None and row.is_ai_speaking:
        check_replies_at_once(row.tenant_id)
        said = window.window_of(row, cached).then(Said(message.seq, Message.Role.USER, content))
        spec, reply = new_reply(row, message.seq + 1, owner, said)
        message.answered_by_id = reply.id
    changes = _accepted_changes(row, message, reply)
    events = [Event("message.created", row.tenant_id, row.id, message.id)]
    if is_flagged:
        events.append(Event("moderation.flagged", row.tenant_id, row.id, message.id))
    is_resumed = next_status(row.status, Step.MESSAGE) != row.status
    if is_resumed:
        events.append(Event("session.resumed", row.tenant_id, row.id))
    rows = insertion([message, reply] if reply else [message])
    write(rows, *outbox(*events), change(ChatSession, {"id": row.id}, changes))
    return Accepted(wire(message, row), message.seq, spec, is_resumed=is_resumed, gets_reply=row.is_ai_speaking)


def _accepted_changes(row: LockedChatSession, message: Message, reply: Message | None) -> dict[str, Any]:
    changes: dict[str, Any] = {"last_seq": message.seq, "last_activity": row.now}
    if reply is not None:
        changes.update(last_seq=reply.seq, running_reply_id=reply.id)
    if (status := next_status(row.status, Step.MESSAGE)) != row.status:
        changes.update(status=status, status_reason=Step.MESSAGE)
    is_long = changes["last_seq"] - row.summarized_seq >= window.due_after()
    if is_long and row.memory_due_at is None and row.mode == ChatSession.Mode.AI:
        changes["memory_due_at"] = row.now
    if not row.title and row.mode == ChatSession.Mode.AI:
        changes["title"] = clean(message.content, MAX_TITLE)
    return changes


def find_accepted(
    *, principal: Principal, chat_session_id: UUID, message_id: UUID, content: str, client_message_id: str | None
) -> Accepted | None:
    """What `accept` gave for this message before, if it did. Raises Conflict (`client_message_id_reused`)."""
    is_same = Q(id=message_id)
    if client_message_id is not None:
        is_same |= Q(client_message_id=client_message_id)
    rows = Message.objects.filter(is_same, chat_session_id=chat_session_id).select_related(*NAMED)
    # In a room of two people, what the other one sent under this id is theirs.
    message = next((one for one in rows if one.role == role_of(principal, one.chat_session)), None)
    if message is None or not is_theirs(principal, message.chat_session):
        return None
    chat_session = message.chat_session
    if message.content != content:
        raise Conflict("This client_message_id was used with another content.", code="client_message_id_reused")
    found = message_object(message, names_of(message, chat_session))
    is_waiting = chat_session.speaker == ChatSession.Speaker.AI and chat_session.running_reply_id is not None
    return Accepted(found, message.seq, is_duplicate=True, gets_reply=is_waiting or bool(message.answered_by_id))


@transaction.atomic
def retry(*, principal: Principal, chat_session_id: UUID, message_id: UUID, owner: str) -> ReplySpec:
    """Start another reply to the messages that a failed or cancelled one answered.

    Raises NotFound, AgeRestricted, Conflict (`session_ended`, `human_room`, `reply_running`, `not_speaking`,
    `not_retryable`, `superseded`), TooFast (`too_many_replies`).
    """
    row = lock_for(principal, chat_session_id)
    row.check_open()
    row.require_personality()
    failed = Message.objects.filter(chat_session_id=row.id, id=message_id).first()
    if failed is None:
        raise NotFound("There is no such message in this chat session.")
    if row.running_reply_id is not None:
        raise Conflict("A reply is being written.", code="reply_running")
    if not row.is_ai_speaking:
        raise Conflict("No personality answers here at the moment.", code="not_speaking")
    if failed.status not in (_Status.FAILED, _Status.CANCELLED):
        raise Conflict("Only a reply that failed or was stopped can be tried again.", code="not_retryable")
    if Message.objects.filter(chat_session_id=row.id, role=Message.Role.ASSISTANT, seq__gt=failed.seq).exists():
        raise Conflict("There is a later reply already.", code="superseded")
    check_replies_at_once(row.tenant_id)
    spec = _start_reply(row, owner, instead_of=failed.id)
    emit("reply.started", tenant_id=row.tenant_id, chat_session_id=row.id, subject_id=spec.message_id)
    return spec


def _start_reply(row: LockedChatSession, owner: str, *, instead_of: UUID | None = None) -> ReplySpec:
    spec, reply = new_reply(row, row.last_seq + 1, owner, window.window_of(row, without=instead_of))
    reply.save(force_insert=True)
    asked = Message.objects.filter(chat_session_id=row.id, role=Message.Role.USER)
    asked.filter(answered_by=None).update(answered_by=reply)
    if instead_of is not None:
        asked.filter(answered_by=instead_of).update(answered_by=reply)
    ChatSession.objects.filter(id=row.id).update(running_reply_id=reply.id, last_seq=reply.seq, last_activity=row.now)
    return spec


# The end of a reply -------------------------------------------------------------------------------


@transaction.atomic
def finish(*, spec: ReplySpec, owner: str, outcome: Outcome) -> Finished | None:
    """Write a reply's end, and start the next one if messages are waiting.

    None when the reply is not ours any more (reaped, taken over, erased): nothing was written then.
    """
    try:
        row = lock(spec.chat_session_id)
    except NotFound:
        return None
    if row.epoch != spec.epoch:
        return None
    may_speak = row.is_open and row.speaker_epoch == spec.speaker_epoch
    if not may_speak and outcome.status == _Status.COMPLETE:
        outcome.status = _Status.CANCELLED
    ending = _ending(outcome, row.now)
    mine = {"id": spec.message_id, "status": _Status.STREAMING, "lease_owner": owner}
    if not write(change(Message, mine, ending)):
        return None
    tokens = ending["prompt_tokens"] + ending["completion_tokens"]
    usage = usage_of_reply(tenant_id=row.tenant_id, end_user_id=row.end_user_id, tokens=tokens, now=row.now)
    told = outbox(Event(f"reply.{outcome.status}", row.tenant_id, row.id, spec.message_id))
    next_reply = _close_turn(row, spec.seq, owner, usage, *told, tokens=tokens)
    reply = Message(
        id=spec.message_id, seq=spec.seq, role=Message.Role.ASSISTANT, created_at=spec.created_at,
        model=spec.request.model, **ending,
    )  # fmt: skip
    if row.is_open and row.last_seq == spec.seq and outcome.status == _Status.COMPLETE:
        window.keep(row.id, spec.window.then(Said(spec.seq, Message.Role.ASSISTANT, outcome.text)))
    return Finished(wire(reply, row, speaker=spec.request.speaker), next_reply)


@transaction.atomic
def count_lost(*, spec: ReplySpec, outcome: Outcome) -> None:
    """A reply whose end was not written, because it was reaped or its chat session erased, has used tokens as well."""
    if outcome.usage is None:
        return
    end_user_id = ChatSession.objects.filter(id=spec.chat_session_id).values_list("end_user_id", flat=True).first()
    tokens = outcome.usage.prompt_tokens + outcome.usage.completion_tokens
    write(usage_of_reply(tenant_id=spec.tenant_id, end_user_id=end_user_id, tokens=tokens, now=timezone.now()))


def _ending(outcome: Outcome, now: datetime) -> dict[str, Any]:
    usage = outcome.usage
    return {
        "status": outcome.status,
        "content": outcome.text,
        "error_code": outcome.error_code,
        "finished_at": now,
        "prompt_tokens": usage.prompt_tokens if usage else 0,
        "completion_tokens": usage.completion_tokens if usage else 0,
        "is_usage_estimated": usage is not None and usage.is_estimated,
        "first_token_ms": outcome.first_token_ms,
        "latency_ms": outcome.latency_ms,
        "lease_expires_at": None,
    }


def _close_turn(
    row: LockedChatSession, seq: int, owner: str, *also: Write, tokens: int = 0, epoch: int | None = None
) -> ReplySpec | None:
    """Give the chat session free, or to the next reply if somebody wrote meanwhile. Writes `also`."""
    changes: dict[str, Any] = {"running_reply_id": None, "last_activity": row.now}
    if tokens:
        changes["total_tokens_used"] = row.total_tokens_used + tokens
    if epoch is not None:
        changes["epoch"], row = epoch, row._replace(epoch=epoch)
    write(*also, change(ChatSession, {"id": row.id}, changes))
    if row.last_seq == seq or not row.is_open or not row.is_ai_speaking or not row.is_age_allowed:
        return None
    # What came before this reply and got none was said while nobody of ours had the floor.
    waiting = Message.objects.filter(chat_session_id=row.id, role=Message.Role.USER, answered_by=None, seq__gt=seq)
    if not waiting.exists():
        return None
    return _start_reply(row, owner)


# Leases -------------------------------------------------------------------------------------------


def renew(*, owner: str, texts: Mapping[UUID, str]) -> Renewal:
    """Renew the leases of these replies and write their texts so far.

    What the answer does not hold is not ours any more: its generation has to stop without writing.
    """
    found: dict[UUID, bool] = {}
    for ids in _batches(list(texts)):
        # No join: an UPDATE over one would look for the rows in a subquery, and on PostgreSQL write into a reply
        # that reached its end while it waited for the row.
        epoch = ChatSession.objects.filter(id=OuterRef("chat_session_id")).order_by().values("epoch")
        mine = Message.objects.filter(id__in=ids, status=_Status.STREAMING, lease_owner=owner, epoch=Subquery(epoch))
        whens = [When(id=id_, then=Value(texts[id_])) for id_ in ids]
        content = Case(*whens, default=F("content"), output_field=TextField())
        mine.update(lease_expires_at=Now() + LEASE, content=content)
        found.update(mine.values_list("id", "cancel_requested"))
    return Renewal(frozenset(found), frozenset(id_ for id_, is_wanted in found.items() if is_wanted))


def reap(*, owner: str, all_running: bool = False) -> list[Reaped]:
    """End the replies whose owners died: `failed` with code `interrupted`, or `cancelled` if that was wanted.

    Messages that were waiting get their reply under `owner`'s lease. `all_running` also takes those whose
    lease still runs: right only for the one process of a SQLite database, at its start.
    """
    running = Message.objects.filter(status=_Status.STREAMING)
    dead = running if all_running else running.filter(lease_expires_at__lt=Now())
    found = []
    for chat_session_id, message_id in dead.values_list("chat_session_id", "id")[:REAPED_AT_ONCE]:
        try:
            found.append(_reap(chat_session_id, message_id, owner, all_running))
        except NotFound:  # erased in this moment
            continue
        except Exception:  # one that cannot be ended now must not hide the others' next replies
            log.exception("reply_not_reaped", message_id=str(message_id))
    return [reaped for reaped in found if reaped is not None]


@transaction.atomic
def _reap(chat_session_id: UUID, message_id: UUID, owner: str, is_any: bool) -> Reaped | None:
    row = lock(chat_session_id)
    message = Message.objects.filter(id=message_id, status=_Status.STREAMING).first()
    if message is None or message.lease_expires_at is None:
        return None
    if not is_any and message.lease_expires_at >= row.now:
        return None  # renewed while we waited for the lock
    is_wanted = message.cancel_requested
    message.status = _Status.CANCELLED if is_wanted else _Status.FAILED
    message.error_code = "" if is_wanted else "interrupted"
    message.finished_at, message.lease_expires_at = row.now, None
    message.save(update_fields=["status", "error_code", "finished_at", "lease_expires_at"])
    next_reply = _close_turn(row, message.seq, owner, epoch=row.epoch + 1)
    emit(f"reply.{message.status}", tenant_id=row.tenant_id, chat_session_id=row.id, subject_id=message.id)
    return Reaped(row.id, next_reply)


def request_stop(*, principal: Principal, chat_session_id: UUID) -> tuple[UUID, str] | None:
    """Mark the running reply as to be stopped. Gives its id and its lease's owner, None when nothing runs.

    Raises NotFound, Conflict (`human_room`).
    """
    require_personality(get_chat_session(principal, chat_session_id))
    running = Message.objects.filter(chat_session_id=chat_session_id, status=_Status.STREAMING)
    found = running.values_list("id", "lease_owner").first()
    if found is not None:
        running.filter(id=found[0]).update(cancel_requested=True)
    return found


def _batches(ids: list[UUID]) -> list[list[UUID]]:
    return [ids[start : start + RENEWED_AT_ONCE] for start in range(0, len(ids), RENEWED_AT_ONCE)]
