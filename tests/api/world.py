"""Everybody who could come to a server, with what they show; and what they could be after."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.api.forgeries import forge
from tests.services.server import Server

# Planted in what each level may see. Nobody who may not see it may ever be sent it.
OF_CHAT = "planted-in-the-chat-session"
OF_USER = "planted-in-the-profile"
OF_TENANT = "planted-in-the-tenant"

TENANT = "table-a"
ALICE = "alice"
CHARACTER = "planted-character"
SHARED = "casual_chat"
_CSRF = "c" * 32


@dataclass(frozen=True)
class World:
    """What is there, and who.

    `victim`: the ids that no stranger may touch. `shown`: what everybody shows. `cookies`: of browsers' sessions.
    """

    ids: dict[str, str]
    victim: tuple[str, ...]
    shown: dict[str, str]
    cookies: dict[str, str]

    def headers_of(self, who: str) -> dict[str, bytes]:
        """What their calls say about who they are. Nobody's say nothing."""
        if who in self.shown:
            return {"Authorization": f"Bearer {self.shown[who]}".encode()}
        name = who.removesuffix(" without CSRF token")
        if name not in self.cookies:
            return {}
        cookie = {"Cookie": f"sessionid={self.cookies[name]}; csrftoken={_CSRF}".encode()}
        return cookie if name != who else {**cookie, "X-CSRFToken": _CSRF.encode()}


def make_world(server: Server) -> World:
    """Make everybody in the database of a server, which may be running."""
    done = server.manage("shell", "-c", "from tests.api import populate; populate.main()")
    found = json.loads(done.stdout.splitlines()[-1])
    shown = found["shown"]
    forged = forge(
        access_token=shown["tenant_owner"],
        end_user_token=shown["owner"],
        api_key=shown["owner_key"],
        signing_key=found["signing_key"],
    )
    return World(found["ids"], tuple(found["victim"]), {**shown, **forged}, found["cookies"])
