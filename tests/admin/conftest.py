"""Staff, and conversations for them to look at."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.models import User
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from sessions.actions import start_chat_session
from sessions.models import ChatSession, Message
from templates_app.models import PromptTemplate
from tests.services.server import Server

BROWSER_EMAIL = "boss@example.com"
BROWSER_PASSWORD = "a-long-password"


@pytest.fixture
def seeded(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    """The personalities that come with Chatify."""
    call_command("seed_templates")


@pytest.fixture
def root(seeded: None) -> User:
    """A superuser."""
    return User.objects.create_superuser("root@example.com")


@pytest.fixture
def staff(root: User, client: Client) -> Client:
    """The browser of a superuser."""
    client.force_login(root)
    return client


@pytest.fixture
def make_staff(seeded: None) -> Callable[..., Client]:
    """Browsers of staff with some rights only: `make_staff("view_chatsession")`."""

    def make(*rights: str) -> Client:
        person = User.objects.create_user(f"{'-'.join(rights) or 'nobody'}@example.com", is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client = Client()
        client.force_login(person)
        return client

    return make


@pytest.fixture
def nora(seeded: None) -> PromptTemplate:
    """A personality."""
    return PromptTemplate.objects.get(slug="dating_advice")


@pytest.fixture
def start(seeded: None) -> Callable[..., ChatSession]:
    """Starts conversations: `start(external_id="mia", texts=["Hi"])`."""

    def make(template: str = "dating_advice", external_id: str = "mia", texts: list[str] | None = None) -> ChatSession:
        tenant = ensure_tenant(slug="demo")
        upsert_end_user(tenant_id=tenant.id, external_id=external_id, changes={})
        user = UserInput(external_id=external_id)
        key = Principal(tenant_id=tenant.id)
        chat_session = start_chat_session(principal=key, template_slug=template, user=user, title=f"With {external_id}")
        _say(chat_session, texts or [])
        return chat_session

    return make


def _say(chat_session: ChatSession, texts: list[str]) -> None:
    rows = [
        Message(tenant_id=chat_session.tenant_id, chat_session=chat_session, seq=seq, role=_role(seq), content=text,
                created_at=timezone.now())
        for seq, text in enumerate(texts, start=1)
    ]  # fmt: skip
    Message.objects.bulk_create(rows)
    chat_session.last_seq = len(rows)
    chat_session.save(update_fields=["last_seq"])


def _role(seq: int) -> str:
    return "user" if seq % 2 else "assistant"


def form_of(template: PromptTemplate | None = None, **changes: Any) -> dict[str, Any]:
    """What a browser sends for the form of a personality."""
    version = template.current_version if template else None
    values = {
        "name": template.name if template else "Ada",
        "description": template.description if template else "",
        "greeting": template.greeting if template else "",
        "system_prompt": version.system_prompt if version else "You are Ada, who likes engines.",
        "personality_traits": ", ".join(version.personality_traits) if version else "exact, dry",
        "temperature": version.temperature if version else 0.5,
        "max_tokens": version.max_tokens if version else 300,
        "context_tokens": version.context_tokens if version else 6000,
        "model_name": "",
        "tenant": "",
        "is_active": "on",
    }
    switches = {"is_default": "on"} if template and template.is_default else {}
    history = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0} if template else {}
    sent = {**values, **switches, **history, **changes}
    return {name: value.replace("\n", "\r\n") if isinstance(value, str) else value for name, value in sent.items()}


# In a real browser --------------------------------------------------------------------------------
@pytest.fixture
def problems(page: Page) -> list[str]:
    """What the browser complained about."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.fixture
def admin(page: Page, server: Server, problems: list[str]) -> Page:
    """The admin's first page, signed in."""
    code = (
        f"from chatify.accounts.models import User; name, password = '{BROWSER_EMAIL}', '{BROWSER_PASSWORD}';"
        "User.objects.filter(email=name) or User.objects.create_superuser(name, password)"
    )
    server.manage("shell", "-c", code)
    page.goto(f"{server.url}/admin/")
    page.get_by_label("E-mail").fill(BROWSER_EMAIL)
    page.get_by_label("Password").fill(BROWSER_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Personalities on offer")).to_be_visible()
    return page
