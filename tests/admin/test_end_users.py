"""Staff look after end users: what they have used, their tokens, their data and its end."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from chatify.accounts import tokens
from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.admin import end_users
from chatify.accounts.models import AuditEntry, EndUser, Usage, User
from chatify.common.errors import Unavailable
from sessions.models import ChatSession, Message

LIST = "/admin/accounts/enduser/"
CONFIRMED = {"_form_submitted": "True"}
MakeStaff = Callable[..., Client]
Start = Callable[..., ChatSession]


@pytest.fixture
def mia(db: None) -> EndUser:
    """An end user."""
    changes = {"name": "Mia", "interests": ["jazz", "tango"]}
    return upsert_end_user(tenant_id=ensure_tenant(slug="demo").id, external_id="mia-7", changes=changes)


def _page(user: EndUser, name: str = "change") -> str:
    return f"{LIST}{user.id}/{name}/"


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _audited(action: str) -> AuditEntry:
    return AuditEntry.objects.get(action=action)


@pytest.mark.usefixtures("one_day")
def test_usage_of_this_month_is_shown(staff: Client, mia: EndUser) -> None:
    assert "0 tokens in 0 replies" in _read(staff, _page(mia))
    today = timezone.now().date()
    Usage.objects.create(tenant_id=mia.tenant_id, end_user=mia, day=today, replies=1, tokens=1500)
    Usage.objects.create(tenant_id=mia.tenant_id, end_user=None, day=today, replies=5, tokens=9)
    assert "1,500 tokens in 1 reply" in _read(staff, _page(mia))


def test_changed_profile_is_audited_without_what_it_says(staff: Client, mia: EndUser) -> None:
    for _ in range(2):
        staff.post(_page(mia), {"name": "Maria", "age": "", "interests": "jazz, tango", "style": "short"})
    entry = _audited("user.updated")
    assert (entry.subject_id, entry.tenant_id, entry.details) == (mia.id, mia.tenant_id, {"fields": ["name", "style"]})
    assert not LogEntry.objects.exists()


# Export -------------------------------------------------------------------------------------------
def test_export_comes_as_a_file_and_is_audited(staff: Client, root: User, mia: EndUser) -> None:
    answer = staff.get(_page(mia, "export_this"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    entry = _audited("user.exported")
    assert (entry.actor_id, entry.subject_id) == (root.id, mia.id)


def test_export_of_nobody_leads_to_the_list(staff: Client, db: None) -> None:
    assert staff.get(f"{LIST}not-an-id/export_this/").headers["Location"] == LIST


def test_export_takes_the_right_to_read_conversations(make_staff: MakeStaff, mia: EndUser) -> None:
    editor = make_staff("change_enduser")
    assert "export_this" not in _read(editor, _page(mia))
    assert editor.get(_page(mia, "export_this")).status_code == 403
    reader = make_staff("change_enduser", "view_chatsession")
    assert reader.get(_page(mia, "export_this")).status_code == 200


# Tokens -------------------------------------------------------------------------------------------
def test_ended_tokens_are_refused_and_new_ones_work(staff: Client, mia: EndUser) -> None:
    old, _ = tokens.issue_end_user_token(end_user=mia, api_key_id=None)
    staff.get(_page(mia, "end_tokens_of_this"))
    assert tokens.principal_of_token(old) is not None
    staff.post(_page(mia, "end_tokens_of_this"), CONFIRMED)
    assert tokens.principal_of_token(old) is None
    mia.refresh_from_db()
    new, _ = tokens.issue_end_user_token(end_user=mia, api_key_id=None)
    assert tokens.principal_of_token(new) is not None
    assert _audited("user.tokens_ended").subject_id == mia.id


# Erasing ------------------------------------------------------------------------------------------
def test_erased_person_is_gone_with_every_conversation(staff: Client, root: User, start: Start) -> None:
    chat_session = start(external_id="mia-7", texts=["a secret"])
    mia = chat_session.end_user
    answer = staff.post(_page(mia, "erase_this"), {**CONFIRMED, "external_id": " mia-7 "})
    assert "The person is erased." in _read(staff, answer.headers["HX-Redirect"])
    assert not EndUser.objects.filter(id=mia.id).exists()
    assert not ChatSession.objects.filter(id=chat_session.id).exists()
    assert not Message.objects.filter(content="a secret").exists()
    assert _audited("user.erased").actor_id == root.id


@pytest.mark.parametrize("typed", ["", "mia-8", "Mia", "MIA-7"])
def test_erasing_asks_for_the_external_id(staff: Client, mia: EndUser, typed: str) -> None:
    answer = staff.post(_page(mia, "erase_this"), {**CONFIRMED, "external_id": typed})
    assert "HX-Redirect" not in answer.headers
    assert "This" in answer.content.decode()
    assert EndUser.objects.filter(id=mia.id).exists()


def test_external_id_of_somebody_else_erases_nobody(staff: Client, mia: EndUser) -> None:
    other = upsert_end_user(tenant_id=mia.tenant_id, external_id="tom", changes={})
    staff.post(_page(mia, "erase_this"), {**CONFIRMED, "external_id": "tom"})
    staff.post(f"{LIST}not-an-id/erase_this/", {**CONFIRMED, "external_id": "tom"})
    assert EndUser.objects.filter(id__in=[mia.id, other.id]).count() == 2


def test_erasure_that_cannot_finish_says_so(staff: Client, mia: EndUser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise Unavailable("This user is still being written to. Try again.")

    monkeypatch.setattr(end_users, "erase_end_user", fail)
    answer = staff.post(_page(mia, "erase_this"), {**CONFIRMED, "external_id": "mia-7"})
    assert "still being written to" in _read(staff, answer.headers["HX-Redirect"])


# Who may ------------------------------------------------------------------------------------------
def test_viewer_sees_the_profile_and_nothing_to_do(make_staff: MakeStaff, mia: EndUser) -> None:
    viewer = make_staff("view_enduser", "view_chatsession")
    text = _read(viewer, _page(mia))
    assert "jazz, tango" in text
    for name in ("export_this", "end_tokens_of_this", "erase_this"):
        assert name not in text
        assert viewer.post(_page(mia, name), {**CONFIRMED, "external_id": "mia-7"}).status_code == 403
    mia.refresh_from_db()
    assert (mia.token_epoch, AuditEntry.objects.filter(subject_id=mia.id).exists()) == (0, False)


def test_editor_does_not_erase_and_eraser_does_not_edit(make_staff: MakeStaff, mia: EndUser) -> None:
    editor, eraser = make_staff("change_enduser"), make_staff("view_enduser", "delete_enduser")
    assert editor.post(_page(mia, "erase_this"), {**CONFIRMED, "external_id": "mia-7"}).status_code == 403
    assert eraser.post(_page(mia), {"name": "x"}).status_code == 403
    assert eraser.post(_page(mia, "end_tokens_of_this"), CONFIRMED).status_code == 403
    assert eraser.post(_page(mia, "erase_this"), {**CONFIRMED, "external_id": "mia-7"}).status_code == 200
    assert not EndUser.objects.filter(id=mia.id).exists()


def test_nobody_deletes_the_row_alone(staff: Client, mia: EndUser) -> None:
    assert staff.post(_page(mia, "delete"), {"post": "yes"}).status_code == 403
    staff.post(LIST, {"action": "delete_selected", "_selected_action": [str(mia.id)], "post": "yes"})
    assert EndUser.objects.filter(id=mia.id).exists()


def test_foreign_pages_cannot_erase(root: User, mia: EndUser) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(root)
    for name in ("erase_this", "end_tokens_of_this"):
        assert browser.post(_page(mia, name), {**CONFIRMED, "external_id": "mia-7"}).status_code == 403
    assert EndUser.objects.filter(id=mia.id, token_epoch=0).exists()
