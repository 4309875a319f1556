"""Slugs that Firestore would refuse as names are refused wherever a personality is made."""

from __future__ import annotations

import pytest

from chatify.common.errors import InvalidInput
from templates_app.actions import Draft, save_personality
from templates_app.checks import check_slug
from templates_app.forms import PersonalityForm
from templates_app.models import PromptTemplate

TOLD = "“__x__” begins and ends with two underscores: choose another one."


@pytest.mark.parametrize("slug", ["__x__", "____", "__all-1__", "__a__b__"])
def test_two_underscores_around_it_are_refused(slug: str) -> None:
    assert check_slug(slug).startswith(f"“{slug}” begins and ends")


@pytest.mark.parametrize("slug", ["ina", "__x", "x__", "_x_", "___", "a__b__c"])
def test_other_underscores_are_fine(slug: str) -> None:
    assert check_slug(slug) == ""


@pytest.mark.django_db
def test_new_one_is_not_saved() -> None:
    with pytest.raises(InvalidInput) as caught:
        save_personality(template=PromptTemplate(slug="__x__", name="Ina"), draft=Draft("You are Ina."))
    assert [(error.field, error.code, error.message) for error in caught.value.errors] == [("slug", "reserved", TOLD)]
    assert not PromptTemplate.objects.exists()


@pytest.mark.django_db
def test_form_names_the_field() -> None:
    assert PersonalityForm(data={"slug": "__x__"}).errors["slug"] == [TOLD]


@pytest.mark.django_db
def test_old_one_can_still_be_changed() -> None:
    found = save_personality(template=PromptTemplate(slug="old", name="Ina"), draft=Draft("You are Ina."))
    PromptTemplate.objects.filter(id=found.id).update(slug="__x__")
    old = PromptTemplate.objects.get(id=found.id)
    assert "slug" not in PersonalityForm(data={"slug": "__x__"}, instance=old).errors
    old.is_active = False
    assert not save_personality(template=old, draft=Draft("You are Ina.")).is_active
