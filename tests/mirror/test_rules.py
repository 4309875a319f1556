"""firestore.rules as the emulator enforces them: people read their own chat sessions, and nobody writes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.mirror.payloads import template_payload
from sessions.models import ChatSession
from templates_app.models import PromptTemplate
from tests.mirror.edits import mirrored, personality
from tests.mirror.syncing import conversation
from tests.services.firestore import Firestore

RULES = Path(__file__).parents[2] / "firestore.rules"
pytestmark = pytest.mark.django_db


class Phone:
    """What a client that signed in to Firebase may do; it speaks Firestore's REST."""

    def __init__(self, firestore: Firestore, project: str, token: dict[str, Any] | None) -> None:
        header = {"Authorization": f"Bearer {unsigned(project, token)}"} if token is not None else {}
        self._http = httpx.Client(base_url=firestore.documents_url(project), headers=header, trust_env=False)

    def get(self, path: str) -> int:
        return self._http.get(f"/{path}").status_code

    def write(self, path: str) -> set[int]:
        """Create beside it, change and delete it. Gives the answers."""
        fields = {"fields": {"content": {"stringValue": "mine"}}}
        answers = [self._http.patch(f"/{path}", json=fields), self._http.patch(f"/{path}-new", json=fields)]
        return {one.status_code for one in (*answers, self._http.delete(f"/{path}"))}

    def query(self, collection: str, *, is_group: bool = False, **equal: str) -> int | list[str]:
        """The paths that a query finds, or the status with which it is refused."""
        filters = [
            {"fieldFilter": {"field": {"fieldPath": name}, "op": "EQUAL", "value": {"stringValue": value}}}
            for name, value in equal.items()
        ]
        query: dict[str, Any] = {"from": [{"collectionId": collection, "allDescendants": is_group}]}
        if filters:
            query["where"] = {"compositeFilter": {"op": "AND", "filters": filters}}
        answer = self._http.post(f"{self._http.base_url}".rstrip("/") + ":runQuery", json={"structuredQuery": query})
        if answer.status_code != 200:
            return answer.status_code
        return [one["document"]["name"].partition("/documents/")[2] for one in answer.json() if "document" in one]

    def close(self) -> None:
        self._http.close()


def unsigned(project: str, token: dict[str, Any]) -> str:
    """A Firebase token as the emulator takes it: without a signature."""

    def encode(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    now = int(time.time())
    issued = {"iss": f"https://securetoken.google.com/{project}", "aud": project, "iat": now, "exp": now + 3600}
    claims = {**issued, "auth_time": now, "firebase": {"sign_in_provider": "custom", "identities": {}}, **token}
    return f"{encode({'alg': 'none', 'type': 'JWT'})}.{encode(claims)}."


@pytest.fixture
def phones(mirror: Client, firestore: Firestore) -> Iterator[Any]:
    """Clients under the rules: `phones("alice", tenant="demo")`, `phones(None)` for one who did not sign in."""
    files = [{"name": RULES.name, "content": RULES.read_text()}]
    url = f"http://{firestore.host}/emulator/v1/projects/{mirror.project}:securityRules"
    httpx.put(url, json={"rules": {"files": files}}, trust_env=False).raise_for_status()
    made: list[Phone] = []

    def phone(uid: str | None, **claims: str) -> Phone:
        token = None if uid is None else {"sub": uid, "user_id": uid, **claims}
        made.append(Phone(firestore, mirror.project, token))
        return made[-1]

    yield phone
    for one in made:
        one.close()


@pytest.fixture
def talked(phones: Any, principal: Any) -> ChatSession:
    """A chat session of alice's, mirrored while the rules were in force already."""
    personality("plain", is_default=True)
    return conversation(user="alice")


def documents_of(chat: ChatSession, prefix: str = "") -> tuple[str, str]:
    message = chat.messages.order_by("seq").first()
    assert message is not None
    return f"{prefix}chatbot_sessions/{chat.id}", f"{prefix}conversation_history/{chat.id}/messages/{message.id}"


def test_people_read_their_own_chat_sessions_and_messages(phones: Any, talked: ChatSession) -> None:
    alice = phones("alice", tenant="demo")
    assert [alice.get(path) for path in documents_of(talked)] == [200, 200]


@pytest.mark.parametrize(
    ("uid", "claims"),
    [
        ("bob", {"tenant": "demo"}),
        ("alice", {"tenant": "other"}),  # somebody else of this name
        ("alice", {}),
        ("", {"tenant": "demo"}),
        (None, {}),
    ],
)
def test_nobody_else_reads_them(phones: Any, talked: ChatSession, uid: str | None, claims: dict[str, str]) -> None:
    assert [phones(uid, **claims).get(path) for path in documents_of(talked)] == [403, 403]


def test_nobody_writes(phones: Any, talked: ChatSession) -> None:
    template = f"prompt_templates/{talked.template.slug}"
    for who in (phones("alice", tenant="demo"), phones("mallory", tenant="demo"), phones(None)):
        for path in (*documents_of(talked), template, "elsewhere/x"):
            assert who.write(path) == {403}, path
    assert phones("alice", tenant="demo").get(documents_of(talked)[0]) == 200


def test_prompts_are_read_by_nobody(phones: Any, talked: ChatSession, mirror: Client) -> None:
    path = mirrored(mirror, PromptTemplate.objects.get(slug="plain"))
    alice = phones("alice", tenant="demo")
    assert (alice.get(path), alice.query("prompt_templates")) == (403, 403)
    assert template_payload(PromptTemplate.objects.get(slug="plain")) == mirror.document(path).get().to_dict()


def test_queries_that_ask_for_ones_own_are_answered_and_others_refused(phones: Any, talked: ChatSession) -> None:
    bobs = conversation(user="bob")
    alice = phones("alice", tenant="demo")
    own = {"user_id": "alice", "tenant": "demo"}
    assert alice.query("chatbot_sessions", **own) == [f"chatbot_sessions/{talked.id}"]
    found = alice.query("messages", is_group=True, **own)
    assert isinstance(found, list)
    assert len(found) == talked.messages.count()
    assert all(str(bobs.id) not in path for path in found)
    for wanted in ({}, {"tenant": "demo"}, {"user_id": "alice"}, {"user_id": "bob", "tenant": "demo"}):
        assert alice.query("messages", is_group=True, **wanted) == 403
        assert alice.query("chatbot_sessions", **wanted) == 403


def test_rules_hold_below_a_tenants_prefix_too(phones: Any, principal: Any) -> None:
    personality("plain", is_default=True)
    tenant = ensure_tenant(slug="acme")
    tenant.firestore_prefix = "tenants/acme"
    tenant.save()
    paths = documents_of(conversation("acme", "alice"), "tenants/acme/")
    assert [phones("alice", tenant="acme").get(path) for path in paths] == [200, 200]
    assert [phones("alice", tenant="demo").get(path) for path in paths] == [403, 403]
    assert [phones("bob", tenant="acme").get(path) for path in paths] == [403, 403]
