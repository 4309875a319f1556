"""Staff and the personalities of tenants: what tenants deleted, and what the audit log says."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import AuditEntry, User
from chatify.accounts.principal import Principal
from chatify.events.bus import Sink, register_sink, unregister_sink
from chatify.events.models import OutboxRow
from sessions.models import ChatSession
from templates_app.actions import Draft, create_character, delete_character, save_personality
from templates_app.models import PromptTemplate
from tests.admin.conftest import form_of

LIST = "/admin/templates_app/prompttemplate/"
GIVEN = {"name": "Captain Ina", "system_prompt": "You are Ina, who sails."}


@pytest.fixture
def key(seeded: None) -> Principal:
    """A key of a tenant."""
    return Principal(ensure_tenant(slug="demo").id, scopes=frozenset({"templates"}))


@pytest.fixture
def ina(key: Principal) -> PromptTemplate:
    """A personality of the tenant's own."""
    return create_character(principal=key, given=GIVEN, slug="ina")


@pytest.fixture
def deleted(key: Principal, ina: PromptTemplate) -> PromptTemplate:
    """One that it has deleted."""
    delete_character(principal=key, slug="ina")
    return ina


@pytest.fixture
def told(seeded: None):
    """The events that go out."""
    register_sink(Sink("test", is_on=lambda: True, wants=lambda event: event.name.startswith("template.")))
    yield lambda: list(OutboxRow.objects.order_by("id").values_list("event", flat=True))
    unregister_sink("test")


def audit() -> list[tuple[str, str, dict]]:
    """What the log says, after the seeds."""
    found = AuditEntry.objects.exclude(actor_kind="system").order_by("id")
    return list(found.values_list("action", "actor_kind", "details"))


def press(staff: Client, template: PromptTemplate, button: str) -> HttpResponse:
    return staff.post(f"{LIST}{template.id}/{button}/", {"_form_submitted": "True"})


def listed(staff: Client, query: str = "") -> set[str]:
    return {one.slug for one in staff.get(f"{LIST}{query}").context["cl"].result_list}


def test_staff_saves_are_in_the_audit_log(staff: Client, root: User, nora: PromptTemplate) -> None:
    staff.post(f"{LIST}add/", form_of(slug="ada"))
    staff.post(f"{LIST}{nora.id}/change/", form_of(nora, system_prompt="You are Nora, and you rhyme."))
    staff.post(f"{LIST}{nora.id}/change/", form_of(PromptTemplate.objects.get(id=nora.id)))  # as it was
    press(staff, nora, "deactivate_this")
    press(staff, PromptTemplate.objects.get(slug="ada"), "make_default_this")
    staff.post(f"{LIST}{nora.id}/delete/", {"post": "yes"})
    assert audit() == [
        ("template.created", "staff", {"slug": "ada", "version": 1}),
        ("template.changed", "staff", {"slug": "dating_advice", "version": 2}),
        ("template.changed", "staff", {"slug": "dating_advice", "version": 2}),
        ("template.changed", "staff", {"slug": "ada", "version": 1}),
        ("template.deleted", "staff", {"slug": "dating_advice", "version": 2}),
    ]
    last = AuditEntry.objects.latest("id")
    assert (last.actor_id, last.subject_id, last.tenant_id) == (root.id, nora.id, None)


def test_seeds_are_the_systems(seeded: None) -> None:
    found = AuditEntry.objects.filter(action__startswith="template.").values_list("action", "actor_kind", "tenant_id")
    assert list(found) == [("template.created", "system", None)] * 4


def test_writes_of_tenants_are_told(told: Callable[[], list[str]], key: Principal, ina: PromptTemplate) -> None:
    delete_character(principal=key, slug="ina")
    assert told() == ["template.changed", "template.deleted"]
    assert [(action, kind) for action, kind, _ in audit()] == [
        ("template.created", "api_key"),
        ("template.deleted", "api_key"),
    ]


