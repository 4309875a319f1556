"""Staff look after people, tenants and keys."""

import re
from collections.abc import Callable

import pytest
from django.contrib import admin
from django.test import Client

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.credentials import create_api_key, principal_of_key
from chatify.accounts.models import ApiKey, SocketTicket, User

KEYS = "/admin/accounts/apikey/"
USERS = "/admin/accounts/user/"
MakeStaff = Callable[..., Client]


def test_new_key_is_shown_once_and_works(staff: Client) -> None:
    tenant = ensure_tenant(slug="demo")
    asked = {"tenant": tenant.id, "name": "Website", "expires_at_0": "2099-01-01", "expires_at_1": "00:00"}
    text = staff.post(f"{KEYS}add/", asked, follow=True).content.decode()
    (key,) = re.findall(r"ck_[a-z0-9]{8}_[\w-]{32,64}", text)
    principal = principal_of_key(key)
    assert principal is not None
    assert principal.tenant_id == tenant.id
    made = ApiKey.objects.get()
    assert (made.name, made.expires_at is not None) == ("Website", True)
    for page in (KEYS, f"{KEYS}{made.id}/change/"):
        again = staff.get(page).content.decode()
        assert (key in again, made.digest in again, made.prefix in again) == (False, False, True)


def test_revoked_key_opens_nothing_and_stays_on_the_list(staff: Client) -> None:
    _, key = create_api_key(tenant=ensure_tenant(slug="demo"), name="old")
    made = ApiKey.objects.get()
    staff.post(f"{KEYS}{made.id}/revoke_this/", {"_form_submitted": "True"})
    assert principal_of_key(key) is None
    assert "revoked" in staff.get(KEYS).content.decode()
    assert staff.post(f"{KEYS}{made.id}/delete/", {"post": "yes"}).status_code == 403


def test_key_keeps_its_tenant(staff: Client) -> None:
    create_api_key(tenant=ensure_tenant(slug="demo"), name="old")
    made, other = ApiKey.objects.get(), ensure_tenant(slug="other")
    staff.post(f"{KEYS}{made.id}/change/", {"tenant": other.id, "name": "new", "expires_at_0": "", "expires_at_1": ""})
    made.refresh_from_db()
    assert (made.name, made.tenant.slug) == ("new", "demo")


def test_profile_of_an_end_user_is_put_right(staff: Client) -> None:
    user = upsert_end_user(tenant_id=ensure_tenant(slug="demo").id, external_id="mia", changes={"interests": ["a, b"]})
    page = f"/admin/accounts/enduser/{user.id}/change/"
    text = staff.get(page).content.decode()
    assert "&quot;a, b&quot;" in text
    assert f"?person={user.id}" in text
    staff.post(page, {"name": "Mia", "age": "29", "interests": '"a, b", tango', "style": "", "external_id": "other"})
    user.refresh_from_db()
    assert (user.name, user.age, user.interests, user.external_id) == ("Mia", 29, ["a, b", "tango"], "mia")


def test_tenant_is_made_and_renamed_but_not_deleted(staff: Client) -> None:
    staff.post("/admin/accounts/tenant/add/", {"name": "Acme", "slug": "acme"})
    tenant = ensure_tenant(slug="acme")
    page = f"/admin/accounts/tenant/{tenant.id}/"
    staff.post(f"{page}change/", {"name": "Acme Inc.", "slug": "changed"})
    tenant.refresh_from_db()
    assert (tenant.name, tenant.slug) == ("Acme Inc.", "acme")
    assert staff.post(f"{page}delete/", {"post": "yes"}).status_code == 403


def test_new_colleague_signs_in_with_an_email_address(staff: Client) -> None:
    password = "A-good-long-passw0rd"
    sent = {"email": "Kim@Example.com", "name": "Kim", "password1": password, "password2": password}
    staff.post(f"{USERS}add/", {**sent, "usable_password": "true"})
    kim = User.objects.get(email="kim@example.com")
    assert kim.check_password(password)
    assert staff.get(f"{USERS}{kim.id}/change/").status_code == 200
    assert staff.get(f"{USERS}{kim.id}/password/").status_code == 200


def test_who_edits_people_cannot_become_superuser(make_staff: MakeStaff, root: User) -> None:
    editor = make_staff("change_user", "view_user", "delete_user")
    me = User.objects.get(email__startswith="change_user")
    editor.post(f"{USERS}{me.id}/change/", {"email": me.email, "is_active": "on", "is_superuser": "on"})
    me.refresh_from_db()
    assert not me.is_superuser
    for page in ("change", "password", "delete"):
        assert editor.post(f"{USERS}{root.id}/{page}/", {"password1": "x", "post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    "page", ["accounts/apikey", "accounts/user", "chat_sessions/chatsession", "templates_app/prompttemplate"]
)
def test_staff_without_the_right_gets_403_and_no_link(make_staff: MakeStaff, page: str) -> None:
    nobody = make_staff()
    assert nobody.get(f"/admin/{page}/").status_code == 403
    home = nobody.get("/admin/")
    assert home.status_code == 200
    assert f'href="/admin/{page}/"' not in home.content.decode()


def test_strangers_are_sent_to_the_login(client: Client, db: None) -> None:
    answer = client.get("/admin/chat_sessions/chatsession/")
    assert answer.headers["Location"].startswith("/admin/login/")


def test_socket_tickets_have_no_page() -> None:
    assert not admin.site.is_registered(SocketTicket)
