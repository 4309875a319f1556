"""An import that was stopped: it is taken up where it was, unless that is long ago or was elsewhere."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

import pytest
from django.utils import timezone
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import Tenant
from chatify.mirror import importing
from chatify.mirror.models import MirrorCursor
from sessions.models import ChatSession
from templates_app.models import PromptTemplate
from tests.mirror.edits import HUMAN, PROMPT, personality
from tests.mirror.imports import chat_document, imported
from tests.mirror.syncing import move

pytestmark = pytest.mark.django_db
LEFT_OUT = "Documents that were left out before it was stopped: "


@pytest.fixture
def tenant(db: None) -> Tenant:
    personality("casual_chat", is_default=True)
    return ensure_tenant(slug="acme")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PAGE", 2)


def stopped(mirror: Client, tenant: Tenant, lots: int = 1) -> None:
    """Import the personalities and so many lots of chat sessions, and stop."""
    list(islice(importing.Importing(mirror, tenant).run(), 1 + lots))


def age(seconds: float) -> None:
    """Let time pass since it was stopped."""
    MirrorCursor.objects.update(updated_at=timezone.now() - timedelta(seconds=seconds))


def position() -> dict[str, object] | None:
    """Of the run that was stopped."""
    return MirrorCursor.objects.filter(name="import acme").values_list("position", flat=True).first()


def test_killed_import_is_taken_up(mirror: Client, tenant: Tenant) -> None:
    for number in range(5):
        chat_document(mirror, f"c{number}", ("user", "Hello"))
    stopped(mirror, tenant)
    assert ChatSession.objects.count() == 2
    age(3500)
    status, told = imported()
    assert (status, "Taken up after c1; --restart begins anew." in told, "3 chat sessions" in told) == (0, True, True)
    assert LEFT_OUT not in told
    assert (ChatSession.objects.count(), position()) == (5, None)


def test_import_that_was_stopped_long_ago_begins_anew(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "m1")
    chat_document(mirror, "m2", user_id=None)
    stopped(mirror, tenant)
    age(3700)
    chat_document(mirror, "a1")
    mirror.document("prompt_templates/pirate").set({"name": "Jack", "system_prompt": PROMPT})
    status, told = imported()
    assert (status, "Taken up" in told, LEFT_OUT in told, "1 document left out." in told) == (1, False, False, True)
    assert "1 personalities new or changed, 1 chat session" in told
    assert PromptTemplate.objects.filter(slug="pirate").exists()
    assert (ChatSession.objects.count(), position()) == (2, None)


def test_cursor_of_an_earlier_release_is_not_taken_up(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "a1")
    MirrorCursor.objects.create(name="import acme", position={"after": "m"})
    assert "1 chat session," in imported()[1]


def test_restart_begins_anew(mirror: Client, tenant: Tenant) -> None:
    for number in range(3):
        chat_document(mirror, f"c{number}")
    stopped(mirror, tenant)
    chat_document(mirror, "a1")
    status, told = imported("--restart")
    assert (status, "Taken up" in told, "2 chat sessions," in told) == (0, False, True)
    assert (ChatSession.objects.count(), position()) == (4, None)


def test_restart_that_is_stopped_does_not_leave_the_old_place_to_be_taken_up(mirror: Client, tenant: Tenant) -> None:
    for number in range(3):
        chat_document(mirror, f"c{number}")
    stopped(mirror, tenant)
    next(importing.Importing(mirror, tenant, is_anew=True).run())
    assert position() is None


def test_dry_run_takes_nothing_up_and_leaves_the_place(mirror: Client, tenant: Tenant) -> None:
    for number in range(3):
        chat_document(mirror, f"c{number}", user_id=None)
    stopped(mirror, tenant)
    before = position()
    for arguments in (["--dry-run"], ["--dry-run", "--restart"]):
        status, told = imported(*arguments)
        assert (status, "Taken up" in told, "3 documents left out." in told) == (1, False, True)
    assert before == position() == {"after": "c1", "left_out": 2, "prefix": ""}


def test_tenant_that_has_moved_meanwhile_is_read_from_the_beginning(mirror: Client, tenant: Tenant) -> None:
    for number in range(3):
        chat_document(mirror, f"c{number}")
    stopped(mirror, tenant)
    chat_document(mirror, "a1", prefix="tenants/acme/")
    move("acme", "tenants/acme")
    status, told = imported()
    assert (status, "Taken up" in told, "1 chat session," in told) == (0, False, True)


def test_what_was_left_out_before_it_was_stopped_counts(mirror: Client, tenant: Tenant) -> None:
    mirror.document("prompt_templates/liar").set({"name": "Liar", "system_prompt": HUMAN})
    chat_document(mirror, "c0", user_id=None)
    chat_document(mirror, "c1", ("dog", "Woof"))
    for number in range(2, 5):
        chat_document(mirror, f"c{number}")
    stopped(mirror, tenant)
    stopped(mirror, tenant)  # takes the first lot for the personalities' one
    status, told = imported()
    assert (status, f"{LEFT_OUT}3." in told, "3 documents left out." in told) == (1, True, True)
    status, told = imported()
    assert (status, LEFT_OUT in told, "3 documents left out." in told) == (1, False, True)


def test_what_is_left_out_on_both_sides_of_the_stop_is_added_up(mirror: Client, tenant: Tenant) -> None:
    for number in range(4):
        chat_document(mirror, f"c{number}", user_id=None)
    stopped(mirror, tenant)
    mirror.document("conversation_history/orphan/messages/x").set({"role": "user", "content": "Hello?"})
    status, told = imported()
    assert (status, f"{LEFT_OUT}2." in told, "5 documents left out." in told) == (1, True, True)
    assert told.count("user_id: This is required.") == 2


def test_id_that_no_database_can_keep_is_no_place_to_go_on_from(mirror: Client, tenant: Tenant) -> None:
    for id_ in ("c1", "c2", "c3", "c4\0"):
        chat_document(mirror, id_)
    stopped(mirror, tenant, lots=2)
    assert position() == {"after": "c2", "left_out": 0, "prefix": ""}
    assert imported()[0] == 0
    assert ChatSession.objects.count() == 4