def test_deleted_one_is_listed_when_asked_for(staff: Client, deleted: PromptTemplate) -> None:
    assert "ina" not in listed(staff)
    assert listed(staff, "?deleted=only") == {"ina"}
    assert {"ina", "casual_chat"} <= listed(staff, "?deleted=all")
    assert "Captain Ina" not in staff.get("/admin/").content.decode()


def test_deleted_one_is_read_and_restored_but_not_changed(
    staff: Client, key: Principal, deleted: PromptTemplate, told: Callable[[], list[str]]
) -> None:
    page = f"{LIST}{deleted.id}/change/"
    assert "You are Ina" in staff.get(page).content.decode()
    assert staff.post(page, form_of(deleted, name="X")).status_code == 403
    for button in ("deactivate_this", "make_default_this"):
        press(staff, deleted, button)
    deleted.refresh_from_db()
    assert (deleted.name, deleted.is_active, deleted.is_default) == ("Captain Ina", True, False)
    press(staff, deleted, "restore_this")
    deleted.refresh_from_db()
    assert deleted.deleted_at is None
    assert told() == ["template.changed"]
    assert audit()[-1] == ("template.restored", "staff", {"slug": "ina", "version": 1})
    press(staff, deleted, "restore_this")
    assert audit()[-2][0] == "template.deleted"


def test_slug_that_is_used_again_keeps_a_deleted_one_from_coming_back(
    staff: Client, key: Principal, deleted: PromptTemplate
) -> None:
    create_character(principal=key, given=GIVEN, slug="ina")
    answer = staff.post(
        f"{LIST}?deleted=only", {"action": "restore", "_selected_action": [str(deleted.id)]}, follow=True
    )
    assert "stays deleted. There is another personality with the slug ina." in answer.content.decode()
    deleted.refresh_from_db()
    assert deleted.deleted_at is not None


def test_slug_of_a_deleted_one_is_free_for_staff(staff: Client, key: Principal, deleted: PromptTemplate) -> None:
    answer = staff.post(f"{LIST}add/", form_of(slug="ina", tenant=str(key.tenant_id)))
    assert answer.status_code == 302
    assert PromptTemplate.objects.existing().filter(slug="ina").count() == 1


def test_version_of_a_deleted_one_is_not_brought_back(staff: Client, deleted: PromptTemplate) -> None:
    address = f"/admin/templates_app/promptversion/{deleted.current_version_id}/bring_back/"
    staff.post(address, {"_form_submitted": "True"})
    assert deleted.versions.count() == 1
    assert audit()[-1][0] == "template.deleted"


def test_viewer_cannot_restore(make_staff: Callable[..., Client], deleted: PromptTemplate) -> None:
    assert press(make_staff("view_prompttemplate"), deleted, "restore_this").status_code == 403
    deleted.refresh_from_db()
    assert deleted.deleted_at is not None


def test_save_of_somebody_who_had_it_open_does_not_restore_it(staff: Client, key: Principal) -> None:
    stale = create_character(principal=key, given=GIVEN, slug="old")
    delete_character(principal=key, slug="old")
    stale.name = "Changed"
    save_personality(template=stale, draft=Draft("You are somebody else."))
    assert not PromptTemplate.objects.existing().filter(slug="old").exists()


@pytest.mark.parametrize("change", [{"name": "Anna, a real person"}, {"personality_traits": "kind, not a robot"}])
def test_names_and_traits_claim_nothing(staff: Client, nora: PromptTemplate, change: dict[str, str]) -> None:
    answer = staff.post(f"{LIST}{nora.id}/change/", form_of(nora, **change))
    (error,) = answer.context["adminform"].form.errors[next(iter(change))]
    assert error.startswith("Line 1, column 1: ")


def test_conversation_of_a_deleted_one_is_shown(
    staff: Client, start: Callable[..., ChatSession], key: Principal, ina: PromptTemplate
) -> None:
    chat_session = start("ina", texts=["Hi", "Ahoy"])
    delete_character(principal=key, slug="ina")
    page = staff.get(f"/admin/chat_sessions/chatsession/{chat_session.id}/change/").content.decode()
    assert "Captain Ina" in page
