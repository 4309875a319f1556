"""Writes of personalities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from chatify.accounts.models import User
from chatify.events.bus import emit
from templates_app.models import PromptTemplate, PromptVersion


@dataclass(frozen=True, slots=True)
class Draft:
    """What makes a version."""

    system_prompt: str
    temperature: float = 0.8
    max_tokens: int = 400
    personality_traits: tuple[str, ...] = ()
    model: str = ""

    @classmethod
    def of(cls, version: PromptVersion) -> Draft:
        """The draft that this version was made from."""
        return cls(
            version.system_prompt,
            version.temperature,
            version.max_tokens,
            tuple(version.personality_traits),
            version.model,
        )


@transaction.atomic
def save_personality(*, template: PromptTemplate, draft: Draft, author: User | None = None) -> PromptTemplate:
    """Save a personality; when the draft differs from its current version, as a new version.

    A personality that becomes the default takes that from the one that was it.
    """
    if template.is_default:
        PromptTemplate.objects.filter(is_default=True).exclude(id=template.id).update(is_default=False)
    template.save()
    if template.current_version is None or Draft.of(template.current_version) != draft:
        template.current_version = _add_version(template, draft, author)
        template.save(update_fields=["current_version", "updated_at"])
    emit("template.changed", tenant_id=template.tenant_id, subject_id=template.id)
    return template


def _add_version(template: PromptTemplate, draft: Draft, author: User | None) -> PromptVersion:
    PromptTemplate.objects.select_for_update().get(id=template.id)  # two editors get two numbers
    last = template.versions.order_by("-number").values_list("number", flat=True).first()
    fields: dict[str, Any] = {
        "system_prompt": draft.system_prompt,
        "temperature": draft.temperature,
        "max_tokens": draft.max_tokens,
        "personality_traits": list(draft.personality_traits),
        "model": draft.model,
    }
    return PromptVersion.objects.create(template=template, number=(last or 0) + 1, author=author, **fields)
