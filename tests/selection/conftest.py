"""Personalities and rules in the database of the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.principal import Principal
from templates_app.actions import Draft, save_personality, save_selection_rule
from templates_app.catalogue import catalogue
from templates_app.models import PromptTemplate, SelectionRule
from tests.turns.conftest import principal

__all__ = ["principal"]
MakeTemplate = Callable[..., PromptTemplate]
MakeRule = Callable[..., SelectionRule]


@pytest.fixture
def make_template(db: None) -> Any:
    """`make_template("nora")`, `make_template("vivi", adult_only=True, tenant=...)`."""

    def make(slug: str, **fields: Any) -> PromptTemplate:
        template = PromptTemplate(slug=slug, name=slug.title(), description=slug, greeting=f"I am {slug}.", **fields)
        return save_personality(template=template, draft=Draft(f"You are {slug}, an AI companion."))

    catalogue.forget()
    yield make
    catalogue.forget()


@pytest.fixture
def make_rule(db: None) -> MakeRule:
    """`make_rule(nora, words=["love"])`."""

    def make(template: PromptTemplate, name: str = "Rule", **fields: Any) -> SelectionRule:
        return save_selection_rule(rule=SelectionRule(name=name, template=template, **fields), who=None)

    return make


@pytest.fixture
def house(make_template: MakeTemplate) -> dict[str, PromptTemplate]:
    """Everybody's personalities by slug; milo is the default."""
    adults = {"vivi": True}
    slugs = ("milo", "nora", "theo", "vivi")
    return {slug: make_template(slug, is_default=slug == "milo", adult_only=adults.get(slug, False)) for slug in slugs}


@pytest.fixture
def stranger(db: None) -> Principal:
    """Another application."""
    return Principal(ensure_tenant(slug="stranger").id)
