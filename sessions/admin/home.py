"""The admin's first page: what is on offer, what was said lately, and what this installation runs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from chatify.accounts.admin_base import admin_url
from sessions.models import ChatSession, Feedback
from templates_app.models import PromptTemplate

RECENT = 8

Part = tuple[str, str, str]
"""Name, what it is, and what would change it."""

_more_parts: list[Callable[[HttpRequest], Part]] = []


def register_part(read: Callable[[HttpRequest], Part]) -> None:
    """Show another part of the installation: for layers above this one."""
    _more_parts.append(read)


def add_overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the page shows, as far as the reader may see it."""
    may_see_chats = _may_see(request, "chat_sessions", "chatsession")
    return {
        **context,
        "title": "Home",
        "personalities": _personalities() if _may_see(request, "templates_app", "prompttemplate") else None,
        "may_add_personality": request.user.has_perm("templates_app.add_prompttemplate"),
        "chat_sessions": _chat_sessions() if may_see_chats else None,
        "ratings": _ratings() if may_see_chats and _may_see(request, "chat_sessions", "feedback") else None,
        "addresses": {
            "new_personality": admin_url("templates_app_prompttemplate", "add"),
            "personalities": admin_url("templates_app_prompttemplate"),
            "chat_sessions": admin_url("chat_sessions_chatsession"),
            "feedback": admin_url("chat_sessions_feedback"),
        },
        "parts": [*_parts(), *(read(request) for read in _more_parts)],
    }


def _may_see(request: HttpRequest, label: str, model: str) -> bool:
    return any(request.user.has_perm(f"{label}.{verb}_{model}") for verb in ("view", "change"))


def _personalities() -> list[PromptTemplate]:
    found = PromptTemplate.objects.existing().filter(is_active=True)
    return list(found.select_related("current_version", "tenant")[:RECENT])


def _chat_sessions() -> list[ChatSession]:
    found = ChatSession.objects.existing().select_related("end_user", "partner", "template", "tenant")
    return list(found.order_by("-last_activity")[:RECENT])


def _ratings() -> list[Feedback]:
    found = Feedback.objects.filter(chat_session__deleted_at=None).select_related("chat_session__template")
    return list(found.order_by("-id")[:5])


def _parts() -> list[Part]:
    has_model, has_redis = bool(settings.OPENAI_API_KEY), bool(settings.REDIS_URL)
    model = settings.CHAT_MODEL if has_model else "built-in offline companion"
    return [
        ("Model", model, "" if has_model else "Set OPENAI_API_KEY for a real one."),
        ("Database", "SQLite" if settings.IS_SQLITE else "PostgreSQL", ""),
        ("Live updates", "Redis" if has_redis else "in memory, one process", ""),
    ]
