"""How the mirror is, as far as the database knows: for the command, and for the admin's first page.

Every process with the admin imports this, so it does without Firestore's client, which takes memory and a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models.functions import Now

from chatify.events.models import SinkLease
from chatify.mirror.meters import Backlog, read_backlog
from chatify.mirror.models import InboundReport
from chatify.mirror.runs import unfinished_runs
from chatify.mirror.scopes import moved_tenants
from chatify.mirror.sink import NAME

WHAT_TURNS_IT_ON = "Set FIREBASE_PROJECT_ID, and GOOGLE_APPLICATION_CREDENTIALS or FIRESTORE_EMULATOR_HOST."


@dataclass(frozen=True, slots=True)
class Status:
    """What the database says about the mirror."""

    backlog: Backlog
    relay: str
    """Which process delivers; empty: none does."""
    reports: int
    """Edits in Firestore that were refused, or met one of ours, and that nobody has settled."""
    moved: list[str]
    """Slugs of tenants that have another place now, and have to be rebuilt."""
    unfinished: list[str]

    @property
    def is_behind(self) -> bool:
        """Whether something has been waiting for too long."""
        return self.backlog.is_behind

    @property
    def problems(self) -> list[str]:
        """What is stuck until somebody does something, in words."""
        found = []
        if self.is_behind:
            found.append(f"The oldest change has been waiting for {in_words(self.backlog.lag_seconds)}.")
        if self.is_behind and not self.relay:
            found.append("No relay is at work: start the server, or manage.py firestore_relay.")
        if self.backlog.dead:
            changes = counted(self.backlog.dead, "change")
            found.append(f"Firestore has refused {changes}: see Dead letters in the admin.")
        if self.reports:
            edits = counted(self.reports, "edit")
            found.append(f"{edits} in Firestore could not be taken: see Edits in Firestore in the admin.")
        found += [
            f"{slug} has another prefix now: run manage.py firestore_sync --rebuild --tenant {slug}"
            for slug in self.moved
        ]
        return found


def read_status() -> Status:
    """How it is now."""
    leases = SinkLease.objects.filter(sink=NAME, expires_at__gt=Now())
    return Status(
        backlog=read_backlog(),
        relay=leases.values_list("owner", flat=True).first() or "",
        reports=InboundReport.objects.filter(settled_at=None).exclude(kind=InboundReport.Kind.DELETED).count(),
        moved=moved_tenants(),
        unfinished=unfinished_runs(),
    )


def where() -> str:
    """The project, and whether it is an emulator's."""
    host = settings.FIRESTORE_EMULATOR_HOST
    return f"{settings.FIREBASE_PROJECT_ID} (emulator at {host})" if host else str(settings.FIREBASE_PROJECT_ID)


def in_words(seconds: float) -> str:
    """A time for people: `4 s`, `3 min`, `2 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def counted(number: int, noun: str) -> str:
    """`1 change`, `2,000 changes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
