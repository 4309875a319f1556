"""Staff write the rules that choose a personality when nobody did."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import AuditEntry, User
from chatify.accounts.principal import Principal
from templates_app.actions import create_character, delete_character
from templates_app.models import PromptTemplate, SelectionRule

LIST = "/admin/templates_app/selectionrule/"
MakeStaff = Callable[..., Client]


@pytest.fixture(autouse=True)
def no_others(seeded: None) -> None:
    """Without the rules that come with Chatify."""
    SelectionRule.objects.all().delete()
    AuditEntry.objects.all().delete()


@pytest.fixture
def rule(nora: PromptTemplate) -> SelectionRule:
    """A rule that leads to Nora."""
    return SelectionRule.objects.create(name="Love", template=nora, words=["love", "break up"])


def _form(template: PromptTemplate, **changes: Any) -> dict[str, Any]:
    sent = {"name": "Love", "template": str(template.id), "words": "love, relation*", "tenant": "", "priority": "10"}
    return {**sent, "is_active": "on", **changes}


def _page(rule: SelectionRule) -> str:
    return f"{LIST}{rule.id}/change/"


def _errors(answer: Any) -> dict[str, list[str]]:
    return answer.context["adminform"].form.errors


def _audited() -> list[str]:
    return list(AuditEntry.objects.filter(action__startswith="rule.").order_by("id").values_list("action", flat=True))


def test_empty_list_says_what_happens_without_rules(staff: Client) -> None:
    assert "whoever chooses nobody talks to the default personality" in staff.get(LIST).content.decode()
    assert "default personality." not in staff.get(f"{LIST}?q=love").content.decode()


def test_new_rule_is_saved_as_it_is_compared(staff: Client, root: User, nora: PromptTemplate) -> None:
    staff.post(f"{LIST}add/", _form(nora, words="Love, RELATION*,\r\nbreak  up", parts_of_day=["night", "evening"]))
    made = SelectionRule.objects.get()
    assert (made.words, made.parts_of_day) == (["love", "relation*", "break up"], ["evening", "night"])
    assert (made.template, made.priority, made.tenant, made.is_active) == (nora, 10, None, True)
    assert AuditEntry.objects.get(action="rule.created").actor_id == root.id
    assert not LogEntry.objects.exists()


def test_rule_is_changed_and_deleted(staff: Client, nora: PromptTemplate, rule: SelectionRule) -> None:
    assert "love, break up" in staff.get(_page(rule)).content.decode()
    staff.post(_page(rule), _form(nora, words="", parts_of_day=["morning"]))
    rule.refresh_from_db()
    assert (rule.words, rule.parts_of_day) == ([], ["morning"])
    staff.post(f"{LIST}{rule.id}/delete/", {"post": "yes"})
    assert not SelectionRule.objects.exists()
    assert _audited() == ["rule.changed", "rule.deleted"]


def test_many_rules_are_deleted_at_once(staff: Client, nora: PromptTemplate, rule: SelectionRule) -> None:
    other = SelectionRule.objects.create(name="Night", template=nora, parts_of_day=["night"])
    chosen = {"action": "delete_selected", "_selected_action": [str(rule.id), str(other.id)], "post": "yes"}
    staff.post(LIST, chosen)
    assert (SelectionRule.objects.count(), _audited()) == (0, ["rule.deleted"] * 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [("words", "*"), ("words", "a*b"), ("words", "x" * 61), ("words", ",".join(f"w{n}" for n in range(201))),
     ("parts_of_day", ["noon"]), ("priority", "-1"), ("priority", "99999"), ("name", ""), ("name", "x" * 81),
     ("name", "two\nlines"), ("name", "I am a real person"), ("name", "turned\u202e"),
     ("template", "")],
)  # fmt: skip
def test_bad_field_is_refused_and_nothing_saved(staff: Client, nora: PromptTemplate, field: str, value: Any) -> None:
    answer = staff.post(f"{LIST}add/", {**_form(nora), field: value})
    assert list(_errors(answer)) == [field]
    assert not SelectionRule.objects.exists()


def test_character_of_a_tenant_is_for_that_tenant_only(staff: Client) -> None:
    key = Principal(ensure_tenant(slug="demo").id, scopes=frozenset({"templates"}))
    ina = create_character(principal=key, given={"name": "Ina", "system_prompt": "You are Ina."}, slug="ina")
    answer = staff.post(f"{LIST}add/", _form(ina))
    assert "has to be that tenant" in _errors(answer)["template"][0]
    staff.post(f"{LIST}add/", _form(ina, tenant=str(key.tenant_id)))
    assert SelectionRule.objects.get().template == ina


def test_deleted_personality_is_neither_offered_nor_taken(staff: Client) -> None:
    key = Principal(ensure_tenant(slug="demo").id, scopes=frozenset({"templates"}))
    ina = create_character(principal=key, given={"name": "Ina", "system_prompt": "You are Ina."}, slug="ina")
    offered = "/admin/autocomplete/?app_label=templates_app&model_name=selectionrule&field_name=template&term=Ina"
    assert len(staff.get(offered).json()["results"]) == 1
    delete_character(principal=key, slug="ina")
    assert staff.get(offered).json()["results"] == []
    answer = staff.post(f"{LIST}add/", _form(ina, tenant=str(key.tenant_id)))
    assert list(_errors(answer)) == ["template"]


def test_rule_that_is_gone_meanwhile_is_no_error(staff: Client, nora: PromptTemplate, rule: SelectionRule) -> None:
    page = _page(rule)
    rule.delete()
    answer = staff.post(page, _form(nora), follow=True)
    assert (answer.status_code, SelectionRule.objects.exists()) == (200, False)
    assert "Perhaps it was deleted" in answer.content.decode()


def test_viewer_reads_rules_and_writes_none(make_staff: MakeStaff, nora: PromptTemplate, rule: SelectionRule) -> None:
    viewer = make_staff("view_selectionrule")
    assert "love, break up" in viewer.get(_page(rule)).content.decode()
    refused = [_page(rule), f"{LIST}add/", f"{LIST}{rule.id}/delete/"]
    assert [viewer.post(page, _form(nora, post="yes")).status_code for page in refused] == [403, 403, 403]
    rule.refresh_from_db()
    assert rule.words == ["love", "break up"]
    assert make_staff("view_prompttemplate").get(LIST).status_code == 403


def test_list_takes_as_many_queries_for_many(
    staff: Client, nora: PromptTemplate, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(20):
        SelectionRule.objects.create(name=f"Rule {number}", template=nora)
    with django_assert_max_num_queries(9):
        assert len(staff.get(LIST).context["cl"].result_list) == 20
