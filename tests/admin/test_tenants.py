"""Staff look after tenants: who owns them, what they may use, whether they exist."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.credentials import create_api_key, principal_of_key
from chatify.accounts.models import AuditEntry, Membership, Tenant, TenantLimits, Usage, User

LIST = "/admin/accounts/tenant/"
CONFIRMED = {"_form_submitted": "True"}
MakeStaff = Callable[..., Client]


@pytest.fixture
def acme(db: None) -> Tenant:
    """A tenant."""
    return ensure_tenant(slug="acme", name="Acme")


def _page(tenant: Tenant, name: str = "change") -> str:
    return f"{LIST}{tenant.id}/{name}/"


def _form(**changes: Any) -> dict[str, Any]:
    """What a browser sends for a tenant without owners and limits of its own."""
    limits = {f"limits-0-{name}": "" for name in settings.LIMITS}
    counts = {"limits-TOTAL_FORMS": 1, "limits-INITIAL_FORMS": 0, "memberships-TOTAL_FORMS": 0}
    fields = {"name": "Acme", "allowed_origins": "", "retention_days": ""}
    return {**fields, **counts, "memberships-INITIAL_FORMS": 0, **limits, **changes}


def _told() -> list[tuple[str, Any]]:
    entries = AuditEntry.objects.filter(action__startswith="tenant.").order_by("id")
    return [(entry.action, entry.details.get("fields")) for entry in entries]


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


# What can be changed ------------------------------------------------------------------------------
def test_new_tenant_leads_to_its_page_and_is_audited(staff: Client, root: User) -> None:
    answer = staff.post(f"{LIST}add/", {"name": "Acme", "slug": "acme"})
    made = Tenant.objects.get(slug="acme")
    assert answer.headers["Location"] == _page(made)
    entry = AuditEntry.objects.get(action="tenant.created")
    assert (entry.actor_id, entry.actor_kind, entry.subject_id) == (root.id, "staff", made.id)


def test_new_tenant_can_have_a_place_in_firestore_from_the_start(staff: Client, acme: Tenant) -> None:
    staff.post(f"{LIST}add/", {"name": "Bolt", "slug": "bolt", "firestore_prefix": "/tenants/bolt/"})
    assert Tenant.objects.get(slug="bolt").firestore_prefix == "tenants/bolt"
    answer = staff.post(f"{LIST}add/", {"name": "Cleo", "slug": "cleo", "firestore_prefix": "tenants/bolt"})
    assert "“bolt” is there already." in answer.content.decode()
    assert not Tenant.objects.filter(slug="cleo").exists()


def test_origins_are_kept_as_browsers_write_them(staff: Client, acme: Tenant) -> None:
    lines = "  HTTPS://Example.com/ \r\n\r\nhttps://example.com:443\r\nhttp://localhost:3000\r\nhttps://bücher.de"
    staff.post(_page(acme), _form(allowed_origins=lines, retention_days="30"))
    acme.refresh_from_db()
    assert acme.allowed_origins == ["https://example.com", "http://localhost:3000", "https://xn--bcher-kva.de"]
    assert acme.retention_days == 30
    assert _told() == [("tenant.updated", ["allowed_origins", "retention_days"])]
    assert "https://example.com\nhttp://localhost:3000" in _read(staff, _page(acme))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("allowed_origins", "https://ok.example\nnonsense", "“nonsense” is no web origin"),
        ("allowed_origins", "https://*.example.com", "is no web origin"),
        ("allowed_origins", "https://example.com/page", "is no web origin"),
        ("allowed_origins", "https://" + "a." * 500 + "example", "is no web origin"),
        ("allowed_origins", "\n".join(f"https://a{number}.example" for number in range(51)), "at most 50"),
        ("retention_days", "0", "greater than or equal to 1"),
        ("retention_days", "9999", "less than or equal to 3650"),
        ("limits-0-tokens_per_day", "-1", "greater than or equal to 0"),
        ("name", "", "This field is required"),
    ],
    ids=lambda value: value[:20],
)
def test_wrong_input_is_named_and_nothing_saved(staff: Client, acme: Tenant, field: str, value: str, said: str) -> None:
    answer = staff.post(_page(acme), _form(**{field: value}))
    assert said in answer.content.decode()
    acme.refresh_from_db()
    assert (acme.name, acme.allowed_origins, _told()) == ("Acme", [], [])


def test_limits_say_the_default_and_take_others(staff: Client, acme: Tenant) -> None:
    text = _read(staff, _page(acme))
    assert 'placeholder="6,000 (default)"' in text
    assert 'placeholder="no limit (default)"' in text
    staff.post(_page(acme), _form(**{"limits-0-tokens_per_day": "500", "limits-0-user_messages_per_minute": "0"}))
    own = TenantLimits.objects.get(tenant=acme)
    assert (own.tokens_per_day, own.user_messages_per_minute, own.tokens_per_month) == (500, 0, None)
    assert _told() == [("tenant.updated", ["tokens_per_day", "user_messages_per_minute"])]


def test_limits_go_back_to_the_default(staff: Client, acme: Tenant) -> None:
    TenantLimits.objects.create(tenant=acme, tokens_per_day=500)
    kept = {"limits-INITIAL_FORMS": 1, "limits-0-tenant": acme.id}
    staff.post(_page(acme), _form(**kept))
    assert TenantLimits.objects.get(tenant=acme).tokens_per_day is None


def test_owners_are_put_in_and_taken_out(staff: Client, acme: Tenant) -> None:
    olga = User.objects.create_user("olga@example.com")
    new = {"memberships-TOTAL_FORMS": 1, "memberships-0-user": olga.id, "memberships-0-tenant": acme.id}
    staff.post(_page(acme), _form(**new))
    membership = Membership.objects.get(tenant=acme, user=olga)
    gone = {"memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1, "memberships-0-id": membership.id}
    staff.post(_page(acme), _form(**gone, **{"memberships-0-tenant": acme.id, "memberships-0-DELETE": "on"}))
    assert not Membership.objects.exists()
    assert _told() == [("tenant.updated", ["owners"])] * 2


def test_saving_without_a_change_tells_nothing(staff: Client, acme: Tenant) -> None:
    staff.post(_page(acme), _form())
    assert _told() == []


def test_people_are_offered_as_owners(staff: Client, acme: Tenant) -> None:
    User.objects.create_user("olga@example.com")
    asked = {"app_label": "accounts", "model_name": "membership", "field_name": "user", "term": "olga"}
    found = staff.get("/admin/autocomplete/", asked).json()["results"]
    assert [one["text"] for one in found] == ["olga@example.com"]


# What is shown ------------------------------------------------------------------------------------
@pytest.mark.usefixtures("one_day")
def test_page_shows_usage_and_leads_to_the_rest(staff: Client, acme: Tenant) -> None:
    user = upsert_end_user(tenant_id=acme.id, external_id="mia", changes={})
    today = timezone.now().date()
    Usage.objects.create(tenant=acme, end_user=user, day=today, replies=2, tokens=1234)
    Usage.objects.create(tenant=acme, end_user=None, day=today, replies=1, tokens=1)  # of somebody erased
    Usage.objects.create(tenant=acme, end_user=user, day=today.replace(year=today.year - 1, day=1), replies=9, tokens=9)
    TenantLimits.objects.create(tenant=acme, tokens_per_month=5000)
    create_api_key(tenant=acme, name="one")
    text = _read(staff, _page(acme))
    assert "1,235 of 5,000 tokens in 3 replies" in text
    for page in ("templates_app/prompttemplate", "accounts/enduser", "chat_sessions/chatsession", "accounts/apikey"):
        assert f'href="/admin/{page}/?tenant__id__exact={acme.id}"' in text
        assert staff.get(f"/admin/{page}/?tenant__id__exact={acme.id}").status_code == 200
    assert f'href="/admin/accounts/auditentry/?tenant={acme.id}"' in text


def test_list_hides_deleted_ones_unless_asked(staff: Client, acme: Tenant) -> None:
    gone = ensure_tenant(slug="gone")
    staff.post(_page(gone, "delete_this"), CONFIRMED)
    for query, slugs in (("", {"acme"}), ("deleted=only", {"gone"}), ("deleted=all", {"acme", "gone"})):
        assert {row.slug for row in staff.get(f"{LIST}?{query}").context["cl"].result_list} == slugs


def test_deleted_tenants_are_not_offered_for_keys(staff: Client, acme: Tenant) -> None:
    staff.post(_page(ensure_tenant(slug="acme-old"), "delete_this"), CONFIRMED)
    asked = {"app_label": "accounts", "model_name": "apikey", "field_name": "tenant", "term": "acme"}
    found = staff.get("/admin/autocomplete/", asked).json()["results"]
    assert [one["text"] for one in found] == ["Acme"]


# Deleting and restoring ---------------------------------------------------------------------------
def test_deleted_tenant_is_shut_out_until_it_is_restored(staff: Client, acme: Tenant) -> None:
    _, key = create_api_key(tenant=acme, name="one")
    answer = staff.post(_page(acme, "delete_this"), CONFIRMED)
    assert answer.headers["HX-Redirect"] == _page(acme)
    assert principal_of_key(key) is None
    staff.post(_page(acme, "restore_this"), CONFIRMED)
    assert principal_of_key(key) is not None
    assert [action for action, _ in _told()] == ["tenant.deleted", "tenant.restored"]


def test_many_are_deleted_and_restored_from_the_list(staff: Client, acme: Tenant) -> None:
    ids = [str(acme.id), str(ensure_tenant(slug="other").id)]
    staff.post(LIST, {"action": "delete", "_selected_action": ids})
    assert not Tenant.objects.existing().filter(id__in=ids).exists()
    staff.post(f"{LIST}?deleted=only", {"action": "restore", "_selected_action": ids})
    assert Tenant.objects.existing().filter(id__in=ids).count() == 2


def test_deleted_tenant_is_read_and_not_changed(staff: Client, acme: Tenant) -> None:
    staff.post(_page(acme, "delete_this"), CONFIRMED)
    text = _read(staff, _page(acme))
    assert ("restore_this" in text, "delete_this" in text) == (True, False)
    assert "6,000 (default)" in text
    assert 'name="limits-0-tokens_per_day"' not in text
    assert staff.post(_page(acme), _form(name="Other")).status_code == 403


def test_the_tenant_of_those_who_sign_in_stays(staff: Client) -> None:
    house = ensure_tenant(slug=settings.HOUSE_TENANT)
    assert "delete_this" not in _read(staff, _page(house))
    text = staff.post(LIST, {"action": "delete", "_selected_action": [str(house.id)]}, follow=True).content.decode()
    assert "the house&#x27;s own" in text
    assert Tenant.objects.existing().filter(id=house.id).exists()


def test_dialog_asks_before_anything_happens(staff: Client, acme: Tenant) -> None:
    assert "Delete this tenant?" in _read(staff, _page(acme, "delete_this"))
    staff.post(_page(acme, "delete_this"), {})
    assert Tenant.objects.existing().filter(id=acme.id).exists()


# Who may ------------------------------------------------------------------------------------------
def test_viewer_sees_limits_and_owners_but_nothing_to_do(make_staff: MakeStaff, acme: Tenant) -> None:
    Membership.objects.create(user=User.objects.create_user("olga@example.com"), tenant=acme)
    viewer = make_staff("view_tenant", "view_membership")
    text = _read(viewer, _page(acme))
    assert ("6,000 (default)" in text, "olga@example.com" in text) == (True, True)
    assert ("delete_this" in text, "limits-0" in text, 'name="_save"' in text) == (False, False, False)
    assert "<option" not in _read(viewer, LIST)
    assert viewer.post(_page(acme), _form(name="Other")).status_code == 403


@pytest.mark.parametrize("name", ["delete_this", "restore_this"])
def test_actions_take_their_right(make_staff: MakeStaff, acme: Tenant, name: str) -> None:
    if name == "restore_this":
        Tenant.objects.filter(id=acme.id).update(deleted_at=timezone.now())
    before = Tenant.objects.values_list("deleted_at", flat=True).get(id=acme.id)
    lacking = make_staff("view_tenant", "delete_tenant" if name == "restore_this" else "change_tenant")
    assert lacking.post(_page(acme, name), CONFIRMED).status_code == 403
    lacking.post(f"{LIST}?deleted=all", {"action": name.removesuffix("_this"), "_selected_action": [str(acme.id)]})
    assert Tenant.objects.values_list("deleted_at", flat=True).get(id=acme.id) == before
    assert _told() == []


def test_owners_take_a_right_of_their_own(make_staff: MakeStaff, acme: Tenant) -> None:
    editor, me = make_staff("change_tenant", "view_membership"), User.objects.get(is_staff=True)
    new = {"memberships-TOTAL_FORMS": 1, "memberships-0-user": me.id, "memberships-0-tenant": acme.id}
    editor.post(_page(acme), _form(**new, **{"limits-0-tokens_per_day": "5"}))
    assert not Membership.objects.exists()
    assert TenantLimits.objects.get(tenant=acme).tokens_per_day == 5


def test_foreign_pages_cannot_press_a_button(root: User, acme: Tenant) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(root)
    assert browser.post(_page(acme, "delete_this"), CONFIRMED).status_code == 403
    assert Tenant.objects.existing().filter(id=acme.id).exists()
