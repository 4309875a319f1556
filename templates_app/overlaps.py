"""Two save the same personality, or one and Firestore: what a form showed when it was opened, and what is there now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import when
from chatify.accounts.models import AuditEntry, User
from templates_app.checks import with_plain_newlines

MAX_SHOWN = 3000
"""So many characters of what is there now are shown beside a field."""

_LAST_ENTRY = "*"


def marks_of(values: Mapping[str, Any], subject_id: UUID) -> str:
    """What a form shows, as it carries it along: a mark of each value, and the last entry of the audit log."""
    entry = _last_entry(subject_id)
    marks = {name: mark(value) for name, value in values.items()}
    return json.dumps(marks | {_LAST_ENTRY: str(entry.id) if entry else ""})


def read_marks(text: str) -> dict[str, str]:
    """What came back of it; nothing when somebody else made it up."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(one) for name, one in found.items()} if isinstance(found, dict) else {}


def mark(value: Any) -> str:
    """The same for the same to a reader, before and after a form's cleaning."""
    if isinstance(value, Model):
        value = value.pk
    if isinstance(value, str):
        value = with_plain_newlines(value).strip()
    return hashlib.sha256(json.dumps(value or None, default=str).encode()).hexdigest()[:16]


def tell(subject_id: UUID, seen: Mapping[str, str], labels: Iterable[str]) -> str:
    """Who has changed what meanwhile, and what can be done."""
    return (
        f"While this page was open, {_who(subject_id, seen)} changed: {', '.join(labels)}. Nothing of yours was saved, "
        "and nothing of it is lost: below is what you wrote, and what is there now where you wrote nothing. Look at "
        "it, and save again."
    )


def tell_of_both(value: Any) -> SafeString:
    """Beside a field that both have changed."""
    shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str("" if value is None else value)
    cut = f"{shown[:MAX_SHOWN]}{'…' if len(shown) > MAX_SHOWN else ''}"
    return format_html(
        'Changed meanwhile, too. Yours takes its place when you save again. There is now:<span class="meanwhile">{}'
        "</span>",
        cut or "nothing",
    )


def _last_entry(subject_id: UUID) -> AuditEntry | None:
    return AuditEntry.objects.filter(subject_id=subject_id, action__startswith="template.").first()


def _who(subject_id: UUID, seen: Mapping[str, str]) -> str:
    entry = _last_entry(subject_id)
    if entry is None or str(entry.id) == seen.get(_LAST_ENTRY):
        return "somebody"
    return f"{_actor(entry)} ({when(entry.at)})"


def _actor(entry: AuditEntry) -> str:
    if entry.details.get("origin") == "firestore":
        return "an edit in Firestore"
    if entry.actor_kind == AuditEntry.Actor.API_KEY:
        return "an application"
    if entry.actor_kind == AuditEntry.Actor.SYSTEM:
        return "Chatify itself"
    user = User.objects.filter(id=entry.actor_id).first() if entry.actor_id else None
    return str(user) if user else "somebody"
