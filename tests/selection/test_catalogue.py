"""What is kept in memory: how long, and what makes it be read again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from structlog.testing import capture_logs

from chatify.accounts.principal import Principal
from sessions.personalities import menu_for
from templates_app import catalogue as module
from templates_app.actions import (
    Draft,
    delete_personality,
    delete_selection_rule,
    save_personality,
    save_selection_rule,
)
from templates_app.catalogue import Catalogue, Menu, catalogue
from templates_app.models import PromptTemplate, SelectionRule
from templates_app.selection import Rule
from tests.selection.conftest import MakeRule, MakeTemplate

pytestmark = pytest.mark.django_db(transaction=True)
House = dict[str, PromptTemplate]


def queries(ask: Any) -> int:
    with CaptureQueriesContext(
        connection,
    ) as found:
        ask()
    return len(found)


def slugs(tenant_id: UUID) -> list[str]:
    return list(catalogue.menu(tenant_id).offers)


def rules(tenant_id: UUID) -> tuple[Rule, ...]:
    return catalogue.menu(tenant_id).rules


def template(tenant_id: UUID, slug: str) -> PromptTemplate | None:
    return menu_for(tenant_id, slug).templates.get(slug)


def changed_elsewhere(row: PromptTemplate | SelectionRule, **fields: Any) -> None:
    """As another process does it: no event comes here."""
    type(row).objects.filter(id=row.id).update(**fields)  # type: ignore[union-attr]


# Kept ---------------------------------------------------------------------------------------------
def test_asking_again_costs_nothing(house: House, principal: Principal) -> None:
    assert slugs(principal.tenant_id) == ["milo", "nora", "theo", "vivi"]
    assert queries(lambda: template(principal.tenant_id, "nora")) == 0
    assert queries(lambda: rules(principal.tenant_id)) == 0


def test_after_a_second_one_query_says_that_all_is_as_it_was(house: House, principal: Principal) -> None:
    kept = Catalogue()
    first = kept.menu(principal.tenant_id)
    assert queries(lambda: kept.menu(principal.tenant_id, max_age=0)) == 1
    assert kept.menu(principal.tenant_id, max_age=0).templates is first.templates
    assert kept.known(principal.tenant_id, max_age=0) is None


def test_unknown_slug_is_looked_up_at_once(house: House, principal: Principal) -> None:
    assert template(principal.tenant_id, "theo") is not None
    changed_elsewhere(house["theo"], slug="thea", updated_at=timezone.now())
    found = template(principal.tenant_id, "thea")
    assert found is not None
    assert found.id == house["theo"].id
    assert template(principal.tenant_id, "nobody") is None


def test_tenants_that_were_not_asked_for_lately_are_forgotten(
    house: House, principal: Principal, stranger: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TENANTS", 1)
    kept = Catalogue()
    for tenant_id in (principal.tenant_id, stranger.tenant_id):
        kept.menu(tenant_id)
    assert kept.known(principal.tenant_id) is None
    assert kept.known(stranger.tenant_id) is not None


# Read again ---------------------------------------------------------------------------------------
def test_change_here_is_seen_at_once(house: House, principal: Principal, make_rule: MakeRule) -> None:
    assert rules(principal.tenant_id) == ()
    rule = make_rule(house["nora"], words=["love"])
    assert [one.slug for one in rules(principal.tenant_id)] == ["nora"]
    rule.is_active = False
    save_selection_rule(rule=rule, who=None)
    assert rules(principal.tenant_id) == ()
    delete_personality(template=house["theo"], who=None)
    assert "theo" not in slugs(principal.tenant_id)


@pytest.mark.parametrize("change", [{"is_active": False}, {"slug": "other"}, {"deleted_at": timezone.now()}])
def test_change_elsewhere_is_seen_by_the_revision(house: House, principal: Principal, change: dict[str, Any]) -> None:
    kept = Catalogue()
    kept.menu(principal.tenant_id)
    changed_elsewhere(house["theo"], **change, updated_at=timezone.now())
    assert "theo" in kept.menu(principal.tenant_id).offers
    assert "theo" not in kept.menu(principal.tenant_id, max_age=0).offers


def test_change_that_was_committed_after_a_later_one_is_seen(house: House, principal: Principal) -> None:
    kept = Catalogue()
    changed_elsewhere(house["milo"], updated_at=timezone.now() + timedelta(seconds=5))
    kept.menu(principal.tenant_id)
    changed_elsewhere(house["theo"], is_active=False, updated_at=timezone.now())
    assert "theo" not in kept.menu(principal.tenant_id, max_age=0).offers


def test_deletion_elsewhere_is_seen(house: House, principal: Principal, make_rule: MakeRule) -> None:
    kept, rule = Catalogue(), make_rule(house["nora"])
    assert len(kept.menu(principal.tenant_id).rules) == 1
    SelectionRule.objects.filter(id=rule.id).delete()
    assert kept.menu(principal.tenant_id, max_age=0).rules == ()


def test_default_that_moved_is_seen(house: House, principal: Principal) -> None:
    kept = Catalogue()
    assert next(iter(kept.menu(principal.tenant_id).offers)) == "milo"
    house["theo"].is_default = True
    save_personality(template=house["theo"], draft=Draft.of(house["theo"].current_version))  # type: ignore[arg-type]
    assert next(iter(kept.menu(principal.tenant_id, max_age=0).offers)) == "theo"


def test_transaction_sees_its_own_changes_and_keeps_nothing(house: House, principal: Principal) -> None:
    catalogue.menu(principal.tenant_id)
    with transaction.atomic():
        changed_elsewhere(house["theo"], is_active=False)
        assert "theo" not in slugs(principal.tenant_id)
        transaction.set_rollback(True)
    assert "theo" in slugs(principal.tenant_id)


# What is in it ------------------------------------------------------------------------------------
def test_tenants_own_stands_in_for_the_shared_one(
    house: House, make_template: MakeTemplate, principal: Principal, stranger: Principal
) -> None:
    own = make_template("milo", tenant_id=principal.tenant_id)
    found = template(principal.tenant_id, "milo")
    assert found is not None
    assert (found.id, slugs(principal.tenant_id)[0]) == (own.id, "milo")
    other = template(stranger.tenant_id, "milo")
    assert other is not None
    assert other.id == house["milo"].id


def test_other_tenants_personalities_and_rules_are_not_in_it(
    house: House, make_template: MakeTemplate, make_rule: MakeRule, principal: Principal, stranger: Principal
) -> None:
    own = make_template("ina", tenant_id=stranger.tenant_id)
    make_rule(own, name="Sea", tenant_id=stranger.tenant_id)
    assert (template(principal.tenant_id, "ina"), rules(principal.tenant_id)) == (None, ())
    assert [rule.name for rule in rules(stranger.tenant_id)] == ["Sea"]


def test_rules_come_by_priority_and_the_tenants_own_first(
    house: House, make_rule: MakeRule, principal: Principal
) -> None:
    make_rule(house["nora"], name="shared")
    make_rule(house["nora"], name="own", tenant_id=principal.tenant_id)
    make_rule(house["theo"], name="first", priority=1)
    make_rule(house["theo"], name="off", priority=0, is_active=False)
    assert [rule.name for rule in rules(principal.tenant_id)] == ["first", "own", "shared"]


def test_so_many_rules_are_read_and_no_more(
    house: House, make_rule: MakeRule, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RULES", 2)
    make_rule(house["nora"], name="off", priority=0, is_active=False)
    for number in (3, 1):
        make_rule(house["nora"], name=f"shared {number}", priority=number)
    make_rule(house["nora"], name="own 3", priority=3, tenant_id=principal.tenant_id)
    with capture_logs() as logs:
        assert [rule.name for rule in rules(principal.tenant_id)] == ["shared 1", "own 3"]
    assert [entry["event"] for entry in logs] == ["selection_rules_left_out"]


def test_shared_rule_leads_to_the_tenants_own_of_that_slug(
    house: House, make_template: MakeTemplate, make_rule: MakeRule, principal: Principal
) -> None:
    make_rule(house["nora"], words=["love"])
    own = make_template("nora", tenant_id=principal.tenant_id)
    menu: Menu = catalogue.menu(principal.tenant_id)
    assert menu.offers[menu.rules[0].slug].id == own.id


def test_rule_goes_with_its_personality(house: House, make_rule: MakeRule, principal: Principal) -> None:
    make_rule(house["nora"])
    delete_personality(template=house["nora"], who=None)
    assert (rules(principal.tenant_id), SelectionRule.objects.count()) == ((), 0)
    other = make_rule(house["theo"])
    delete_selection_rule(rule=other, who=None)
    assert rules(principal.tenant_id) == ()
