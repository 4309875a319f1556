"""A whole tenant, when it is deleted or restored: all that it has goes into the outbox, lot by lot.

One row stands for the tenant. It becomes the rows of a lot, and behind them one that stands for the rest; what others
have done meanwhile is between them and waits for no more than a lot. What the documents are to hold is read when they
are delivered, as ever, so it makes no difference when a lot is put there twice, or the tenant is restored meanwhile.
"""

from __future__ import annotations

from django.db import transaction

from chatify.events.models import OutboxRow
from chatify.mirror.paths import DocKey
from chatify.mirror.sink import NAME
from sessions.models import ChatSession
from templates_app.models import PromptTemplate

CHAT_SESSIONS_AT_ONCE = 50


@transaction.atomic
def spread(key: DocKey) -> None:
    """Put the personalities of a tenant and its first chat sessions into the outbox, or the next chat sessions."""
    tenant_id, after = key.tenant_id, key.id
    assert tenant_id is not None, "everybody's personalities are no tenant"
    chats = ChatSession.objects.existing().filter(tenant_id=tenant_id).order_by("id")
    rows = []
    if after == tenant_id:
        templates = PromptTemplate.objects.existing().filter(tenant_id=tenant_id).values_list("id", flat=True)
        rows = [OutboxRow(sink=NAME, event="template.spread", tenant_id=tenant_id, subject_id=id_) for id_ in templates]
    else:
        chats = chats.filter(id__gt=after)
    ids = list(chats.values_list("id", flat=True)[:CHAT_SESSIONS_AT_ONCE])
    rows += [OutboxRow(sink=NAME, event="session.spread", tenant_id=tenant_id, chat_session_id=id_) for id_ in ids]
    if len(ids) == CHAT_SESSIONS_AT_ONCE:
        # Not by `chat_session_id`: what waits of a chat session is deleted when that is erased.
        rows.append(OutboxRow(sink=NAME, event="tenant.spread", tenant_id=tenant_id, subject_id=ids[-1]))
    OutboxRow.objects.bulk_create(rows, batch_size=500)
