"""Read a Firestore project that has the collections already."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chatify.accounts.audit import record
from chatify.accounts.models import Tenant
from chatify.mirror.client import MirrorOff, client
from chatify.mirror.importing import Imported, Importing
from chatify.mirror.progress import Progress
from chatify.mirror.reachability import ask_firestore
from chatify.mirror.status import WHAT_TURNS_IT_ON, counted
from chatify.mirror.writing import ERRORS


class Command(BaseCommand):
    """Idempotent: what is there stays as it is, and what is new is added."""

    help = (
        "Read personalities, chat sessions and messages from a Firestore project that has them already: into a tenant, "
        "from its place in Firestore. Personalities pass the same checks as in the admin. Ids that are no UUIDs become "
        "one that is always the same. Run it as often as you like; a run that was killed less than an hour ago is "
        "taken up where it was. Exit status 1 when something was left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose it will be."""
        parser.add_argument("--tenant", metavar="SLUG", required=True, help="whose chat sessions they become")
        parser.add_argument("--restart", action="store_true", help="do not take up a run that was killed")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be read, and what left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, and say what was left out."""
        if not settings.FIRESTORE_IS_ON:
            raise CommandError(f"The mirror is off. {WHAT_TURNS_IT_ON}")
        tenant = Tenant.objects.existing().filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']}.")
        does_answer, answer = ask_firestore()
        if not does_answer:
            raise CommandError(f"Firestore does not answer. {answer}")
        is_dry = options["dry_run"]
        totals, left_out = Imported(), 0
        try:
            importing = Importing(client(), tenant, is_dry=is_dry, is_anew=options["restart"])
            left_out = importing.position.left_out
            self._run(importing, totals)
        except (*ERRORS, MirrorOff, ValueError, OSError) as error:
            raise CommandError(f"{type(error).__name__}: {error}\nThe same command takes it up again.") from error
        finally:
            if not is_dry and (totals.chat_sessions or totals.messages):
                counts = {"chat_sessions": totals.chat_sessions, "messages": totals.messages}
                record("firestore.imported", who=None, tenant_id=tenant.id, subject_id=tenant.id, **counts)
        for (wanted, answering), chats in sorted(totals.replaced.items()):
            where = counted(chats, "chat session")
            self.stdout.write(f"template_type: “{wanted}” is no personality here; {answering} answers in {where}.")
        for slug, chats in sorted(totals.others.items()):
            self.stdout.write(f"{counted(chats, 'chat session')} there of the tenant {slug}: not read.")
        self.stdout.write(f"{'Would be imported' if is_dry else 'Imported'}: {_told(totals)}.")
        left_out += len(totals.problems)
        if left_out:
            raise CommandError(f"{counted(left_out, 'document')} left out.")

    def _run(self, importing: Importing, totals: Imported) -> None:
        after, left_out = importing.position
        if after:
            self.stdout.write(f"Taken up after {after}; --restart begins anew.")
        if left_out:
            self.stdout.write(f"Documents that were left out before it was stopped: {left_out:,}.")
        with Progress(importing.count(), sys.stderr) as progress:
            done = 0
            for lot in importing.run():
                totals.add(lot)
                if lot.problems:
                    progress.hide()
                    self.stdout.write("\n".join(lot.problems))
                done += lot.read
                progress.show(done)


def _told(totals: Imported) -> str:
    return (
        f"{totals.personalities:,} personalities new or changed, {counted(totals.chat_sessions, 'chat session')}, "
        f"{counted(totals.messages, 'message')}"
    )
