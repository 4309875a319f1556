"""Staff make, replace and revoke API keys."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chatify.accounts import tenancy
from chatify.accounts.actions import ensure_tenant
from chatify.accounts.credentials import create_api_key, principal_of_key
from chatify.accounts.models import ApiKey, AuditEntry, Tenant

LIST = "/admin/accounts/apikey/"
CONFIRMED = {"_form_submitted": "True"}
MakeStaff = Callable[..., Client]


@pytest.fixture
def key(db: None) -> ApiKey:
    """A key that works."""
    made, _ = create_api_key(tenant=ensure_tenant(slug="demo"), name="Website", scopes=["chat", "admin"])
    return made


def _page(key: ApiKey, name: str = "change") -> str:
    return f"{LIST}{key.id}/{name}/"


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _add(client: Client, **changes: Any) -> str:
    fields = {"tenant": ensure_tenant(slug="demo").id, "name": "Website", "expires_at_0": "", "expires_at_1": ""}
    return client.post(f"{LIST}add/", {**fields, **changes}, follow=True).content.decode()


def _shown(text: str) -> list[str]:
    return re.findall(r"ck_[a-z0-9]{8}_[\w-]{32,64}", text)


def _actions() -> list[str]:
    entries = AuditEntry.objects.filter(action__startswith="key.").order_by("id")
    return list(entries.values_list("action", flat=True))


# New keys -----------------------------------------------------------------------------------------
def test_new_key_chats_unless_more_is_ticked(staff: Client) -> None:
    boxes = re.findall(r'<input type="checkbox" name="scopes"[^>]*>', _read(staff, f"{LIST}add/"))
    assert [bool(re.search(r" checked[ >]", box)) for box in boxes] == [True, False, False, False]
    (text,) = _shown(_add(staff, scopes=["chat", "templates"]))
    principal = principal_of_key(text)
    assert principal is not None
    assert principal.scopes == {"chat", "templates"}
    assert _actions() == ["key.created"]


def test_key_without_scopes_chats(staff: Client) -> None:
    _add(staff)
    assert ApiKey.objects.get().scopes == ["chat"]


def test_unknown_scope_is_refused(staff: Client) -> None:
    assert "Select a valid choice" in _add(staff, scopes=["everything"])
    assert not ApiKey.objects.exists()


def test_deleted_tenant_gets_no_key(staff: Client) -> None:
    Tenant.objects.filter(id=ensure_tenant(slug="demo").id).update(deleted_at=timezone.now())
    assert "This tenant is deleted" in _add(staff)
    assert not ApiKey.objects.exists()


def test_too_many_keys_are_refused_in_words(staff: Client, key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenancy, "MAX_WORKING_KEYS", 1)
    assert "At most 1 keys work at once" in _add(staff)
    answer = staff.post(_page(key, "rotate_this"), {**CONFIRMED, "grace": "3600"})
    assert "At most 1 keys work at once" in _read(staff, answer.headers["HX-Redirect"])
    assert ApiKey.objects.count() == 1


# Changes ------------------------------------------------------------------------------------------
def test_name_and_end_are_changed_but_not_scopes(staff: Client, key: ApiKey) -> None:
    sent = {"name": "Shop", "expires_at_0": "2099-01-01", "expires_at_1": "00:00", "scopes": ["templates"]}
    staff.post(_page(key), sent)
    key.refresh_from_db()
    assert (key.name, key.expires_at is not None, key.scopes) == ("Shop", True, ["chat", "admin"])
    assert AuditEntry.objects.get(action="key.updated").details == {"fields": ["name", "expires_at"]}


def test_state_is_told(staff: Client) -> None:
    tenant, now = ensure_tenant(slug="demo"), timezone.now()
    states: dict[str, dict[str, Any]] = {
        "works": {},
        "replaced": {"rotated_at": now, "expires_at": now + timedelta(hours=1)},
        "expired": {"rotated_at": now, "expires_at": now - timedelta(hours=1)},
        "revoked": {"revoked_at": now, "expires_at": now - timedelta(hours=1)},
    }
    for state, changes in states.items():
        made, _ = create_api_key(tenant=tenant, name=f"is-{state}")
        ApiKey.objects.filter(id=made.id).update(**changes)
        assert f">{state}<" in "".join(_read(staff, f"{LIST}?q=is-{state}").split())
    Tenant.objects.filter(id=tenant.id).update(deleted_at=now)
    assert "tenant deleted" in _read(staff, f"{LIST}?q=is-works")


def test_last_use_is_shown(staff: Client, key: ApiKey) -> None:
    ApiKey.objects.filter(id=key.id).update(last_used_at=timezone.now().replace(year=2031, month=5, day=17))
    assert "17 May 2031" in _read(staff, _page(key))


# Replacing ----------------------------------------------------------------------------------------
def test_replaced_key_works_for_the_grace_chosen_and_the_new_one_is_shown_once(staff: Client, key: ApiKey) -> None:
    answer = staff.post(_page(key, "rotate_this"), {**CONFIRMED, "grace": "3600"})
    (text,) = _shown(_read(staff, answer.headers["HX-Redirect"]))
    principal = principal_of_key(text)
    assert principal is not None
    assert principal.scopes == {"chat", "admin"}
    key.refresh_from_db()
    assert key.expires_at is not None
    assert timedelta(minutes=59) < key.expires_at - timezone.now() <= timedelta(hours=1)
    assert _shown(_read(staff, LIST)) == []
    assert _actions() == ["key.rotated"]


def test_key_replaced_without_grace_stops(staff: Client) -> None:
    made, old = create_api_key(tenant=ensure_tenant(slug="demo"), name="Website")
    staff.post(_page(made, "rotate_this"), {**CONFIRMED, "grace": "0"})
    assert principal_of_key(old) is None


@pytest.mark.parametrize("grace", ["", "-1", "60", "x", "99999999999"])
def test_grace_is_one_of_the_choices(staff: Client, key: ApiKey, grace: str) -> None:
    answer = staff.post(_page(key, "rotate_this"), {**CONFIRMED, "grace": grace})
    assert "HX-Redirect" not in answer.headers
    assert ApiKey.objects.count() == 1


def test_key_is_replaced_once(staff: Client, key: ApiKey) -> None:
    for _ in range(2):
        answer = staff.post(_page(key, "rotate_this"), {**CONFIRMED, "grace": "3600"})
    assert "There is a new key instead of this one already." in _read(staff, answer.headers["HX-Redirect"])
    assert ApiKey.objects.count() == 2
    text = _read(staff, _page(key))
    assert ("rotate_this" in text, "revoke_this" in text) == (False, True)


# Revoking -----------------------------------------------------------------------------------------
def test_revoking_is_audited_once(staff: Client, key: ApiKey) -> None:
    for _ in range(2):
        staff.post(LIST, {"action": "revoke", "_selected_action": [str(key.id)]})
    assert _actions() == ["key.revoked"]
    text = _read(staff, _page(key))
    assert ("revoke_this" in text, "rotate_this" in text) == (False, False)


# Who may ------------------------------------------------------------------------------------------
def test_viewer_sees_nothing_to_do(make_staff: MakeStaff, key: ApiKey) -> None:
    viewer = make_staff("view_apikey")
    text = _read(viewer, _page(key))
    assert ("revoke_this" in text, "rotate_this" in text, key.prefix in text) == (False, False, True)
    assert "<option" not in _read(viewer, LIST)
    for name in ("revoke_this", "rotate_this", "change"):
        assert viewer.post(_page(key, name), {**CONFIRMED, "grace": "0", "name": "x"}).status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403
    viewer.post(LIST, {"action": "revoke", "_selected_action": [str(key.id)]})
    key.refresh_from_db()
    assert (key.revoked_at, key.rotated_at) == (None, None)


def test_who_only_changes_keys_gets_no_new_one(make_staff: MakeStaff, key: ApiKey) -> None:
    editor = make_staff("change_apikey")
    assert editor.post(_page(key, "rotate_this"), {**CONFIRMED, "grace": "0"}).status_code == 403
    assert editor.post(_page(key, "revoke_this"), CONFIRMED).status_code == 200
    key.refresh_from_db()
    assert key.revoked_at is not None


@pytest.mark.parametrize("name", ["revoke_this", "rotate_this"])
def test_looking_at_a_button_presses_nothing(staff: Client, key: ApiKey, name: str) -> None:
    assert "this key?" in _read(staff, _page(key, name))
    assert staff.get(f"{LIST}not-an-id/{name}/").status_code == 200
    staff.post(f"{LIST}not-an-id/{name}/", {**CONFIRMED, "grace": "0"})
    key.refresh_from_db()
    assert (key.revoked_at, key.rotated_at) == (None, None)
