"""Personalities as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from templates_app.models import PromptTemplate
from templates_app.rendering import Values, render


class TemplateObject(BaseModel):
    """A personality on offer. Its prompt is not part of it."""

    slug: str
    name: str
    description: str
    greeting: str
    personality_traits: list[str]
    adult_only: bool
    is_default: bool
    version: int
    created_at: datetime
    updated_at: datetime


def template_object(template: PromptTemplate) -> dict[str, Any]:
    """The TemplateObject of a personality that has a version."""
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
        "version": version.number,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }
