"""`firestore_status`: how the mirror is, for people, and by its exit status for scripts."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.events.leases import Lease
from chatify.events.models import OutboxRow
from chatify.mirror import client as connection_to_firestore
from chatify.mirror.dead_letters import dead_letters, replay
from chatify.mirror.meters import MirrorBehind, check_backlog, read_backlog
from chatify.mirror.models import InboundReport, MirrorCursor
from chatify.mirror.progress import Progress
from chatify.mirror.sink import NAME
from chatify.mirror.status import in_words
from sessions.models import ChatSession
from tests.mirror.relaying import deliver
from tests.mirror.syncing import move, run
from tests.services.server import base_env, run_python

pytestmark = pytest.mark.django_db


def _status() -> tuple[int, str]:
    return run("firestore_status")


def _row(**fields: Any) -> OutboxRow:
    age = timedelta(seconds=fields.pop("age", 0))
    row = OutboxRow.objects.create(sink=NAME, event="session.renamed", **fields)
    OutboxRow.objects.filter(id=row.id).update(created_at=timezone.now() - age)
    return row


def test_off_is_no_problem_and_says_what_would_turn_it_on() -> None:
    status, said = _status()
    assert status == 0
    assert said.startswith("The mirror is off. Set FIREBASE_PROJECT_ID, and GOOGLE_APPLICATION_CREDENTIALS or")


def test_all_is_well(mirror: Client, chat: ChatSession) -> None:
    deliver()
    lease = Lease(NAME)
    assert lease.take()
    status, said = _status()
    lines = dict(line.split(":", 1) for line in said.splitlines())
    assert status == 0
    assert lines["Firestore"].strip().startswith("answers in")
    assert "(emulator at 127.0.0.1:" in lines["Project"]
    assert (lines["Relay"].strip(), lines["Backlog"].strip()) == (lease.owner, "0 changes")
    assert (lines["Lag"].strip(), lines["Dead letters"].strip()) == ("0 s", "0")


def test_young_backlog_is_no_problem(mirror: Client) -> None:
    _row(age=20)
    status, said = _status()
    assert (status, "1 change" in said, "20 s" in said) == (0, True, True)


def test_old_backlog_is_stuck_and_says_that_no_relay_is_at_work(mirror: Client) -> None:
    _row(age=200)
    status, said = _status()
    assert status == 1
    assert "The oldest change has been waiting for 3 min." in said
    assert "No relay is at work: start the server, or manage.py firestore_relay." in said
    assert Lease(NAME).take()
    assert "start the server" not in _status()[1]


def test_dead_letters_are_listed_with_their_errors(mirror: Client) -> None:
    _row(state=OutboxRow.State.DEAD, error="chatbot_sessions/a: InvalidArgument: 400 too large\nand more", age=900)
    status, said = _status()
    assert status == 1
    assert "session.renamed: chatbot_sessions/a: InvalidArgument: 400 too large\n" in said
    assert "Firestore has refused 1 change: see Dead letters in the admin." in said
    assert "No relay" not in said


def test_dead_letters_that_are_tried_again_have_not_waited_since_they_were_written(mirror: Client) -> None:
    old = _row(state=OutboxRow.State.DEAD, error="a: InvalidArgument", attempts=3, age=9000)
    waiting = _row(age=20)
    assert replay(row_ids=[old.id, waiting.id], who=None) == 1
    status, said = _status()
    assert (status, "2 changes" in said, "Lag:             20 s" in said) == (0, True, True)
    first, second = OutboxRow.objects.order_by("id")
    assert (first.id, second.attempts, second.error, second.state) == (waiting.id, 3, "", OutboxRow.State.PENDING)
    OutboxRow.objects.filter(id=waiting.id).delete()
    assert read_backlog().lag_seconds < 10
    OutboxRow.objects.update(created_at=timezone.now() - timedelta(seconds=200))
    assert read_backlog().is_behind, "it has waited again"


def test_many_dead_letters_are_tried_again_at_once(db: None) -> None:
    dead = [OutboxRow(sink=NAME, event="session.renamed", state=OutboxRow.State.DEAD) for _ in range(1200)]
    OutboxRow.objects.bulk_create(dead)
    assert replay(row_ids=dead_letters().values_list("id", flat=True), who=None) == 1200
    assert OutboxRow.objects.filter(state=OutboxRow.State.PENDING).count() == 1200


def test_edits_that_nobody_settled_are_told(mirror: Client) -> None:
    report = InboundReport.objects.create(kind="refused", path="prompt_templates/a", digest="x", detail="Too long.")
    assert "1 edit in Firestore could not be taken" in _status()[1]
    InboundReport.objects.filter(id=report.id).update(settled_at=timezone.now())
    InboundReport.objects.create(kind="deleted", path="prompt_templates/b", digest="x", detail="It was written again.")
    assert _status()[0] == 0


def test_tenant_with_another_prefix_has_to_be_rebuilt(mirror: Client, chat: ChatSession) -> None:
    move("demo", "tenants/demo")
    deliver()
    status, said = _status()
    assert status == 1
    assert "demo has another prefix now: run manage.py firestore_sync --rebuild --tenant demo" in said
    assert run("firestore_sync", "--rebuild", tenant="demo")[0] == 0
    assert _status()[0] == 0


def test_chats_from_before_the_mirror_ask_for_a_rebuild(mirror: Client, chat: ChatSession) -> None:
    assert "Hint" not in _status()[1], "it is on its way"
    OutboxRow.objects.all().delete()
    status, said = _status()
    hint = "Hint:            older chat sessions are not in Firestore: run manage.py firestore_sync --rebuild once"
    assert (status, hint in said) == (0, True)
    assert run("firestore_sync", "--rebuild")[0] == 0
    assert "Hint" not in _status()[1]


def test_health_says_what_is_behind(mirror: Client) -> None:
    _row(age=20)
    assert check_backlog() == "1 waiting, 0 dead"
    _row(age=200)
    OutboxRow.objects.update(created_at=timezone.now() - timedelta(seconds=200))
    with pytest.raises(MirrorBehind, match=r"^behind by 200 s: 2 waiting, 0 dead$"):
        check_backlog()


@pytest.mark.parametrize("port", [99999, -1])
def test_port_that_is_none_is_told(mirror: Client, port: int) -> None:
    assert run("firestore_relay", metrics_port=port)[1].startswith(f"Metrics cannot be served on port {port}: ")


@pytest.mark.parametrize("wait", ["-3", "nan", "1e9", "soon"])
def test_only_a_time_can_be_waited(mirror: Client, wait: str) -> None:
    assert run("firestore_sync", "--verify", f"--wait={wait}")[0] == 1


def test_unfinished_runs_are_told(mirror: Client) -> None:
    MirrorCursor.objects.create(name="rebuild everything")
    status, said = _status()
    assert (status, "Unfinished runs: rebuild everything" in said) == (0, True)


def test_firestore_that_does_not_answer_is_a_problem(mirror: Client, settings: Any) -> None:
    ensure_tenant(slug="demo")
    connection_to_firestore.close()
    settings.FIRESTORE_EMULATOR_HOST = "127.0.0.1:9"
    status, said = _status()
    assert status == 1
    assert "ServiceUnavailable" in said
    assert "Firestore does not answer." in said


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (99.4, "99 s"), (100, "2 min"), (3600, "60 min"), (7200, "2 h")]
)
def test_times_are_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_admin_does_without_firestores_client() -> None:
    """It takes memory and a second in every process, also where the mirror is off."""
    code = (
        "import sys, django; django.setup(); from django.contrib import admin; admin.autodiscover();"
        "assert 'chatify.mirror.admin' in sys.modules; assert 'firebase_admin' not in sys.modules"
    )
    run_python("-c", code, env=base_env())


# The progress bar ---------------------------------------------------------------------------------
class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_that_goes_away() -> None:
    terminal = _Terminal()
    with Progress(1000, terminal) as progress:
        progress.show(500)
        progress.show(1200)  # more than was counted
    *_, half, full, gone = terminal.getvalue().split("\r")
    assert half.endswith("[###############               ]  50 %  500 of about 1,000 documents")
    assert full.endswith("100 %  1,200 of about 1,200 documents")
    assert gone == "\x1b[K"


def test_progress_is_nothing_in_a_file() -> None:
    file = io.StringIO()
    with Progress(10, file) as progress:
        progress.show(5)
    assert file.getvalue() == ""
