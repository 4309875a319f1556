"""How the mirror is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chatify.mirror.dead_letters import dead_letters
from chatify.mirror.reachability import ask_firestore, lacks_the_oldest
from chatify.mirror.status import WHAT_TURNS_IT_ON, counted, in_words, read_status, where

SHOWN = 10


class Command(BaseCommand):
    """For people, and by its exit status for scripts."""

    help = (
        "Say how far Firestore is behind, and what Firestore refused. Exit status 1 when something is stuck: a change "
        "has been waiting for more than a minute, there are dead letters or edits that could not be taken, a tenant "
        "with another prefix was not rebuilt, or Firestore does not answer. 0 when the mirror is off."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        if not settings.FIRESTORE_IS_ON:
            self.stdout.write(f"The mirror is off. {WHAT_TURNS_IT_ON}")
            return
        status, (does_answer, answer) = read_status(), ask_firestore()
        backlog = status.backlog
        self._say("Project", where())
        self._say("Firestore", answer)
        self._say("Relay", status.relay or "none at work")
        self._say("Backlog", counted(backlog.waiting, "change"))
        self._say("Lag", in_words(backlog.lag_seconds))
        self._say("Dead letters", f"{backlog.dead:,}")
        for row in dead_letters().order_by("-id")[:SHOWN]:
            self.stdout.write(f"    {row.created_at:%Y-%m-%d %H:%M} {row.event}: {row.error.splitlines()[0]}")
        if status.unfinished:
            self._say("Unfinished runs", ", ".join(status.unfinished))
        if does_answer and not status.moved and lacks_the_oldest():
            self._say("Hint", "older chat sessions are not in Firestore: run manage.py firestore_sync --rebuild once")
        problems = ([] if does_answer else ["Firestore does not answer."]) + status.problems
        if problems:
            raise CommandError("\n".join(problems))

    def _say(self, name: str, value: str) -> None:
        self.stdout.write(f"{name + ':':<16} {value}")
