"""The only way to a personality for those who chat."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from chatify.accounts.principal import Principal
from chatify.common.errors import NotFound
from templates_app.models import PromptTemplate, PromptTemplateQuerySet, PromptVersion


@dataclass(frozen=True, slots=True)
class Version:
    """A version as turns read it. It never changes, so it is kept in memory."""

    id: UUID
    number: int
    system_prompt: str
    temperature: float
    max_tokens: int
    traits: tuple[str, ...]
    model: str


def templates_for(principal: Principal) -> PromptTemplateQuerySet:
    """The personalities on offer to whoever asks."""
    return PromptTemplate.objects.on_offer_to(principal.tenant_id).select_related("current_version")


def get_template(principal: Principal, slug: str) -> PromptTemplate:
    """One personality on offer. Raises NotFound."""
    template = templates_for(principal).filter(slug=slug).first()
    if template is None:
        raise NotFound("There is no personality of this name.", code="unknown_template")
    return template


def get_default_template(principal: Principal) -> PromptTemplate:
    """The personality that answers when nobody chose one. Raises NotFound when none is on offer."""
    template = templates_for(principal).order_by("-is_default", "created_at").first()
    if template is None:
        raise NotFound("There is no personality yet: run manage.py seed_templates.", code="unknown_template")
    return template


@lru_cache(maxsize=1024)
def get_version(version_id: UUID) -> Version:
    """The version of this id. Raises PromptVersion.DoesNotExist."""
    row = PromptVersion.objects.get(id=version_id)
    return Version(
        row.id, row.number, row.system_prompt, row.temperature, row.max_tokens, tuple(row.personality_traits), row.model
    )
