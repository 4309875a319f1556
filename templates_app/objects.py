"""Personalities as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, RootModel

from templates_app.models import PromptTemplate
from templates_app.rendering import Values, render


class TemplateObject(BaseModel):
    """A personality. Its prompt is not part of it."""

    slug: str
    name: str
    description: str
    greeting: str
    personality_traits: list[str]
    adult_only: bool
    is_default: bool
    is_own: bool = Field(description="Whether it is the tenant's own, and not everybody's.")
    is_active: bool = Field(description="Inactive ones take no new conversations, and are shown to who writes them.")
    version: int
    created_at: datetime
    updated_at: datetime


class CharacterObject(TemplateObject):
    """A personality of the tenant's own, as it was written."""

    greeting_source: str = Field(description="The greeting with its variables.")
    welcome_back: str = Field(description="What it says when somebody resumes, with its variables.")
    goodbye: str = Field(description="What it says when somebody leaves it for a person; empty: the usual words.")
    system_prompt: str
    temperature: float
    max_tokens: int
    context_tokens: int = Field(description="What goes to the model at most, as an estimate; the reply not counted.")
    model: str


class AnyTemplateObject(RootModel[CharacterObject | TemplateObject]):
    """A personality; as it was written, if it is the tenant's own and the key has the scope `templates`."""


def template_object(template: PromptTemplate, tenant_id: UUID) -> dict[str, Any]:
    """The TemplateObject of a personality that has a version, for somebody of this tenant."""
    version = template.current_version
    assert version is not None  # what is on offer has one
    return {
        "slug": template.slug,
        "name": template.name,
        "description": template.description,
        "greeting": render(template.greeting, Values()),
        "personality_traits": version.personality_traits,
        "adult_only": template.adult_only,
        "is_default": template.is_default,
        "is_own": template.tenant_id == tenant_id,
        "is_active": template.is_active,
        "version": version.number,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }


def character_object(template: PromptTemplate) -> dict[str, Any]:
    """The CharacterObject of a tenant's own personality, for that tenant."""
    version = template.current_version
    assert version is not None
    assert template.tenant_id is not None
    return template_object(template, template.tenant_id) | {
        "greeting_source": template.greeting,
        "welcome_back": template.welcome_back,
        "goodbye": template.goodbye,
        "system_prompt": version.system_prompt,
        "temperature": version.temperature,
        "max_tokens": version.max_tokens,
        "context_tokens": version.context_tokens,
        "model": version.model,
    }
