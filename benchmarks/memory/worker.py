"""Chatify's worker for the benchmark: runs the task of memory when it is told to, a JSON line for each call.

A process of its own with Chatify's settings and database, as Celery's worker is. Without OPENAI_API_KEY its
summaries are Chatify's extractive ones, whatever the server that chats has.
"""

import os
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django
import orjson

from benchmarks.memory.model import MEMORY_MODEL

MOST_PASSES = 20


def prepare(budgets: list[int]) -> dict[str, Any]:
    """Copies of the default personality with these token budgets, and the stub's own name for who summarises."""
    from chatify.memory.prompts import prompt_of, save_memory_prompt
    from templates_app.models import PromptTemplate

    default = PromptTemplate.objects.select_related("current_version").get(is_default=True)
    slugs = {str(budget): _copy(default, budget) for budget in budgets}
    save_memory_prompt(purpose="summary", text=prompt_of("summary").text, model=MEMORY_MODEL, who=None)
    return {"slugs": slugs}


def _copy(default: Any, budget: int) -> str:
    from dataclasses import replace

    from templates_app.actions import Draft, save_personality
    from templates_app.models import PromptTemplate

    copied = ("name", "description", "greeting", "welcome_back", "goodbye")
    template = PromptTemplate(slug=f"benchmark-{budget}", **{name: getattr(default, name) for name in copied})
    save_personality(template=template, draft=replace(Draft.of(default.current_version), context_tokens=budget))
    return template.slug


def digest() -> dict[str, Any]:
    """Run the task until nothing is due."""
    from django.utils import timezone

    from chatify.memory.tasks import digest as task
    from sessions.models import ChatSession

    for _ in range(MOST_PASSES):
        if not ChatSession.objects.filter(memory_due_at__lte=timezone.now(), deleted_at=None).exists():
            return {"left": 0}
        task()
    return {"left": ChatSession.objects.exclude(memory_due_at=None).count()}


def describe(session: str) -> dict[str, Any]:
    """The latest summary of a chat session, and what memory says went wrong."""
    from sessions.models import ChatSession, Summary

    summaries = Summary.objects.filter(chat_session_id=UUID(session)).order_by("-from_seq")
    latest = summaries.values_list("text", "model").first() or ("", "")
    error = ChatSession.objects.values_list("memory_error", flat=True).get(id=session)
    return {"text": latest[0], "model": latest[1], "count": summaries.count(), "error": error}


def main() -> None:
    """Answer calls till standard input ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    verbs: dict[str, Callable[..., dict[str, Any]]] = {"prepare": prepare, "digest": digest, "describe": describe}
    for line in sys.stdin.buffer:
        call = orjson.loads(line)
        answer = verbs[call.pop("do")](**call)
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
