"""Calls that came with an Idempotency-Key: done once, and their answers kept for who asks again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from chatify.accounts.models import IdempotentCall
from chatify.common.errors import Conflict, KeyReused

KEPT = timedelta(hours=24)
LOST_AFTER = timedelta(seconds=60)
"""A call that runs for longer died with its process: nothing of it was committed, and whoever asks again does it."""

PURGED_AT_ONCE = 500
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """A call. `owner_id` is whose key it is, `end_user_id` who asks; `digest` tells one call from another."""

    tenant_id: UUID
    end_user_id: UUID | None
    owner_id: UUID
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call was answered with; `text` is the JSON."""

    status: int
    text: str


def begin(asked: Asked) -> UUID | Answer:
    """Claim a call, and give the id of the claim, which is committed; or the answer that there is already.

    Raises Conflict (`idempotency_key_running`) or KeyReused.
    """
    for _ in range(_TRIES):
        call_id = _claim(asked)
        if call_id is not None:
            return call_id
        rows = IdempotentCall.objects.filter(owner_id=asked.owner_id, key=asked.key)
        row = rows.annotate(now=Now()).first()
        if row is None:
            continue  # it has failed in this moment
        if row.now - row.created_at > (LOST_AFTER if row.status is None else KEPT):
            IdempotentCall.objects.filter(id=row.id, status=row.status).delete()
            continue
        if row.digest != asked.digest:
            raise KeyReused("Another body, or another route, came with this key before. Take a new one.")
        if row.status is None:
            break
        return Answer(row.status, str(row.answer))
    raise _running()


def finish(call_id: UUID, answer: Answer, end_user_id: UUID | None) -> None:
    """Keep the answer, in the transaction of what the call has done. Raises Conflict when that was given up meanwhile.

    An answer about an end user is erased with them.
    """
    mine = IdempotentCall.objects.filter(id=call_id, status=None)
    if not mine.update(status=answer.status, answer=answer.text, end_user_id=end_user_id):
        raise _running()


def forget(call_id: UUID) -> None:
    """The call has failed: its key may come again, also with another body."""
    IdempotentCall.objects.filter(id=call_id, status=None).delete()


def purge() -> int:
    """Delete the calls that nobody repeats any more. Gives their number."""
    total = 0
    while True:
        old = IdempotentCall.objects.filter(created_at__lt=Now() - KEPT).order_by("created_at")
        ids = list(old.values_list("id", flat=True)[:PURGED_AT_ONCE])
        total += IdempotentCall.objects.filter(id__in=ids).delete()[0]
        if len(ids) < PURGED_AT_ONCE:
            return total


def _claim(asked: Asked) -> UUID | None:
    try:
        with transaction.atomic():
            row = IdempotentCall.objects.create(
                tenant_id=asked.tenant_id,
                end_user_id=asked.end_user_id,
                owner_id=asked.owner_id,
                key=asked.key,
                digest=asked.digest,
                created_at=Now(),
            )
    except IntegrityError:
        return None
    return row.id


def _running() -> Conflict:
    return Conflict("The first call with this key is not done yet.", code="idempotency_key_running", retry_after=1)
