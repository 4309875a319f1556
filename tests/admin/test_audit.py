"""Staff read the audit log."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.test import Client

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.audit import record
from chatify.accounts.credentials import create_api_key
from chatify.accounts.models import AuditEntry, EndUser, Tenant, User
from chatify.accounts.principal import Credential, Principal
from templates_app.models import PromptTemplate

LIST = "/admin/accounts/auditentry/"
MakeStaff = Callable[..., Client]
MaxQueries = Callable[..., Any]


@pytest.fixture(autouse=True)
def empty_log(seeded: None) -> None:
    """Without what seeding did."""
    AuditEntry.objects.all().delete()


@pytest.fixture
def acme(db: None) -> Tenant:
    """A tenant."""
    return ensure_tenant(slug="acme", name="Acme")


def _read(client: Client, address: str = LIST) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _found(client: Client, query: str) -> list[str]:
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200
    return [entry.action for entry in answer.context["cl"].result_list]


def _page(entry: AuditEntry) -> str:
    return f"{LIST}{entry.id}/change/"


# Who and what -------------------------------------------------------------------------------------
def test_actors_are_called_by_what_is_known_of_them(staff: Client, root: User, acme: Tenant) -> None:
    key, _ = create_api_key(tenant=acme, name="one")
    mia = upsert_end_user(tenant_id=acme.id, external_id="mia-7", changes={"name": "Mia"})
    record("a.a", who=root)
    record("b.b", who=Principal(acme.id, credential=Credential(api_key_id=key.id, is_key=True)))
    record("c.c", who=Principal(acme.id, end_user_id=mia.id))
    record("d.d", who=None)
    text = _read(staff)
    for name in ("root@example.com", f"ck_{key.prefix}_…", "mia-7", "Chatify itself"):
        assert name in text
    for page in (f"user/{root.id}", f"apikey/{key.id}", f"enduser/{mia.id}"):
        assert f'href="/admin/accounts/{page}/change/"' in text


def test_subjects_lead_to_their_pages(staff: Client, root: User, acme: Tenant) -> None:
    nora = PromptTemplate.objects.get(slug="dating_advice")
    key, _ = create_api_key(tenant=acme, name="one")
    pages = {f"accounts/tenant/{acme.id}": acme.id, f"accounts/apikey/{key.id}": key.id}
    for subject_id in (*pages.values(), nora.id):
        record("x.x", who=None, subject_id=subject_id)
    text = _read(staff)
    for page in (*pages, f"templates_app/prompttemplate/{nora.id}"):
        assert f'href="/admin/{page}/change/"' in text


def test_who_is_gone_is_called_so(staff: Client, acme: Tenant) -> None:
    mia = upsert_end_user(tenant_id=acme.id, external_id="mia-7", changes={})
    record("user.exported", who=Principal(acme.id, end_user_id=mia.id), tenant_id=acme.id, subject_id=mia.id)
    EndUser.objects.filter(id=mia.id).delete()
    entry = AuditEntry.objects.get()
    for text in (_read(staff), _read(staff, _page(entry))):
        assert text.count(">gone<") == 2
        assert "mia-7" not in text


def test_details_are_readable(staff: Client, acme: Tenant) -> None:
    key, _ = create_api_key(tenant=acme, name="one")
    record(
        "key.rotated", who=None, tenant_id=acme.id, new_key=str(key.id), works_until="2031-05-17T12:30:00+00:00",
        fields=["name", "<b>"], is_last=True, none=None, empty=[], nested={"a": 1}, number=7, odd="TTT",
    )  # fmt: skip
    text = _read(staff, _page(AuditEntry.objects.get()))
    assert f'<dt>new key</dt><dd><a href="/admin/accounts/apikey/{key.id}/change/"' in text
    for pair in (
        "<dt>works until</dt><dd>17 May 2031, 12:30</dd>", "<dt>fields</dt><dd>name, &lt;b&gt;</dd>",
        "<dt>is last</dt><dd>yes</dd>", "<dt>none</dt><dd>none</dd>", "<dt>empty</dt><dd>none</dd>",
        "<dt>number</dt><dd>7</dd>", "<dt>odd</dt><dd>TTT</dd>", "<dt>nested</dt><dd>{&quot;a&quot;: 1}</dd>",
    ):  # fmt: skip
        assert pair in text


def test_entry_shows_its_request_and_where_to_find_the_rest(staff: Client, root: User, acme: Tenant) -> None:
    staff.post(f"/admin/accounts/tenant/{acme.id}/delete_this/", {"_form_submitted": "True"})
    AuditEntry.objects.update(request_id="req-1.a")
    text = _read(staff, _page(AuditEntry.objects.get()))
    assert f'{LIST}?q=req-1.a"' in text
    assert "it happened by itself" not in text


# Finding ------------------------------------------------------------------------------------------
def test_newest_come_first(staff: Client) -> None:
    for action in ("a.a", "b.b", "c.c"):
        record(action, who=None)
    assert _found(staff, "") == ["c.c", "b.b", "a.a"]


def test_search_finds_by_subject_actor_and_request(staff: Client, root: User) -> None:
    subject_id = uuid4()
    record("a.a", who=root, subject_id=subject_id)
    record("b.b", who=None)
    AuditEntry.objects.filter(action="b.b").update(request_id=uuid4().hex)
    request_id = AuditEntry.objects.get(action="b.b").request_id
    for term in (str(subject_id), subject_id.hex, str(root.id)):
        assert _found(staff, f"q={term}") == ["a.a"]
    assert _found(staff, f"q={request_id}") == ["b.b"]
    for term in ("nothing", str(uuid4()), "%25", "2026-13-45"):
        assert _found(staff, f"q={term}") == []


def test_days_are_found_by_date_and_span(staff: Client) -> None:
    for day in (1, 20, 30):
        with time_machine.travel(datetime(2031, 5, day, 23, 59, 59, tzinfo=UTC), tick=False):
            AuditEntry.objects.create(id=_id_of_now(), actor_kind="system", action=f"day.{day}")
    with time_machine.travel(datetime(2031, 5, 31, 12, tzinfo=UTC), tick=False):
        staff.force_login(User.objects.get(email="root@example.com"))
        assert _found(staff, "q=2031-05-20") == ["day.20"]
        assert _found(staff, "q=2031-05-21") == []
        assert _found(staff, "days=1") == ["day.30"]
        assert _found(staff, "days=30") == ["day.30", "day.20", "day.1"]
        assert _found(staff, "days=7") == ["day.30"]


def _id_of_now() -> UUID:
    """uuid_utils reads the clock itself, where time_machine does not reach."""
    return UUID(int=int(datetime.now(UTC).timestamp() * 1000) << 80 | 7 << 76 | 1)


@pytest.mark.usefixtures("one_day")
def test_ids_tell_the_time(staff: Client) -> None:
    record("a.a", who=None)
    assert _found(staff, "days=1") == ["a.a"]
    assert _found(staff, f"q={datetime.now(UTC):%Y-%m-%d}") == ["a.a"]


def test_filters_by_action_and_tenant(staff: Client, acme: Tenant) -> None:
    other = ensure_tenant(slug="other")
    record("key.created", who=None, tenant_id=acme.id)
    record("key.revoked", who=None, tenant_id=acme.id)
    record("key.created", who=None, tenant_id=other.id)
    assert _found(staff, f"tenant={acme.id}") == ["key.revoked", "key.created"]
    assert _found(staff, "action=key.created") == ["key.created"] * 2
    assert _found(staff, f"action=key.created&tenant={other.id}") == ["key.created"]
    text = _read(staff)
    assert ("?action=key.revoked" in text, f"?tenant={acme.id}" in text) == (True, True)


@pytest.mark.parametrize("query", ["tenant=x", "action=nothing", "action=%00", "days=x", "days=-5", "q=%00", "p=99"])
def test_odd_addresses_are_no_error(staff: Client, query: str) -> None:
    record("a.a", who=None)
    assert staff.get(f"{LIST}?{query}").status_code in (200, 302)


def test_many_entries_take_as_few_queries(
    staff: Client, acme: Tenant, django_assert_max_num_queries: MaxQueries
) -> None:
    for number in range(60):
        user = upsert_end_user(tenant_id=acme.id, external_id=f"u{number}", changes={})
        record("user.exported", who=Principal(acme.id, end_user_id=user.id), tenant_id=acme.id, subject_id=user.id)
    with django_assert_max_num_queries(8):
        assert len(_found(staff, "")) == 50


# Who may ------------------------------------------------------------------------------------------
def test_nobody_adds_changes_or_deletes(staff: Client) -> None:
    record("a.a", who=None)
    entry = AuditEntry.objects.get()
    for page in (f"{LIST}add/", _page(entry), f"{LIST}{entry.id}/delete/"):
        assert staff.post(page, {"action": "x.x", "post": "yes"}).status_code == 403
    staff.post(LIST, {"action": "delete_selected", "_selected_action": [str(entry.id)], "post": "yes"})
    assert AuditEntry.objects.get().action == "a.a"
    assert 'name="_save"' not in _read(staff, _page(entry))


def test_reading_takes_its_right(make_staff: MakeStaff) -> None:
    record("a.a", who=None)
    assert make_staff("view_tenant").get(LIST).status_code == 403
    reader = make_staff("view_auditentry")
    assert "a.a" in _read(reader)
    assert f'href="{LIST}"' in _read(reader, "/admin/")
