"""Which of the documents that the database does not have are ours to remove."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.firestore import GeoPoint

from chatify.accounts.actions import ensure_tenant
from chatify.mirror.ownership import ours, tenant_named_in
from chatify.mirror.scopes import Scope, scopes

CHAT = {"session_id": "x", "template_version": 1, "mode": "auto"}
MESSAGE = {"session_id": "x", "seq": 1, "sender": "ai"}
pytestmark = pytest.mark.django_db


def top() -> Scope:
    return next(scope for scope in scopes(None) if not scope.prefix)


def test_documents_of_our_shape_are_ours_if_they_name_a_tenant() -> None:
    ensure_tenant(slug="acme")
    documents: dict[str, dict[str, Any]] = {
        "chatbot_sessions/a": {**CHAT, "tenant": "acme"},
        "chatbot_sessions/b": {**CHAT, "tenant": "nobody"},
        "chatbot_sessions/c": {"tenant": "acme"},
        "conversation_history/d/messages/m": {**MESSAGE, "tenant": "acme"},
        "conversation_history/e/messages/m": {**MESSAGE, "tenant": None},
    }
    assert ours(top(), documents) == {"chatbot_sessions/a", "conversation_history/d/messages/m"}


@pytest.mark.parametrize(
    "named", [["acme"], {"slug": "acme"}, GeoPoint(1, 2), b"acme", 7, 1.5, True, None, "", "acme\0", "\0"]
)
def test_what_can_be_no_slug_is_nobodys_and_asks_no_database(named: Any, django_assert_num_queries: Any) -> None:
    ensure_tenant(slug="acme")
    documents = {
        "chatbot_sessions/a": {**CHAT, "tenant": named},
        "conversation_history/a/messages/m": {**MESSAGE, "tenant": named},
    }
    assert tenant_named_in(documents["chatbot_sessions/a"]) == ""
    scope = top()
    with django_assert_num_queries(2):  # the ids that they would have here, and none of tenants
        assert ours(scope, documents) == set()


def test_stranger_beside_ours_changes_nothing() -> None:
    ensure_tenant(slug="acme")
    odd = {f"chatbot_sessions/{number}": {**CHAT, "tenant": named} for number, named in enumerate([[], {}, "\0"])}
    assert ours(top(), {**odd, "chatbot_sessions/a": {**CHAT, "tenant": "acme"}}) == {"chatbot_sessions/a"}
