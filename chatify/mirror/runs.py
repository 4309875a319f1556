"""A long run that may be killed: how far it has come stands in the database, so that it can be taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from django.utils import timezone

from chatify.common.strict_json import is_storable
from chatify.mirror.models import MirrorCursor
from chatify.mirror.ownership import IMPORTED
from chatify.mirror.scopes import MOVED, Scope, stamp_of_moves

FRESH_SECONDS = 3600.0
"""A run that stopped longer ago begins anew: what it had seen may have changed since.

So does one during which a tenant got another place: it went through the places in an order in which that was another's.
"""


class Step(Protocol):
    """What was done about a lot. `after`: the chat session after which the next lot of its place begins.

    A run is not taken up within what is not whole, nor after a name that the database cannot store.
    """

    after: str
    is_last: bool
    is_whole: bool


S = TypeVar("S", bound=Step)


@dataclass(slots=True)
class Totals:
    """What a run has done so far, those parts included that it had done before it was killed."""

    compared: int = 0
    different: int = 0
    not_yet: int = 0
    written: int = 0
    removed: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    """What does not belong there and stays, by the prefix of its place."""


class Run:
    """One run by name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._moves = stamp_of_moves()
        row = MirrorCursor.objects.filter(name=name, updated_at__gte=_fresh_since()).first()
        position = row.position if row and row.position.get("moves", "") == self._moves else {}
        self._prefix: str | None = position.get("prefix")
        self._after: str = position.get("after", "")
        self._is_last = bool(position.get("is_last"))
        self.totals = Totals(**position.get("totals", {}))

    @property
    def is_resumed(self) -> bool:
        """Whether a run that was killed is taken up."""
        return self._prefix is not None

    def through(self, scopes: Sequence[Scope], work: Callable[[Scope, str], Iterator[S]]) -> Iterator[tuple[Scope, S]]:
        """Do the work in each place from where it stopped: `work` takes a place, and after which chat session."""
        for scope in scopes:
            after = ""
            if self._prefix is not None and scope.prefix <= self._prefix:
                if scope.prefix < self._prefix or self._is_last:
                    continue
                after = self._after
            for step in work(scope, after):
                yield scope, step

    def save(self, scope: Scope, step: Step) -> None:
        """It has come so far."""
        if not step.is_whole or not is_storable(step.after):
            return
        position = {"prefix": scope.prefix, "after": step.after, "is_last": step.is_last, "totals": asdict(self.totals)}
        position["moves"] = self._moves
        MirrorCursor.objects.update_or_create(name=self._name, defaults={"position": position})

    def end(self) -> None:
        """It is done."""
        MirrorCursor.objects.filter(name=self._name).delete()


def begin_anew(name: str) -> Run:
    """A run that takes nothing up."""
    MirrorCursor.objects.filter(name=name).delete()
    return Run(name)


def unfinished_runs() -> list[str]:
    """The names of the runs that have stopped before their end, or are still at it."""
    found = MirrorCursor.objects.filter(updated_at__gte=_fresh_since())
    found = found.exclude(name__startswith=MOVED).exclude(name__startswith=IMPORTED)
    return list(found.order_by("name").values_list("name", flat=True))


def _fresh_since() -> object:
    return timezone.now() - timedelta(seconds=FRESH_SECONDS)
