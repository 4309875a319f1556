"""People who talk, as a program: `python -m tests.mirror.crowd SESSIONS TURNS` in a server's environment.

Each says "question 1", gets "answer 1" and so on, through the ledger, without a model. Prints the ids of the chat
sessions as JSON when all is said.
"""

from __future__ import annotations

import json
import sys

import django


def main(sessions: int, turns: int) -> None:
    """Talk, everybody in turn."""
    django.setup()
    from chatify.accounts.actions import ensure_tenant
    from chatify.accounts.principal import Principal
    from chatify.accounts.profile import UserInput
    from sessions.actions import start_chat_session
    from tests.memory.talking import talk

    principal = Principal(ensure_tenant(slug="demo").id)
    chats = [
        start_chat_session(principal=principal, template_slug=None, user=UserInput(external_id=f"person {number}"))
        for number in range(sessions)
    ]
    for turn in range(turns):
        for chat in chats:
            talk(principal, chat, 1, first=turn + 1)
    print(json.dumps([str(chat.id) for chat in chats]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
