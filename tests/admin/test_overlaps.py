"""What somebody saves while a personality is open in the admin is not put back by who saves after that."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from chatify.accounts.models import User
from templates_app.actions import Draft, save_personality
from templates_app.models import PromptTemplate
from tests.admin.conftest import form_of

LIST = "/admin/templates_app/prompttemplate/"


class Opened:
    """A page of a personality that somebody has open: what it showed then is what it sends, but for what is typed."""

    def __init__(self, staff: Client, template: PromptTemplate) -> None:
        self._staff, self._address = staff, f"{LIST}{template.id}/change/"
        form = staff.get(self._address).context["adminform"].form
        self._shown = form_of(template) | {"seen": form["seen"].value(), "welcome_back": form["welcome_back"].value()}

    def save(self, **typed: Any) -> HttpResponse:
        return self._staff.post(self._address, {**self._shown, **typed}, follow=True)

    def save_again(self, answer: HttpResponse, **typed: Any) -> HttpResponse:
        """What the page that came back holds."""
        form = answer.context["adminform"].form
        shown = {name: form[name].value() for name in form.fields}
        sent = {name: "on" if value is True else value for name, value in shown.items() if value not in (False, None)}
        return self._staff.post(self._address, {**self._shown, **sent, **typed}, follow=True)


def _edit_in_firestore(template: PromptTemplate, prompt: str | None = None, **fields: Any) -> None:
    row = PromptTemplate.objects.get(id=template.id)
    assert row.current_version is not None
    for name, value in fields.items():
        setattr(row, name, value)
    draft = Draft(prompt) if prompt else Draft.of(row.current_version)
    save_personality(template=row, draft=draft, origin="firestore")


def _errors(answer: HttpResponse) -> dict[str, list[str]]:
    if answer.redirect_chain:  # type: ignore[attr-defined]
        return {}
    return dict(answer.context["adminform"].form.errors)


def test_edit_that_came_meanwhile_is_not_put_back(staff: Client, nora: PromptTemplate) -> None:
    opened = Opened(staff, nora)
    _edit_in_firestore(nora, greeting="Ahoy from the console!", description="Edited there.")
    answer = opened.save(temperature="0.15")
    errors = _errors(answer)
    assert set(errors) == {"__all__", "greeting", "description"}
    (told,) = errors["__all__"]
    assert told.startswith("While this page was open, an edit in Firestore (")
    assert "changed: Description, Greeting." in told
    form = answer.context["adminform"].form
    assert (form["greeting"].value(), form["temperature"].value()) == ("Ahoy from the console!", "0.15")
    nora.refresh_from_db()
    assert (nora.greeting, nora.versions.count()) == ("Ahoy from the console!", 1)

    assert _errors(opened.save_again(answer)) == {}
    nora.refresh_from_db()
    assert nora.current_version is not None
    assert (nora.greeting, nora.description) == ("Ahoy from the console!", "Edited there.")
    assert nora.current_version.temperature == 0.15


def test_what_both_have_changed_stays_as_typed_beside_what_is_there(staff: Client, nora: PromptTemplate) -> None:
    opened = Opened(staff, nora)
    _edit_in_firestore(nora, greeting="Ahoy <b>you</b>!", prompt="You are Nora, who rhymes.")
    answer = opened.save(greeting="Mine.", system_prompt="You are Nora, who sings.")
    errors = _errors(answer)
    assert "There is now:" in errors["greeting"][0]
    text = answer.content.decode()
    assert "Ahoy &lt;b&gt;you&lt;/b&gt;!" in text
    assert "You are Nora, who rhymes." in text
    form = answer.context["adminform"].form
    assert (form["greeting"].value(), form["system_prompt"].value()) == ("Mine.", "You are Nora, who sings.")
    assert _errors(opened.save_again(answer)) == {}
    nora.refresh_from_db()
    assert (nora.greeting, nora.versions.count()) == ("Mine.", 3)


def test_two_of_the_staff_are_told_of_each_other(staff: Client, nora: PromptTemplate, root: User) -> None:
    first, second = Opened(staff, nora), Opened(staff, nora)
    assert _errors(first.save(personality_traits="dry", adult_only="on")) == {}
    errors = _errors(second.save(max_tokens="77"))
    assert f"{root} (" in errors["__all__"][0]
    assert set(errors) == {"__all__", "personality_traits", "adult_only"}


def test_saving_the_same_twice_is_no_overlap(staff: Client, nora: PromptTemplate) -> None:
    opened = Opened(staff, nora)
    for _ in range(2):
        assert _errors(opened.save(greeting="Hello there.", temperature="0.3")) == {}
    assert nora.versions.count() == 2


def test_default_that_went_to_another_one_is_not_taken_back(staff: Client, nora: PromptTemplate) -> None:
    default = PromptTemplate.objects.get(is_default=True)
    opened = Opened(staff, default)
    nora.is_default = True
    save_personality(template=nora, draft=Draft.of(nora.current_version))  # type: ignore[arg-type]
    errors = _errors(opened.save(description="Another one."))
    assert set(errors) == {"__all__", "is_default"}
    assert "somebody changed: Default." in errors["__all__"][0]
    assert PromptTemplate.objects.get(is_default=True) == nora


@pytest.mark.parametrize("seen", ["", "nonsense", "[]", "{}", '{"greeting": 5}'])
def test_made_up_marks_break_nothing(staff: Client, nora: PromptTemplate, seen: str) -> None:
    assert Opened(staff, nora).save(seen=seen, greeting="Hello.").status_code == 200


def test_version_from_firestore_has_an_author(staff: Client, nora: PromptTemplate) -> None:
    _edit_in_firestore(nora, prompt="You are Nora, who rhymes.")
    nora.refresh_from_db()
    for address in (
        f"{LIST}{nora.id}/change/",
        f"/admin/templates_app/promptversion/{nora.current_version_id}/change/",  # type: ignore[attr-defined]
        "/admin/templates_app/promptversion/",
    ):
        assert "firestore" in staff.get(address).content.decode(), address
