"""A chat session in the database of the test, for tests of what turns write."""

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
def principal(db: None) -> Principal:
    """An application."""
    return Principal(ensure_tenant(slug="demo").id)


@pytest.fixture
def chat(principal: Principal) -> ChatSession:
    """A chat session without messages."""
    template = PromptTemplate(slug="plain", name="Plain", description="Plain.", is_default=True)
    save_personality(template=template, draft=Draft("You are an AI companion. Be brief."))
    return start_chat_session(principal=principal, template_slug="plain", user=UserInput(external_id="alice"))
