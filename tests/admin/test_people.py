"""Staff look after people who sign in: what they own, where they are signed in."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import AuditEntry, Login, Membership, User
from chatify.accounts.people import end_user_of
from chatify.accounts.tokens import issue_pair, principal_of_token

LIST = "/admin/accounts/user/"
CONFIRMED = {"_form_submitted": "True"}
MakeStaff = Callable[..., Client]


@pytest.fixture
def olga(db: None) -> User:
    """A person who signed up."""
    return User.objects.create_user("olga@example.com", "A-good-long-passw0rd", name="Olga")


def _sign_in(user: User) -> str:
    login = Login.objects.create(user=user, password_stamp=user.password_stamp)
    return issue_pair(login).access_token


def _page(user: User, name: str = "change") -> str:
    return f"{LIST}{user.id}/{name}/"


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _is_in(browser: Client) -> bool:
    return "_auth_user_id" in browser.session


def test_page_shows_tenants_and_sign_ins(staff: Client, olga: User) -> None:
    text = _read(staff, _page(olga))
    assert ("none lately" in text, ">none<" in text) == (True, True)
    gone = ensure_tenant(slug="gone")
    type(gone).objects.filter(id=gone.id).update(deleted_at=timezone.now())
    for tenant in (gone, ensure_tenant(slug="acme")):
        Membership.objects.create(user=olga, tenant=tenant)
    _sign_in(olga)
    Login.objects.create(user=olga, password_stamp="another")
    Login.objects.create(user=olga, password_stamp=olga.password_stamp, ended_at=timezone.now())
    text = _read(staff, _page(olga))
    for words in ("Acme</a>", "Gone</a> (deleted)", ">signed in<", "ended by a new password", ">ended "):
        assert words in text


def test_sign_ins_are_the_latest_twenty(staff: Client, olga: User) -> None:
    for _ in range(21):
        _sign_in(olga)
    text = _read(staff, _page(olga))
    assert (text.count(">signed in<"), "and earlier ones" in text) == (20, True)


def test_person_is_signed_out_everywhere_and_nobody_else(staff: Client, root: User, olga: User) -> None:
    tom, browser, other = User.objects.create_user("tom@example.com"), Client(), Client()
    browser.force_login(olga)
    other.force_login(tom)
    access, toms = _sign_in(olga), _sign_in(tom)
    assert "Sign this person out everywhere?" in _read(staff, _page(olga, "sign_out_this"))
    assert principal_of_token(access) is not None
    answer = staff.post(_page(olga, "sign_out_this"), CONFIRMED)
    assert "Ended: 2 sign-ins." in _read(staff, answer.headers["HX-Redirect"])
    assert (principal_of_token(access), principal_of_token(toms) is None) == (None, False)
    assert (_is_in(browser), _is_in(other)) == (False, True)
    entry = AuditEntry.objects.get(action="person.signed_out")
    assert (entry.actor_id, entry.subject_id, entry.details) == (root.id, olga.id, {"sign_ins": 2})


def test_who_signs_themself_out_stays_here(staff: Client, root: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(root)
    answer = staff.post(_page(root, "sign_out_this"), CONFIRMED)
    assert "This browser stays signed in." in _read(staff, answer.headers["HX-Redirect"])
    assert not _is_in(elsewhere)


def test_new_password_ends_sign_ins(staff: Client, olga: User) -> None:
    browser, access = Client(), _sign_in(olga)
    browser.force_login(olga)
    password = "Quite-another-passw0rd"
    staff.post(_page(olga, "password"), {"password1": password, "password2": password, "usable_password": "true"})
    olga.refresh_from_db()
    assert olga.check_password(password)
    assert principal_of_token(access) is None
    assert AuditEntry.objects.get(action="person.updated").details == {"fields": ["password"]}


def test_changes_are_audited_without_names(staff: Client, olga: User) -> None:
    sent = {"email": "Olga.New@Example.com", "name": "Olga", "is_active": "on", "is_staff": "on"}
    staff.post(_page(olga), sent)
    assert AuditEntry.objects.get(action="person.updated").details == {"fields": ["email", "is_staff"]}
    staff.post(_page(olga, "delete"), {"post": "yes"})
    assert AuditEntry.objects.get(action="person.deleted").subject_id == olga.id
    assert not LogEntry.objects.exists()


def test_new_person_is_audited(staff: Client) -> None:
    password = "A-good-long-passw0rd"
    sent = {"email": "kim@example.com", "name": "Kim", "password1": password, "password2": password}
    staff.post(f"{LIST}add/", {**sent, "usable_password": "true"})
    kim = User.objects.get(email="kim@example.com")
    assert AuditEntry.objects.get(action="person.created").subject_id == kim.id


def test_new_name_is_that_of_the_end_user_too(staff: Client, olga: User) -> None:
    staff.post(_page(olga), {"email": olga.email, "name": "Olga B.", "is_active": "on"})
    end_user = end_user_of(User.objects.get(id=olga.id))
    assert end_user is not None
    assert end_user.name == "Olga B."


# Who may ------------------------------------------------------------------------------------------
def test_viewer_signs_nobody_out(make_staff: MakeStaff, olga: User) -> None:
    viewer, access = make_staff("view_user"), _sign_in(olga)
    assert "sign_out_this" not in _read(viewer, _page(olga))
    assert viewer.post(_page(olga, "sign_out_this"), CONFIRMED).status_code == 403
    assert principal_of_token(access) is not None


def test_editor_signs_out_people_but_no_superuser(make_staff: MakeStaff, olga: User, root: User) -> None:
    editor, access = make_staff("change_user"), _sign_in(root)
    assert "sign_out_this" not in _read(editor, _page(root))
    assert editor.post(_page(root, "sign_out_this"), CONFIRMED).status_code == 403
    assert editor.post(_page(olga, "sign_out_this"), CONFIRMED).status_code == 200
    assert principal_of_token(access) is not None


def test_editor_takes_over_no_other_staff(make_staff: MakeStaff, olga: User) -> None:
    editor, _ = make_staff("view_user", "change_user", "delete_user"), make_staff("view_user", "add_apikey")
    colleague, myself = User.objects.get(email__contains="add_apikey"), User.objects.get(email__contains="change_user")
    sent = {"usable_password": "true", "password1": "A-new-good-passw0rd", "password2": "A-new-good-passw0rd"}
    codes = {user: editor.post(_page(user, "password"), sent).status_code for user in (olga, myself, colleague)}
    assert codes == {olga: 302, myself: 302, colleague: 403}
    refused = [
        editor.post(_page(colleague, page), CONFIRMED).status_code for page in ("change", "delete", "sign_out_this")
    ]
    assert refused == [403, 403, 403]


def test_foreign_pages_sign_nobody_out(root: User, olga: User) -> None:
    browser, access = Client(enforce_csrf_checks=True), _sign_in(olga)
    browser.force_login(root)
    assert browser.post(_page(olga, "sign_out_this"), CONFIRMED).status_code == 403
    assert principal_of_token(access) is not None
