"""Compare Firestore with the database, and set it right."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from google.cloud.firestore import Client

from chatify.accounts.models import Tenant
from chatify.mirror.client import client
from chatify.mirror.dead_letters import dead_letters, replay
from chatify.mirror.meters import read_backlog
from chatify.mirror.progress import Progress
from chatify.mirror.rebuilding import Change, Delivery, Stalled, rebuild
from chatify.mirror.runs import Run, begin_anew
from chatify.mirror.scopes import Scope, count_documents, forget_moves, scopes
from chatify.mirror.status import WHAT_TURNS_IT_ON, counted
from chatify.mirror.verifying import WAIT_SECONDS, verify, wait_for_backlog
from chatify.mirror.writing import ERRORS, Away

MAX_WAIT_SECONDS = 86_400.0


class Command(BaseCommand):
    """Prints what differs, one document after the other."""

    help = (
        "Compare Firestore with the database document by document. --verify prints what differs; --rebuild sets it "
        "right: it writes what is missing or different, removes what the database does not have (also what a tenant "
        "left under a former prefix, and what was imported), and tries dead letters again. What Chatify has neither "
        "written nor imported is printed, and stays. Both: first set right, then compare. Exit status "
        "1 when something differs, or is stuck. A run that was killed less than an hour ago is taken up where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and with what."""
        parser.add_argument("--verify", action="store_true", help="compare, and print the differences")
        parser.add_argument("--rebuild", action="store_true", help="write and remove what differs")
        parser.add_argument("--tenant", metavar="SLUG", help="only this tenant's documents")
        parser.add_argument("--restart", action="store_true", help="do not take up a run that was killed")
        parser.add_argument(
            "--wait",
            type=_seconds,
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help="before --verify, wait so long for what is on its way (default: %(default)g)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        if not options["verify"] and not options["rebuild"]:
            raise CommandError("Say --verify, or --rebuild, or both.")
        if not settings.FIRESTORE_IS_ON:
            raise CommandError(f"The mirror is off. {WHAT_TURNS_IT_ON}")
        tenant = _tenant(options["tenant"])
        problems: list[str] = []
        firestore = _connect()
        try:
            if options["rebuild"]:
                problems += self._rebuild(firestore, tenant, self._run("rebuild", options))
            if options["verify"]:
                problems += self._verify(firestore, tenant, self._run("verify", options), options["wait"])
        except (*ERRORS, Away, Stalled) as error:
            raise CommandError(f"{type(error).__name__}: {error}\nThe same command takes it up again.") from error
        if problems:
            raise CommandError("\n".join(problems))

    def _run(self, what: str, options: dict[str, Any]) -> Run:
        name = f"{what} --tenant {options['tenant']}" if options["tenant"] else f"{what} everything"
        run = begin_anew(name) if options["restart"] else Run(name)
        if run.is_resumed:
            self.stdout.write(f"Taken up after {counted(run.totals.compared, 'document')}; --restart begins anew.")
        return run

    # Comparing ------------------------------------------------------------------------------------

    def _verify(self, firestore: Client, tenant: Tenant | None, run: Run, wait: float) -> list[str]:
        left, totals, places, foreign = wait_for_backlog(wait), run.totals, scopes(tenant), 0
        if run.totals.different:
            self.stdout.write(f"Differences that were printed before it was stopped: {totals.different:,}.")
        with Progress(count_documents(places), sys.stderr) as progress:
            for scope, found in run.through(places, partial(verify, firestore)):
                totals.compared += found.compared
                totals.different += len(found.findings)
                totals.not_yet += found.not_yet
                foreign += len(found.foreign)
                if told := [*found.findings, *found.foreign]:
                    progress.hide()
                    self.stdout.write("\n".join(map(str, told)))
                run.save(scope, found)
                progress.show(totals.compared)
        run.end()
        self.stdout.write(f"{counted(totals.compared, 'document')} compared: {_differ(totals.different)}.")
        if totals.not_yet:
            self.stdout.write(f"{counted(totals.not_yet, 'document')} not yet as the database says: it is on its way.")
        self._tell_of_foreign(foreign)
        return _problems_of_comparing(totals.different, left if wait or read_backlog().is_behind else 0, wait)

    def _tell_of_foreign(self, count: int) -> None:
        if count:
            documents = counted(count, "document")
            self.stdout.write(f"{documents} that Chatify has neither written nor imported: a rebuild leaves them.")

    # Setting right --------------------------------------------------------------------------------

    def _rebuild(self, firestore: Client, tenant: Tenant | None, run: Run) -> list[str]:
        if not run.is_resumed:
            replay(row_ids=dead_letters(tenant).values_list("id", flat=True), who=None)
        places, delivery, foreign = scopes(tenant), Delivery(), 0
        try:
            with Progress(count_documents(places), sys.stderr) as progress:
                for _, change in run.through(places, partial(_rebuild_place, firestore, run, delivery)):
                    foreign += len(change.foreign)
                    if told := [*_told(change), *change.foreign]:
                        progress.hide()
                        self.stdout.write("\n".join(map(str, told)))
                    progress.show(run.totals.compared)
                delivery.until(0, timezone.now())
        finally:
            delivery.close()
        forget_moves(places, kept=run.totals.kept)
        run.end()
        totals = run.totals
        self.stdout.write(
            f"{counted(totals.compared, 'document')} compared: {totals.written:,} written, {totals.removed:,} removed."
        )
        self._tell_of_foreign(foreign)
        return _problems_of_rebuilding([row.error for row in dead_letters(tenant)], sum(totals.kept.values()))


def _rebuild_place(firestore: Client, run: Run, delivery: Delivery, scope: Scope, after: str) -> Iterator[Change]:
    def note(change: Change) -> None:
        totals = run.totals
        totals.compared += change.compared
        totals.written += change.written
        totals.removed += change.removed
        if change.kept:
            totals.kept[scope.prefix] = totals.kept.get(scope.prefix, 0) + len(change.kept)
        run.save(scope, change)

    return rebuild(firestore, scope, after, note=note, deliver=delivery)


def _told(change: Change) -> list[str]:
    reported = "removed, as nobody takes what is written there: see Edits in Firestore in the admin"
    kept = [f"{one.path}: kept, {one.note}" for one in change.kept]
    return [*kept, *(f"{one.path}: {reported}" for one in change.reported)]


def _differ(count: int) -> str:
    return f"{count:,} differ{'s' if count == 1 else ''}"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise ArgumentTypeError(f"{text} is no number of seconds from 0 to {MAX_WAIT_SECONDS:g}.")
    return seconds


def _connect() -> Client:
    try:
        return client()
    except (*ERRORS, ValueError, OSError) as error:  # of credentials
        raise CommandError(f"{type(error).__name__}: {error}") from error


def _tenant(slug: str | None) -> Tenant | None:
    if slug is None:
        return None
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {slug}.")
    return tenant


def _problems_of_comparing(different: int, left: int, wait: float) -> list[str]:
    found = []
    if different:
        what = "differs; --rebuild sets it" if different == 1 else "differ; --rebuild sets them"
        found = [f"{counted(different, 'document')} {what} right."]
    if left:
        found.append(f"{counted(left, 'change')} could not be delivered within {wait:g} s: see firestore_status.")
    return found


def _problems_of_rebuilding(errors: list[str], kept: int) -> list[str]:
    found = [f"Refused: {error.splitlines()[0] if error else 'no reason given'}" for error in errors]
    if kept:
        found.append(f"{counted(kept, 'document')} kept that somebody has written to: run it again in a few minutes.")
    return found
