"""A chat session in the database of the test."""

from __future__ import annotations

import pytest

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from sessions.actions import start_chat_session
from sessions.models import ChatSession
from templates_app.actions import Draft, save_personality
from templates_app.models import PromptTemplate


@pytest.fixture
def template(db: None) -> PromptTemplate:
    """A personality."""
    template = PromptTemplate(slug="plain", name="Plain", description="Plain.", is_default=True)
    save_personality(template=template, draft=Draft("You are an AI companion. Be brief."))
    return template


@pytest.fixture
def chat(template: PromptTemplate) -> ChatSession:
    """A chat session of somebody of tenant demo."""
    key = Principal(ensure_tenant(slug="demo").id)
    return start_chat_session(principal=key, template_slug=None, user=UserInput(external_id="mia"))
