"""The only way to a personality for those who chat, and for tenants who write their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from chatify.accounts.principal import Principal
from chatify.common.errors import Forbidden, NotFound
from templates_app.models import PromptTemplate, PromptTemplateQuerySet, PromptVersion


@dataclass(frozen=True, slots=True)
class Version:
    """A version as turns read it. It never changes, so it is kept in memory."""

    id: UUID
    number: int
    system_prompt: str
    temperature: float
    max_tokens: int
    context_tokens: int
    traits: tuple[str, ...]
    model: str


def templates_for(principal: Principal) -> PromptTemplateQuerySet:
    """The personalities on offer to whoever asks."""
    return PromptTemplate.objects.on_offer_to(principal.tenant_id).select_related("current_version")


def own_templates(principal: Principal) -> PromptTemplateQuerySet:
    """The tenant's own personalities, inactive ones among them."""
    rows = PromptTemplate.objects.existing().filter(tenant_id=principal.tenant_id, current_version__isnull=False)
    return rows.select_related("current_version")


def get_template(principal: Principal, slug: str) -> PromptTemplate:
    """One personality on offer. Raises NotFound."""
    template = templates_for(principal).filter(slug=slug).first()
    if template is None:
        raise NotFound("There is no personality of this name.", code="unknown_template")
    return template


def find_own_template(principal: Principal, slug: str, *, must_lock: bool = False) -> PromptTemplate | None:
    """One of the tenant's own, also an inactive one."""
    rows = own_templates(principal).filter(slug=slug)
    if must_lock:  # alone: whoever waited for the lock would get the version from before the wait
        rows = rows.select_related(None).select_for_update(of=("self",))
    return rows.first()


def get_own_template(principal: Principal, slug: str, *, must_lock: bool = False) -> PromptTemplate:
    """One of the tenant's own, also an inactive one. Raises NotFound, or Forbidden (`shared_personality`)."""
    template = find_own_template(principal, slug, must_lock=must_lock)
    if template is None:
        get_template(principal, slug)
        raise Forbidden(
            "This personality is everybody's. Make one of your own with copy_of, and change that.",
            code="shared_personality",
        )
    return template


@lru_cache(maxsize=1024)
def get_version(version_id: UUID) -> Version:
    """The version of this id. Raises PromptVersion.DoesNotExist."""
    row = PromptVersion.objects.get(id=version_id)
    return Version(
        row.id,
        row.number,
        row.system_prompt,
        row.temperature,
        row.max_tokens,
        row.context_tokens,
        tuple(row.personality_traits),
        row.model,
    )
