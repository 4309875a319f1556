"""The prompts of memory: built in, and as staff write them, version by version."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from chatify.accounts.models import AuditEntry, User
from chatify.common.errors import InvalidInput
from chatify.memory import prompts
from chatify.memory.finding import FACTS_PROMPT
from chatify.memory.models import MemoryPrompt
from chatify.memory.prompts import MAX_PROMPT, SUMMARY_PROMPT, Prompt, prompt_of, save_memory_prompt
from chatify.memory.summarizing import FRAME
from templates_app.rendering import RECALLED_CLOSE, RECALLED_OPEN
from tests.services.provider import FRAME_START

pytestmark = pytest.mark.django_db


def test_built_in_prompts_are_version_0() -> None:
    assert prompt_of("summary") == Prompt(0, SUMMARY_PROMPT, "")
    assert prompt_of("facts") == Prompt(0, FACTS_PROMPT, "")


def test_newest_version_is_in_use() -> None:
    staff = User.objects.create(email="staff@example.com", is_staff=True)
    for number in (1, 2):
        assert save_memory_prompt(purpose="summary", text=f"Number {number}", model=" m ", who=staff).version == number
    assert prompt_of("summary") == Prompt(2, "Number 2", "m")
    assert prompt_of("facts").version == 0
    assert list(MemoryPrompt.objects.values_list("version", "author__email")) == [(2, staff.email), (1, staff.email)]
    assert [one.details["version"] for one in AuditEntry.objects.filter(action="memory_prompt.changed")] == [2, 1]


def test_same_text_makes_no_version() -> None:
    save_memory_prompt(purpose="summary", text=SUMMARY_PROMPT, who=None)
    assert not MemoryPrompt.objects.exists()
    save_memory_prompt(purpose="summary", text="Mine.", who=None)
    save_memory_prompt(purpose="summary", text="Mine.", who=None)
    assert MemoryPrompt.objects.count() == 1
    assert save_memory_prompt(purpose="summary", text="Mine.", model="other", who=None).version == 2


@pytest.mark.parametrize(
    ("text", "code"), [("\n", "blank"), ("x" * (MAX_PROMPT + 1), "too_long"), ("a\ud800", "bad_characters")]
)
def test_wrong_text_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        save_memory_prompt(purpose="summary", text=text, who=None)
    assert caught.value.code == code
    assert not MemoryPrompt.objects.exists()


def test_two_editors_get_two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    save_memory_prompt(purpose="summary", text="Theirs.", who=None)
    answers = [Prompt(0, SUMMARY_PROMPT), prompt_of("summary")]  # what I saw before they saved, and after
    monkeypatch.setattr(prompts, "prompt_of", lambda purpose: answers.pop(0))
    assert save_memory_prompt(purpose="summary", text="Mine.", who=None).version == 2


def test_one_version_number_exists_once() -> None:
    save_memory_prompt(purpose="summary", text="Mine.", who=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        MemoryPrompt.objects.create(purpose="summary", version=1, text="Another.")


def test_frame_says_what_is_data_and_what_is_known() -> None:
    assert FRAME.startswith(FRAME_START)
    assert RECALLED_OPEN in FRAME
    assert RECALLED_CLOSE in FRAME
