"""How people, conversations and times are shown on these pages."""

from __future__ import annotations

from datetime import timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatify.accounts.admin_base import admin_url, link, soft
from chatify.accounts.models import EndUser
from sessions.models import ChatSession


def person_link(user: EndUser) -> SafeString:
    """To their page."""
    return link(admin_url("accounts_enduser", "change", user.id), user)


def conversation_link(chat_session: ChatSession | None, text: str) -> SafeString:
    """To what was said, and how it is; a dash without one."""
    if chat_session is None:
        return soft("–")
    note = "deleted" if chat_session.deleted_at else chat_session.status
    address = admin_url("chat_sessions_chatsession", "change", chat_session.id)
    return format_html("{} {}", link(address, text), soft(f"({note})"))


def in_seconds(span: timedelta) -> str:
    """Such as "9.8 s", or minutes, that stay on one line."""
    seconds = max(0.0, span.total_seconds())
    return f"{seconds:.1f}\u00a0s" if seconds < 100 else f"{seconds / 60:,.0f}\u00a0min"
