"""Where things are in Firestore: at the top, or below a tenant's prefix."""

from __future__ import annotations

from uuid import UUID

import pytest

from chatify.mirror.paths import DocKey, Kind, Place, path_of

TOP, BELOW = UUID(int=1), UUID(int=2)
SESSION, MESSAGE = UUID(int=3), UUID(int=4)
PLACES = {TOP: Place("demo", ""), BELOW: Place("acme", "tenants/acme")}


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (DocKey(Kind.TEMPLATE, None, "casual_chat"), "prompt_templates/casual_chat"),
        (DocKey(Kind.TEMPLATE, TOP, "casual_chat"), "prompt_templates/demo.casual_chat"),
        (DocKey(Kind.TEMPLATE, BELOW, "casual_chat"), "tenants/acme/prompt_templates/casual_chat"),
        (DocKey(Kind.CHAT_SESSION, TOP, SESSION), f"chatbot_sessions/{SESSION}"),
        (DocKey(Kind.CHAT_SESSION, BELOW, SESSION), f"tenants/acme/chatbot_sessions/{SESSION}"),
        (DocKey(Kind.TRANSCRIPT, TOP, SESSION), f"conversation_history/{SESSION}/messages"),
        (DocKey(Kind.MESSAGE, TOP, MESSAGE, SESSION), f"conversation_history/{SESSION}/messages/{MESSAGE}"),
        (
            DocKey(Kind.MESSAGE, BELOW, MESSAGE, SESSION),
            f"tenants/acme/conversation_history/{SESSION}/messages/{MESSAGE}",
        ),
    ],
)
def test_path(key: DocKey, path: str) -> None:
    assert path_of(key, PLACES) == path


def test_nobody_else_s_place_is_guessed() -> None:
    with pytest.raises(KeyError):
        path_of(DocKey(Kind.CHAT_SESSION, UUID(int=9), SESSION), PLACES)
