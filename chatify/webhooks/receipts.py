"""What came in: each event is carried out once, and its answer given again to whoever sends it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from chatify.accounts.models import EndUser
from chatify.common.errors import Conflict
from chatify.matchmaking.connecting import again_if_gone
from chatify.webhooks.models import WebhookReceipt
from chatify.webhooks.verifying import Delivery
from sessions.models import ChatSession

KEPT = timedelta(hours=25)
"""Replays are too old after five minutes; but who sends an event again for a day gets its first answer."""

MAX_SIGNATURES = 1500
"""More than the seconds in which a signature is good, on either side, so that none of them is forgotten too early."""


class Done(NamedTuple):
    """What became of an event: the chat session that it was about, and whether it was started for it."""

    chat_session: ChatSession | None
    is_new: bool = False


def carry_out_once(*, delivery: Delivery, event: str, work: Callable[[], Done]) -> WebhookReceipt:
    """Carry out the `work` of an event if this is its first sending, in one transaction with the note of it.

    Of two sendings at once, one waits for the other. What raises is not noted, so that it can be sent again. Raises
    Conflict (`replayed`, `webhook_id_reused`, `user_erased`), and what `work` raises.
    """
    return again_if_gone(partial(_carry_out_once, delivery, event, work))


@transaction.atomic
def _carry_out_once(delivery: Delivery, event: str, work: Callable[[], Done]) -> WebhookReceipt:
    receipt, is_first = WebhookReceipt.objects.get_or_create(
        source=delivery.source,
        webhook_id=delivery.webhook_id,
        defaults={"event": event, "body_digest": delivery.body_digest, "signatures": [delivery.signature]},
    )
    if not is_first:
        return _note_again(receipt, delivery)
    done = work()
    if done.chat_session is not None:
        receipt.chat_session, receipt.is_new = done.chat_session, done.is_new
        receipt.end_user_id = done.chat_session.end_user_id
        receipt.save(update_fields=["chat_session", "is_new", "end_user_id"])
    return receipt


def _note_again(seen: WebhookReceipt, delivery: Delivery) -> WebhookReceipt:
    receipt = WebhookReceipt.objects.select_for_update().get(id=seen.id)
    if receipt.body_digest != delivery.body_digest:
        raise Conflict("This webhook-id came with another body before.", code="webhook_id_reused")
    if delivery.signature in receipt.signatures:
        raise Conflict("This was received before. To send it again, sign it again.", code="replayed")
    receipt.signatures = [*receipt.signatures, delivery.signature][-MAX_SIGNATURES:]
    receipt.save(update_fields=["signatures"])
    return receipt


def purge() -> int:
    """Forget what nobody sends again any more. Gives the number."""
    count, _ = WebhookReceipt.objects.filter(created_at__lt=Now() - KEPT).delete()
    return count


def forget_whom(end_user: EndUser) -> None:
    """For erasing: the notes stay, so that nothing is done twice, without whom they were about."""
    WebhookReceipt.objects.filter(end_user_id=end_user.id).update(end_user_id=None, chat_session=None)
