"""Staff write the prompts that models remember with."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from chatify.accounts.models import AuditEntry, User
from chatify.common.errors import InvalidInput
from chatify.memory.admin import prompts
from chatify.memory.models import MemoryPrompt
from chatify.memory.prompts import MAX_PROMPT, SUMMARY_PROMPT, prompt_of, save_memory_prompt

LIST = "/admin/memory/memoryprompt/"
ADD = f"{LIST}add/"
CONFIRMED = {"_form_submitted": "True"}
MakeStaff = Callable[..., Client]


@pytest.fixture
def two(root: User) -> list[MemoryPrompt]:
    """Two versions of the prompt for summaries, the older one first."""
    save_memory_prompt(purpose="summary", text="Be short.\nBe kind.", model="large", who=root)
    save_memory_prompt(purpose="summary", text="Be short.\nBe exact.", who=root)
    return list(MemoryPrompt.objects.order_by("version"))


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _page(prompt: MemoryPrompt, name: str = "change") -> str:
    return f"{LIST}{prompt.id}/{name}/"


def _button(name: str) -> str:
    return reverse(f"admin:memory_memoryprompt_{name}")


def _offered(client: Client, query: str) -> dict[str, Any]:
    return client.get(f"{ADD}{query}").context["adminform"].form.initial


def test_without_versions_the_built_in_prompts_are_in_use(staff: Client) -> None:
    assert "The built-in prompts are in use" in _read(staff, LIST)
    assert _offered(staff, "?purpose=summary") == {"text": SUMMARY_PROMPT, "model_name": ""}
    assert _offered(staff, "?purpose=facts")["text"] == prompt_of("facts").text
    assert _offered(staff, "?purpose=nonsense")["text"] == SUMMARY_PROMPT


@pytest.mark.parametrize(("button", "purpose"), [("write_for_summaries", "summary"), ("write_for_memories", "facts")])
def test_buttons_lead_to_the_form_of_their_purpose(staff: Client, button: str, purpose: str) -> None:
    assert staff.get(_button(button)).headers["Location"] == f"{ADD}?purpose={purpose}"


def test_saved_prompt_is_a_new_version_and_in_use(staff: Client, root: User) -> None:
    for number, text in enumerate(("Find\r\nfacts.", "Find more facts."), start=1):
        answer = staff.post(f"{ADD}?purpose=facts", {"text": text, "model_name": " large "}, follow=True)
        assert f"Saved as version {number}. It is in use now." in answer.content.decode()
    found = MemoryPrompt.objects.order_by("version").values_list("purpose", "version", "text", "model", "author")
    assert list(found) == [
        ("facts", 1, "Find\nfacts.", "large", root.id), ("facts", 2, "Find more facts.", "large", root.id)
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="memory_prompt.changed", actor_id=root.id).count() == 2
    assert not LogEntry.objects.exists()


def test_prompt_that_is_in_use_already_makes_no_version(staff: Client) -> None:
    sent = {"text": SUMMARY_PROMPT.replace("\n", "\r\n"), "model_name": ""}
    answer = staff.post(f"{ADD}?purpose=summary", sent, follow=True)
    assert "This is what is in use already." in answer.content.decode()
    assert not MemoryPrompt.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"), [("text", ""), ("text", " \n"), ("text", "x" * (MAX_PROMPT + 1)), ("text", "a\0b"),
                         ("model_name", "x" * 121)],
)  # fmt: skip
def test_bad_prompt_is_refused_beside_its_field(staff: Client, field: str, value: str) -> None:
    answer = staff.post(ADD, {"text": "Be short.", "model_name": "", field: value}, follow=True)
    assert not MemoryPrompt.objects.exists()
    assert list(answer.context["adminform"].form.errors) == [field]


def test_what_the_action_refuses_is_a_message(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise InvalidInput("Not like this.")

    monkeypatch.setattr(prompts, "save_memory_prompt", refuse)
    answer = staff.post(f"{ADD}?purpose=facts", {"text": "Be short.", "model_name": ""}, follow=True)
    assert "Not like this." in answer.content.decode()
    assert answer.request["QUERY_STRING"] == "purpose=facts"


def test_history_is_read_and_compared(staff: Client, two: list[MemoryPrompt]) -> None:
    text = _read(staff, LIST)
    assert text.index("Prompt for summaries, version 2") < text.index("Prompt for summaries, version 1")
    assert text.count("in use") == 1
    newer = _read(staff, _page(two[1]))
    assert '<span class="is-removed">-Be kind.' in newer
    assert '<span class="is-added">+Be exact.' in newer
    assert '<span class="is-added">+Be short.' in _read(staff, _page(two[0]))  # against the built-in one


def test_old_version_is_brought_back_as_the_newest(staff: Client, two: list[MemoryPrompt]) -> None:
    assert "bring_back" not in _read(staff, _page(two[1]))
    assert "bring_back" in _read(staff, _page(two[0]))
    staff.get(_page(two[0], "bring_back"))
    assert MemoryPrompt.objects.count() == 2
    staff.post(_page(two[0], "bring_back"), CONFIRMED)
    present = prompt_of("summary")
    assert (present.version, present.text, present.model) == (3, "Be short.\nBe kind.", "large")
    assert staff.post(f"{LIST}not-an-id/bring_back/", CONFIRMED).status_code == 200


def test_built_in_text_can_be_taken_again(staff: Client, two: list[MemoryPrompt]) -> None:
    assert _offered(staff, "?purpose=summary")["text"] == "Be short.\nBe exact."
    assert "purpose=summary&amp;built-in=1" in _read(staff, f"{ADD}?purpose=summary")
    assert _offered(staff, "?purpose=summary&built-in=1") == {"text": SUMMARY_PROMPT, "model_name": ""}


def test_versions_are_neither_changed_nor_deleted(staff: Client, two: list[MemoryPrompt]) -> None:
    pages = [_page(two[0]), _page(two[0], "delete")]
    assert [staff.post(page, {"text": "x", "post": "yes"}).status_code for page in pages] == [403, 403]
    assert prompt_of("summary").text == "Be short.\nBe exact."


def test_viewer_reads_prompts_and_writes_none(make_staff: MakeStaff, two: list[MemoryPrompt]) -> None:
    viewer = make_staff("view_memoryprompt")
    text = _read(viewer, LIST)
    assert "write_for_summaries" not in text
    assert "Be kind." in _read(viewer, _page(two[0]))
    assert viewer.post(ADD, {"text": "x", "model_name": ""}).status_code == 403
    assert viewer.post(_page(two[0], "bring_back"), CONFIRMED).status_code == 403
    assert viewer.get(_button("write_for_memories")).status_code == 403
    assert make_staff("view_memory").get(LIST).status_code == 403
    assert MemoryPrompt.objects.count() == 2


def test_list_takes_as_many_queries_for_many(
    staff: Client, root: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(20):
        save_memory_prompt(purpose="facts", text=f"Prompt {number}", who=root)
    with django_assert_max_num_queries(8):
        assert _read(staff, LIST).count("in use") == 1
