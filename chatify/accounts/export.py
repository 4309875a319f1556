"""Everything that is known about an end user, as one JSON document that is never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import orjson
import structlog
from django.http import StreamingHttpResponse
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.models import EndUser
from chatify.accounts.personal_data import Holding, holdings
from chatify.accounts.profile import end_user_object
from chatify.common.api import NO_STORE
from chatify.common.threads import in_db_thread

FILE_NAME = "chatify-export.json"

log = structlog.get_logger(__name__)


def export_end_user(*, end_user: EndUser, who: Who) -> StreamingHttpResponse:
    """The export as a file: `{user, exported_at, <holding>: [...], ...}`. Audited as `user.exported`."""
    record("user.exported", who=who, tenant_id=end_user.tenant_id, subject_id=end_user.id)
    return StreamingHttpResponse(
        _pieces(end_user, timezone.now()),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{FILE_NAME}"', **NO_STORE},
    )


async def _pieces(end_user: EndUser, now: datetime) -> AsyncIterator[bytes]:
    """The document, page by page. Nobody takes one for whole that was cut short: its last brace is missing."""
    yield _dumps({"user": end_user_object(end_user), "exported_at": now})[:-1]
    for holding in holdings():
        if holding.export is None:
            continue
        yield b',"%s":[' % holding.name.encode()
        comma, after = b"", None
        while True:
            rows, after = await in_db_thread(_read, holding, end_user, after)
            if rows:
                yield comma + rows
                comma = b","
            if after is None:
                break
        yield b"]"
    if await in_db_thread(EndUser.objects.filter(id=end_user.id).exists):
        yield b"}\n"
    else:
        log.warning("export_cut_short", reason="erased", end_user_id=str(end_user.id))


def _read(holding: Holding, end_user: EndUser, after: Any) -> tuple[bytes, Any]:
    assert holding.export is not None
    rows, after = holding.export(end_user, after)
    return b",".join(map(_dumps, rows)), after


def _dumps(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
