"""The prompts that models remember with: the built-in ones, and what staff made of them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from chatify.accounts.audit import Who, record
from chatify.accounts.models import User
from chatify.memory.finding import FACTS_PROMPT
from chatify.memory.models import MemoryPrompt
from chatify.memory.texts import check_written

BUILT_IN_VERSION = 0
MAX_PROMPT = 8_000
"""Code points."""

SUMMARY_PROMPT = """\
You keep the memory of a conversation between a user and an AI companion. You get the summary of what was said before, \
if there is one, and the messages that follow it. Write the summary that replaces the old one: it has to stand for \
everything up to the last of these messages, because what it leaves out is forgotten for good.

- Keep every fact that matters later: names, people and how they are related, places, numbers, dates, likes and \
dislikes, plans, decisions, promises of either side, and questions that are still open.
- Keep what the old summary holds, unless something said later corrects it; then keep what is true now.
- Say who said or wants what. Write in the third person ("The user ...", "The companion ..."), in the language of the \
conversation, as short statements, one to a line, without headings.
- Leave out small talk, repetition and politeness. Invent nothing and judge nothing.
- Write at most 300 words. Answer with the summary and nothing else."""

_BUILT_IN = {MemoryPrompt.Purpose.SUMMARY: SUMMARY_PROMPT, MemoryPrompt.Purpose.FACTS: FACTS_PROMPT}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is told. `version` 0 is built in; an empty `model` is the server's default."""

    version: int
    text: str
    model: str = ""


def prompt_of(purpose: str) -> Prompt:
    """The prompt in use: the newest version that staff wrote, or the built-in one."""
    newest = MemoryPrompt.objects.filter(purpose=purpose).order_by("-version")
    found = newest.values_list("version", "text", "model").first()
    return Prompt(*found) if found else Prompt(BUILT_IN_VERSION, _BUILT_IN[MemoryPrompt.Purpose(purpose)])


def save_memory_prompt(*, purpose: str, text: str, model: str = "", who: Who) -> Prompt:
    """Use this prompt from now on, as a new version. What is in use already stays as it is. Gives what is in use.

    Raises InvalidInput (`text`: empty, too long or not storable).
    """
    check_written(text, most=MAX_PROMPT)
    for _ in range(2):
        try:
            return _save(purpose, text, model.strip(), who)
        except IntegrityError:  # somebody else saved in this moment, and has the number
            continue
    return _save(purpose, text, model.strip(), who)


@transaction.atomic
def _save(purpose: str, text: str, model: str, who: Who) -> Prompt:
    present = prompt_of(purpose)
    if (present.text, present.model) == (text, model):
        return present
    row = MemoryPrompt.objects.create(
        purpose=purpose,
        version=present.version + 1,
        text=text,
        model=model,
        author=who if isinstance(who, User) else None,
    )
    record("memory_prompt.changed", who=who, subject_id=row.id, purpose=purpose, version=row.version)
    return Prompt(row.version, text, model)
