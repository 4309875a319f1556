"""Staff edit personalities."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from sessions.models import ChatSession
from templates_app.admin import PersonalityAdmin
from templates_app.models import PromptTemplate, PromptVersion
from tests.admin.conftest import form_of

LIST = "/admin/templates_app/prompttemplate/"
Start = Callable[..., ChatSession]
MakeStaff = Callable[..., Client]


def _page(template: PromptTemplate) -> str:
    return f"{LIST}{template.id}/change/"


def _save(staff: Client, template: PromptTemplate, **changes: object) -> HttpResponse:
    return staff.post(_page(template), form_of(template, **changes), follow=True)


def _versions(template: PromptTemplate) -> list[int]:
    return list(template.versions.order_by("number").values_list("number", flat=True))


def test_new_personality_is_saved_with_its_first_version(staff: Client) -> None:
    answer = staff.post(f"{LIST}add/", form_of(slug="ada"), follow=True)
    made = PromptTemplate.objects.get(slug="ada")
    assert made.current_version is not None
    assert (made.current_version.number, made.current_version.personality_traits) == (1, ["exact", "dry"])
    assert made.current_version.author is not None
    assert "Saved as version 1." in answer.content.decode()


def test_changed_prompt_is_a_new_version_and_running_conversations_keep_theirs(
    staff: Client, nora: PromptTemplate, start: Start
) -> None:
    running = start()
    answer = _save(staff, nora, system_prompt="You are Nora, and you rhyme.")
    assert "Saved as version 2; running conversations keep theirs." in answer.content.decode()
    running.refresh_from_db()
    assert running.version.number == 1
    assert start(external_id="new").version.number == 2


def test_saving_without_a_change_of_the_prompt_makes_no_version(staff: Client, nora: PromptTemplate) -> None:
    answer = _save(staff, nora, description="Somebody to talk to.")
    nora.refresh_from_db()
    assert nora.description == "Somebody to talk to."
    assert _versions(nora) == [1]
    assert "Saved as version" not in answer.content.decode()


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.1}, {"max_tokens": 50}, {"personality_traits": "dry"}, {"model_name": "m"},
     {"context_tokens": 900}],
)  # fmt: skip
def test_changed_parameter_is_a_new_version(staff: Client, nora: PromptTemplate, change: dict[str, object]) -> None:
    _save(staff, nora, **change)
    assert _versions(nora) == [1, 2]


def test_unknown_variable_is_refused_with_its_place(staff: Client, nora: PromptTemplate) -> None:
    answer = _save(staff, nora, name="Changed", system_prompt="You are Nora.\nSay hi to {{ user.nmae }}!")
    errors = answer.context["adminform"].form.errors
    assert list(errors) == ["system_prompt"]
    assert errors["system_prompt"][0].startswith("Line 2, column 11: {{ user.nmae }} is not a variable")
    nora.refresh_from_db()
    assert (nora.name != "Changed", _versions(nora)) == (True, [1])


def test_claim_to_be_human_is_refused_with_the_sentence(staff: Client, nora: PromptTemplate) -> None:
    answer = _save(staff, nora, system_prompt="Be kind.\nYou are a real human being.")
    (error,) = answer.context["adminform"].form.errors["system_prompt"]
    assert error.startswith("Line 2, column 1: “You are a real human being.”")
    assert _versions(nora) == [1]


def test_greeting_that_claims_to_be_human_is_refused(staff: Client, nora: PromptTemplate) -> None:
    answer = _save(staff, nora, greeting="Hi, I am a real person.")
    assert list(answer.context["adminform"].form.errors) == ["greeting"]


def test_goodbye_is_the_personalitys_own_and_makes_no_version(staff: Client, nora: PromptTemplate) -> None:
    _save(staff, nora, goodbye="Fair winds, {{ user.name }}!")
    nora.refresh_from_db()
    assert (nora.goodbye, _versions(nora)) == ("Fair winds, {{ user.name }}!", [1])


@pytest.mark.parametrize("text", ["I am human. Bye!", "Bye, {{ topics }}!", "Bye\u2028bye", "x" * 301])
def test_bad_goodbye_is_refused(staff: Client, nora: PromptTemplate, text: str) -> None:
    answer = _save(staff, nora, goodbye=text)
    assert list(answer.context["adminform"].form.errors) == ["goodbye"]


@pytest.mark.parametrize(
    "change",
    [{"temperature": "2.5"}, {"temperature": "nan"}, {"max_tokens": "0"}, {"personality_traits": "x" * 41},
     {"personality_traits": ",".join("abcdefghijklm")}, {"name": ""}, {"system_prompt": " "},
     {"name": "two\nlines"}, {"name": "turned\u2066"}, {"name": "x" * 81},
     {"context_tokens": "499"}, {"context_tokens": "200001"}, {"context_tokens": ""}],
)  # fmt: skip
def test_bad_field_is_refused_and_nothing_saved(staff: Client, nora: PromptTemplate, change: dict[str, object]) -> None:
    answer = _save(staff, nora, **change)
    assert list(answer.context["adminform"].form.errors) == list(change)
    assert _versions(nora) == [1]


def test_slug_stays_as_it_is(staff: Client, nora: PromptTemplate) -> None:
    _save(staff, nora, slug="another")
    nora.refresh_from_db()
    assert nora.slug == "dating_advice"


def test_second_shared_personality_of_a_slug_is_refused(staff: Client, nora: PromptTemplate) -> None:
    answer = staff.post(f"{LIST}add/", form_of(slug=nora.slug))
    assert answer.context["adminform"].form.errors == {"slug": ["There is another personality of this slug."]}


def test_new_default_takes_the_place_of_the_old_one(staff: Client, nora: PromptTemplate) -> None:
    _save(staff, nora, is_default="on")
    assert list(PromptTemplate.objects.filter(is_default=True)) == [nora]


def test_default_is_for_everybody(staff: Client, nora: PromptTemplate) -> None:
    answer = _save(staff, nora, is_default="on", adult_only="on")
    assert list(answer.context["adminform"].form.errors) == ["is_default"]


def test_list_actions_switch_personalities_but_never_the_default_off(staff: Client, nora: PromptTemplate) -> None:
    everybody = [str(one.id) for one in PromptTemplate.objects.all()]
    staff.post(LIST, {"action": "deactivate", "_selected_action": everybody})
    assert [one.slug for one in PromptTemplate.objects.filter(is_active=True)] == ["casual_chat"]
    staff.post(LIST, {"action": "activate", "_selected_action": [str(nora.id)]})
    staff.post(LIST, {"action": "make_default", "_selected_action": [str(nora.id)]})
    nora.refresh_from_db()
    assert (nora.is_active, nora.is_default, _versions(nora)) == (True, True, [1])


def test_personality_with_conversations_is_not_deleted(staff: Client, nora: PromptTemplate, start: Start) -> None:
    start()
    answer = staff.post(f"{LIST}{nora.id}/delete/", {"post": "yes"}, follow=True)
    assert "Deactivate it instead" in answer.content.decode()
    assert PromptTemplate.objects.filter(id=nora.id).exists()


def test_unused_personality_is_deleted_with_its_versions(staff: Client, nora: PromptTemplate) -> None:
    assert "Versions: 1" in staff.get(f"{LIST}{nora.id}/delete/").content.decode()
    staff.post(f"{LIST}{nora.id}/delete/", {"post": "yes"})
    assert not PromptVersion.objects.filter(template=nora.id).exists()


def test_versions_can_be_read_but_not_changed(staff: Client, nora: PromptTemplate) -> None:
    page = f"/admin/templates_app/promptversion/{nora.current_version_id}/"
    assert "You are Nora" in staff.get(f"{page}change/").content.decode()
    assert [staff.post(f"{page}{what}/", {"post": "yes"}).status_code for what in ("change", "delete")] == [403, 403]
    assert staff.get("/admin/templates_app/promptversion/add/").status_code == 403


def test_version_shows_what_it_changed(staff: Client, nora: PromptTemplate) -> None:
    assert nora.current_version is not None
    _save(staff, nora, system_prompt=f"{nora.current_version.system_prompt}\nYou love <b>puns</b>.")
    newest = nora.versions.get(number=2)
    text = staff.get(f"/admin/templates_app/promptversion/{newest.id}/change/").content.decode()
    assert '<span class="is-added">+You love &lt;b&gt;puns&lt;/b&gt;.' in text


def test_old_version_can_be_brought_back(staff: Client, nora: PromptTemplate) -> None:
    old = nora.current_version
    assert old is not None
    _save(staff, nora, system_prompt="You are somebody else.")
    staff.post(f"/admin/templates_app/promptversion/{old.id}/bring_back/", {"_form_submitted": "True"})
    nora.refresh_from_db()
    assert nora.current_version is not None
    assert (nora.current_version.number, nora.current_version.system_prompt) == (3, old.system_prompt)


def test_looking_at_a_dialog_changes_nothing(staff: Client, nora: PromptTemplate) -> None:
    assert staff.get(f"{LIST}{nora.id}/deactivate_this/").status_code == 200
    nora.refresh_from_db()
    assert nora.is_active


def test_viewer_reads_the_prompt_but_cannot_save(make_staff: MakeStaff, nora: PromptTemplate) -> None:
    viewer = make_staff("view_prompttemplate")
    text = viewer.get(_page(nora)).content.decode()
    assert "You are Nora" in text
    assert "Context budget" in text
    refused = [_page(nora), f"{LIST}add/", f"{LIST}{nora.id}/deactivate_this/"]
    assert [viewer.post(page, form_of(nora)).status_code for page in refused] == [403, 403, 403]
    bring_back = f"/admin/templates_app/promptversion/{nora.current_version_id}/bring_back/"
    assert viewer.post(bring_back, {"_form_submitted": "True"}).status_code == 403


@pytest.mark.parametrize("page", ["change", "delete", "deactivate_this"])
def test_address_without_an_id_is_no_error(staff: Client, page: str) -> None:
    assert staff.get(f"{LIST}not-an-id/{page}/").status_code in (200, 302, 404)


def test_list_takes_as_many_queries_for_many(
    staff: Client, seeded: None, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(20):
        PromptTemplate.objects.create(slug=f"p{number}", name=f"P {number}")
    with django_assert_max_num_queries(9):  # type: ignore[attr-defined]
        staff.get(LIST)


def test_every_variable_is_explained() -> None:
    from templates_app.forms import MEANINGS
    from templates_app.rendering import VARIABLES

    assert list(MEANINGS) == list(VARIABLES)
    assert PersonalityAdmin.form.base_fields["system_prompt"].help_text.count("<li>") == len(VARIABLES)
