"""Staff see how the mirror is, try again what Firestore refused, and settle edits that could not be taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import AuditEntry, Tenant, User
from chatify.accounts.prefixes import COLLECTIONS, MAX_PREFIX, normal_prefix
from chatify.events.models import OutboxRow
from chatify.mirror import paths
from chatify.mirror.models import InboundReport
from chatify.mirror.scopes import moved_tenants
from chatify.mirror.sink import NAME
from templates_app.models import PromptTemplate
from tests.admin.conftest import make_staff, nora, root, seeded, staff
from tests.admin.test_tenants import _form
from tests.mirror.relaying import deliver, document
from tests.mirror.syncing import conversation, move

__all__ = ["make_staff", "nora", "root", "seeded", "staff"]

pytestmark = pytest.mark.django_db
CONFIRMED = {"_form_submitted": "True"}
LETTERS = "/admin/events/outboxrow/"
EDITS = "/admin/mirror/inboundreport/"
DEAD, PENDING = OutboxRow.State.DEAD, OutboxRow.State.PENDING
MakeStaff = Callable[..., Browser]


@pytest.fixture
def letter(seeded: None) -> OutboxRow:
    """A row that Firestore refused."""
    tenant = ensure_tenant(slug="demo")
    error = "chatbot_sessions/<b>x</b>: InvalidArgument: 400 too large"
    return OutboxRow.objects.create(
        sink=NAME, event="session.renamed", tenant_id=tenant.id, state=DEAD, error=error, attempts=1
    )


@pytest.fixture
def edit(nora: PromptTemplate) -> InboundReport:
    """An edit that was refused."""
    return InboundReport.objects.create(
        kind="refused", path="prompt_templates/dating_advice", digest="x", detail="name: Too long.\nand more",
        content={"name": "<script>alert(1)</script>"}, template=nora,
    )  # fmt: skip


def _read(browser: Browser, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _state(letter: OutboxRow) -> tuple[str, str]:
    row = OutboxRow.objects.get(sink=NAME, event=letter.event, tenant_id=letter.tenant_id)
    return row.state, row.error


# Dead letters -------------------------------------------------------------------------------------
def test_dead_letters_are_shown_with_their_errors(staff: Browser, letter: OutboxRow) -> None:
    waiting = OutboxRow.objects.create(sink=NAME, event="message.created")
    text = _read(staff, LETTERS)
    assert "Dead letters" in text
    assert "chatbot_sessions/&lt;b&gt;x&lt;/b&gt;: InvalidArgument: 400 too large" in text
    assert ("Demo" in text, "Chat session renamed" in text, "Message created" in text) == (True, True, False)
    assert re.search(r'href="/admin/events/"[^>]*>\s*Firestore\s*<', text)
    assert "InvalidArgument" in _read(staff, f"{LETTERS}{letter.id}/change/")
    assert staff.get(f"{LETTERS}{waiting.id}/change/").status_code == 302


@pytest.mark.parametrize("where", ["list", "page"])
def test_dead_letter_is_tried_again(staff: Browser, root: User, letter: OutboxRow, where: str) -> None:
    if where == "list":
        staff.post(LETTERS, {"action": "replay", "_selected_action": [str(letter.id)]})
    else:
        answer = staff.post(f"{LETTERS}{letter.id}/replay_this/", CONFIRMED)
        assert answer.headers["HX-Redirect"] == LETTERS
    assert _state(letter) == (PENDING, "")
    entry = AuditEntry.objects.get(action="firestore.replayed")
    assert (entry.actor_id, entry.tenant_id) == (root.id, letter.tenant_id)


def test_letter_that_is_tried_again_arrives(staff: Browser, mirror: Client, nora: PromptTemplate) -> None:
    deliver()
    mirror.document("prompt_templates/dating_advice").delete()
    letter = OutboxRow.objects.create(sink=NAME, event="template.changed", subject_id=nora.id, state=DEAD)
    assert f"prompttemplate/{nora.id}/change/" in _read(staff, LETTERS)
    staff.post(LETTERS, {"action": "replay", "_selected_action": [str(letter.id)]})
    deliver()
    assert (document(mirror, "prompt_templates/dating_advice") or {})["name"] == nora.name
    assert not OutboxRow.objects.exists()


def test_conversation_of_a_dead_letter_is_linked(staff: Browser, mirror: Client, chat: Any) -> None:
    OutboxRow.objects.create(sink=NAME, event="session.renamed", chat_session_id=chat.id, state=DEAD)
    assert f"chat_sessions/chatsession/{chat.id}/change/" in _read(staff, LETTERS)


def test_trying_again_takes_its_right(make_staff: MakeStaff, letter: OutboxRow) -> None:
    viewer = make_staff("view_outboxrow")
    assert "InvalidArgument" in _read(viewer, LETTERS)
    assert viewer.post(f"{LETTERS}{letter.id}/replay_this/", CONFIRMED).status_code == 403
    viewer.post(LETTERS, {"action": "replay", "_selected_action": [str(letter.id)]})
    assert _state(letter)[0] == DEAD
    assert make_staff("view_tenant").get(LETTERS).status_code == 403


def test_nothing_can_be_added_changed_or_deleted(staff: Browser, letter: OutboxRow, edit: InboundReport) -> None:
    for address, row in ((LETTERS, letter), (EDITS, edit)):
        assert staff.get(f"{address}add/").status_code == 403
        assert staff.post(f"{address}{row.pk}/change/", {}).status_code == 403
        assert staff.post(f"{address}{row.pk}/delete/", {"post": "yes"}).status_code == 403


# Edits in Firestore -------------------------------------------------------------------------------
def test_edit_is_shown_with_what_was_written_there(staff: Browser, edit: InboundReport, nora: PromptTemplate) -> None:
    edit.version = nora.current_version
    edit.save()
    text = _read(staff, f"{EDITS}{edit.id}/change/")
    assert "name: Too long.<br>and more" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert f"prompttemplate/{nora.id}/change/" in text
    assert f"promptversion/{nora.current_version_id}/change/" in text  # type: ignore[attr-defined]


def test_whole_numbers_are_shown_as_such(staff: Browser, edit: InboundReport) -> None:
    edit.content = {"max_tokens": 500.0, "temperature": 0.7, "list": [1.0, {"a": 2.0}], "flag": True}
    edit.save()
    text = _read(staff, f"{EDITS}{edit.id}/change/").replace("&quot;", '"')
    for line in ('"max_tokens": 500,', '"temperature": 0.7', '"a": 2\n', '"flag": true'):
        assert line in text


def test_only_open_edits_are_listed_unless_asked(staff: Browser, edit: InboundReport) -> None:
    settled = InboundReport.objects.create(
        kind="conflict", path="prompt_templates/other", digest="y", detail="", settled_at=timezone.now()
    )
    for query, expected in (("", {edit}), ("settled=only", {settled}), ("settled=all", {edit, settled})):
        assert set(staff.get(f"{EDITS}?{query}").context["cl"].result_list) == expected


@pytest.mark.parametrize("where", ["list", "page"])
def test_settled_edit_is_overwritten_with_ours(staff: Browser, mirror: Client, edit: InboundReport, where: str) -> None:
    deliver()
    if where == "list":
        staff.post(EDITS, {"action": "settle", "_selected_action": [str(edit.id)]})
    else:
        staff.post(f"{EDITS}{edit.id}/settle_this/", CONFIRMED)
    edit.refresh_from_db()
    assert edit.settled_at is not None
    mirror.document(edit.path).set({"name": "x" * 500})
    deliver()
    assert (document(mirror, edit.path) or {})["version"] == 1
    assert AuditEntry.objects.get(action="firestore.settled").details == {"kind": "refused"}


def test_settling_is_done_once_and_offered_to_those_who_may(make_staff: MakeStaff, edit: InboundReport) -> None:
    viewer, editor = make_staff("view_inboundreport"), make_staff("view_inboundreport", "change_inboundreport")
    page = f"{EDITS}{edit.id}/change/"
    assert ("settle_this" in _read(viewer, page), "settle_this" in _read(editor, page)) == (False, True)
    assert viewer.post(f"{EDITS}{edit.id}/settle_this/", CONFIRMED).status_code == 403
    for _ in range(2):
        editor.post(f"{EDITS}{edit.id}/settle_this/", CONFIRMED)
    assert AuditEntry.objects.filter(action="firestore.settled").count() == 1
    assert "settle_this" not in _read(editor, page)
    assert not OutboxRow.objects.exists()  # the mirror is off


# The first page -----------------------------------------------------------------------------------
def test_home_says_off_and_what_would_turn_it_on(staff: Browser) -> None:
    text = _read(staff, "/admin/").replace("<wbr>", "")
    assert "<dt>Firestore</dt><dd>off<br>" in text
    assert "Set FIREBASE_PROJECT_ID, and GOOGLE_APPLICATION_CREDENTIALS or FIRESTORE_EMULATOR_HOST." in text


def test_home_says_that_it_is_up_to_date(staff: Browser, mirror: Client) -> None:
    OutboxRow.objects.all().delete()
    assert "<dt>Firestore</dt><dd>on, up to date</dd>" in _read(staff, "/admin/")


def test_home_shows_lag_backlog_and_what_is_stuck(
    staff: Browser, mirror: Client, letter: OutboxRow, edit: InboundReport
) -> None:
    OutboxRow.objects.exclude(id=letter.id).delete()
    for age in (7200, 10):
        row = OutboxRow.objects.create(sink=NAME, event="message.created")
        OutboxRow.objects.filter(id=row.id).update(created_at=timezone.now() - timedelta(seconds=age))
    text = _read(staff, "/admin/")
    assert "No relay is at work." in text
    assert "on, 2 changes waiting for up to 2 h" in text
    assert f'<a href="{LETTERS}" class="text-link">1 dead letter</a>' in text
    assert f'<a href="{EDITS}" class="text-link">1 edit there to look at</a>' in text


def test_home_links_only_what_the_reader_may_see(make_staff: MakeStaff, mirror: Client, letter: OutboxRow) -> None:
    text = _read(make_staff("view_tenant"), "/admin/")
    assert ("1 dead letter" in text, LETTERS in text) == (True, False)


def test_home_does_not_ask_firestore(staff: Browser, mirror: Client, settings: Any) -> None:
    settings.FIRESTORE_EMULATOR_HOST = "127.0.0.1:9"
    assert "<dt>Firestore</dt><dd>on" in _read(staff, "/admin/")


# The prefix of a tenant ---------------------------------------------------------------------------
@pytest.fixture
def acme(seeded: None) -> Tenant:
    """A tenant."""
    return ensure_tenant(slug="acme", name="Acme")


def _save(staff: Browser, tenant: Tenant, prefix: str) -> str:
    answer = staff.post(f"/admin/accounts/tenant/{tenant.id}/change/", _form(firestore_prefix=prefix))
    tenant.refresh_from_db()
    return answer.content.decode()


def test_prefix_is_kept_without_slashes_around_it_and_audited(staff: Browser, acme: Tenant) -> None:
    _save(staff, acme, " /tenants/acme/ ")
    assert acme.firestore_prefix == "tenants/acme"
    entry = AuditEntry.objects.get(action="tenant.updated")
    assert entry.details == {"fields": ["firestore_prefix"]}
    text = _read(staff, f"/admin/accounts/tenant/{acme.id}/change/")
    assert 'value="tenants/acme"' in text
    assert "firestore_sync --rebuild --tenant" in text


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("tenants", "This is a collection."),
        ("a/b/c", "This is a collection."),
        ("a//b", "nothing between two slashes"),
        ("a/ ", "This is a collection."),
        ("a/ b", "has spaces around it"),
        ("a/b\u200bc", "characters that cannot be seen"),
        ("a/..", "neither dots alone"),
        ("./a", "neither dots alone"),
        ("a/__b__", "neither dots alone"),
        ("chatbot_sessions/a", "is a collection of the mirror itself"),
        ("a/b/conversation_history/c", "is a collection of the mirror itself"),
        ("a/" + "b" * MAX_PREFIX, "at most 200 are allowed"),
    ],
)
def test_wrong_prefix_is_refused(staff: Browser, acme: Tenant, prefix: str, said: str) -> None:
    assert said in _save(staff, acme, prefix)
    assert acme.firestore_prefix == ""


@pytest.mark.parametrize("prefix", ["", "/", "a/b", "a/b/c/d", "a/prompt_templates", "kunden/müller", "a/b c", "a/..."])
def test_good_prefixes_are_taken(prefix: str) -> None:
    assert normal_prefix(prefix) == prefix.strip("/")


def test_two_tenants_do_not_share_a_place(staff: Browser, acme: Tenant) -> None:
    other = ensure_tenant(slug="other")
    Tenant.objects.filter(id=other.id).update(firestore_prefix="a/b", deleted_at=timezone.now())
    assert "“other” is there already." in _save(staff, acme, "a/b")
    _save(staff, acme, "a/b/c/d")
    assert acme.firestore_prefix == "a/b/c/d"


def test_place_that_holds_anothers_documents_is_refused(staff: Browser, chat: Any, acme: Tenant) -> None:
    conversation("demo")
    move("demo", "a/b")
    move("demo", "")
    assert "Documents of “demo”" in _save(staff, acme, "a/b")
    assert acme.firestore_prefix == ""


def test_changed_prefix_is_told_until_it_is_rebuilt(staff: Browser, mirror: Client, chat: Any, acme: Tenant) -> None:
    conversation("acme")
    _save(staff, acme, "tenants/acme")
    assert moved_tenants() == ["acme"]
    assert "acme has another prefix: run firestore_sync --rebuild --tenant acme" in _read(staff, "/admin/")


def test_reserved_collections_are_those_of_the_mirror() -> None:
    assert {paths.TEMPLATES, paths.CHAT_SESSIONS, paths.CONVERSATIONS} == COLLECTIONS
