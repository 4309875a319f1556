"""Rules of selection as rows: what is saved, and what comes with Chatify."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from chatify.accounts.models import AuditEntry, User
from chatify.accounts.principal import Principal
from chatify.common.errors import InvalidInput
from chatify.memory.rules import topics_in
from templates_app.actions import delete_selection_rule, save_selection_rule
from templates_app.management.commands.seed_templates import _write_rule
from templates_app.models import PromptTemplate, SelectionRule
from templates_app.seeds import RULES, SEEDS
from templates_app.selection import Said, Words, checked_words, tokens
from tests.selection.conftest import MakeRule, MakeTemplate


def seed() -> str:
    out = StringIO()
    call_command("seed_templates", stdout=out)
    return out.getvalue()


def test_words_are_saved_as_they_are_compared(house: dict[str, PromptTemplate], make_rule: MakeRule) -> None:
    rule = make_rule(house["nora"], words=["  LOVE ", "love"], parts_of_day=["night", "morning"])
    rule.refresh_from_db()
    assert (rule.words, rule.parts_of_day) == (["love"], ["morning", "night"])


@pytest.mark.parametrize(
    "wrong", [{"words": ["*"]}, {"parts_of_day": ["noon"]}, {"name": "two\nlines"}, {"name": "A real person"}]
)
def test_wrong_conditions_are_refused(house: dict[str, PromptTemplate], make_rule: MakeRule, wrong: dict) -> None:
    with pytest.raises(InvalidInput) as raised:
        make_rule(house["nora"], **wrong)
    assert raised.value.errors[0].field == next(iter(wrong))
    assert not SelectionRule.objects.exists()


def test_rule_leads_to_its_own_tenants_personalities_only(
    make_template: MakeTemplate, make_rule: MakeRule, principal: Principal, stranger: Principal
) -> None:
    own = make_template("ina", tenant_id=stranger.tenant_id)
    assert make_rule(own, tenant_id=stranger.tenant_id).tenant_id == stranger.tenant_id
    for tenant_id in (None, principal.tenant_id):
        with pytest.raises(InvalidInput) as raised:
            make_rule(own, tenant_id=tenant_id)
        assert raised.value.code == "unknown_template"


def test_writes_are_audited(house: dict[str, PromptTemplate], make_rule: MakeRule) -> None:
    rule = make_rule(house["nora"], name="Love")
    rule.priority = 7
    save_selection_rule(rule=rule, who=None)
    id_ = rule.id
    delete_selection_rule(rule=rule, who=None)
    told = AuditEntry.objects.filter(subject_id=id_).order_by("id").values_list("action", "details")
    assert list(told) == [(f"rule.{what}", {"name": "Love"}) for what in ("created", "changed", "deleted")]
    assert not SelectionRule.objects.exists()


# What comes with Chatify --------------------------------------------------------------------------
@pytest.mark.django_db
def test_seeded_rule_leads_to_dating_advice() -> None:
    assert "rule Relationships: created" in seed()
    rule = SelectionRule.objects.get()
    assert (rule.name, rule.template.slug, rule.tenant_id) == ("Relationships", "dating_advice", None)
    assert rule.words == checked_words(rule.words)


@pytest.mark.django_db
def test_seeding_again_changes_nothing_that_staff_did() -> None:
    staff = User.objects.create_user("staff@example.com", is_staff=True)
    seed()
    rule = SelectionRule.objects.get()
    rule.name, rule.words = "Love", ["love"]
    save_selection_rule(rule=rule, who=staff)
    assert "rule Relationships: kept, because staff changed it" in seed()
    assert list(SelectionRule.objects.values_list("name", "words")) == [("Love", ["love"])]
    delete_selection_rule(rule=rule, who=staff)
    assert "rule Relationships: deleted by staff, and stays so" in seed()
    assert not SelectionRule.objects.exists()


@pytest.mark.django_db
def test_rule_that_nobody_changed_follows_its_seed() -> None:
    seed()
    assert "rule Relationships: unchanged" in seed()
    SelectionRule.objects.update(words=["as", "seeded", "before"])
    assert "rule Relationships: updated" in seed()
    assert SelectionRule.objects.get().words == checked_words(RULES[0].words)
    assert "rule Relationships: unchanged" in seed()


@pytest.mark.django_db
def test_rule_is_seeded_when_its_personality_is_there(make_template: MakeTemplate) -> None:
    assert _write_rule(RULES[0]) == "not created, because there is no dating_advice"
    make_template("dating_advice")
    assert _write_rule(RULES[0]) == "created"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My relationship is over", True),
        ("relationships", True),
        ("relationship trouble", True),
        ("relationship problems with him", True),
        ("a long-distance relationship", True),
        ("I'm in a new relationship", True),
        ("my wife and I", True),
        ("My husband's job", True),
        ("is my partner right?", True),
        ("we got married", True),
        ("a happy marriage", True),
        ("my love life", True),
        ("my spouse", True),
        ("I think I'm in love!", True),
        ("two lovers", True),
        ("customer relationship management", False),
        ("entity-relationship diagrams", False),
        ("I love tea", False),
        ("I have a crush on somebody at work", True),
        ("We broke up last night", True),
        ("I miss my ex", True),
        ("dating is hard", True),
        ("my girlfriend's mother", True),
        ("What is the date today?", False),
        ("an expert for correlation", False),
        ("Tell me about black holes", False),
        ("hello", False),
    ],
)
def test_seeded_words_are_about_relationships(text: str, expected: bool) -> None:
    assert Words.of(RULES[0].words).come_up(Said.of(tokens(text))) is expected


def test_seeded_rules_lead_to_seeded_personalities() -> None:
    assert {rule.template for rule in RULES} <= {seed.slug for seed in SEEDS}
    assert all(checked_words(rule.words) for rule in RULES)


def test_topic_that_memory_finds_leads_to_the_seeded_personality() -> None:
    (topic,) = topics_in("My boyfriend wants a break, and our relationship is hard.")
    assert Words.of(RULES[0].words).come_up(Said.of(tokens(topic)))
