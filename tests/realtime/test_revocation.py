"""Whatever somebody showed: when it is revoked, what they opened with it closes, and their replies are stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest

from chatify.realtime.sockets import SWEEP_SECONDS
from tests.api.checks import SESSIONS, path_of
from tests.api.database import select
from tests.api.world import World, make_world
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient, MakeServer
from tests.services.server import Server
from tests.waiting import wait_until

# How each is revoked. Tickets end with what they were asked for with.
REVOKED_BY = {
    "key_chat": "ApiKey.objects.filter(name='key_chat').update(revoked_at=now)",
    "ticket of key_chat": "",
    "owner_key": "ApiKey.objects.filter(name='owner_key').update(expires_at=now)",
    "owner": "EndUser.objects.filter(tenant__slug='table-a', external_id='alice').update(token_epoch=9)",
    "ticket of owner": "",
    "other_key": "Tenant.objects.filter(slug='table-b').update(deleted_at=now)",
    "other_tenant_user": "",
    "ticket of other_tenant_user": "",
    "person": "Login.objects.filter(user__name='person').update(ended_at=now)",
    "ticket of person": "",
    "staff": "User.objects.filter(name='staff').update(is_active=False)",
    "tenant_owner": "User.objects.filter(name='tenant_owner').update(password='another')",
    "ticket of person_browser": "Session.objects.filter(session_key='{person_browser}').delete()",
    "ticket of browser": "Session.objects.filter(session_key='{browser}').delete()",
}
# A key that expires ends no tokens and tickets; the others have nothing to do with it.
STAYING = ("ticket of owner_key", "other_user", "other_tenant_owner")
IMPORTS = (
    "from chatify.accounts.models import *; from django.contrib.sessions.models import Session; "
    "from django.utils import timezone; now = timezone.now(); "
)
CLOSED_WITHIN = 5.0 + 2.0  # as promised, and what a busy machine takes


@dataclass
class Visit:
    """Somebody with an open socket, and a reply that runs for long."""

    chat: str
    socket: Socket

    def reply(self, server: Server) -> str:
        """How it stands with the reply."""
        sql = "select status from chat_sessions_message where chat_session_id = ? and role = 'assistant'"
        return str(select(server, sql, UUID(self.chat).hex)[0][0])


def visit(server: Server, world: World, who: str) -> Visit:
    whose = who.removeprefix("ticket of ")
    shown = world.headers_of(whose)
    user = {"user": {"external_id": f"friend of {who}"}} if "key" in whose else {}
    chat = post(server, SESSIONS, shown, user)["id"]
    query = f"?ticket={post(server, path_of(chat, 'ticket/'), shown)['ticket']}" if whose != who else ""
    headers = {} if query else {name: value.decode() for name, value in shown.items()}
    socket = Socket(f"{server.ws_url}/ws/v1/sessions/{chat}/{query}", headers)
    socket.send("message.send", content="[[n=4000,gap=100]] tell me everything")
    socket.recv_until("reply.delta")
    return Visit(chat, socket)


def post(server: Server, path: str, headers: dict[str, bytes], body: object = None) -> dict[str, str]:
    answer = httpx.post(server.url + path, headers=headers, json=body or {}, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.json()


def may_stay(visits: dict[str, Visit], *, for_seconds: float) -> None:
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > for_seconds, what="a look at everybody's credentials")
    for one in visits.values():
        one.socket.send("ping")
        one.socket.recv_until("pong")


def test_what_is_revoked_closes_its_socket_and_stops_its_reply(make_server: MakeServer) -> None:
    server = make_server()
    world = make_world(server)
    visits = {who: visit(server, world, who) for who in (*REVOKED_BY, *STAYING)}
    may_stay(visits, for_seconds=SWEEP_SECONDS + 0.5)
    revoke = "; ".join(filter(None, REVOKED_BY.values())).format(**world.cookies)
    server.manage("shell", "-c", f"{IMPORTS}{revoke}")
    closed_by = time.monotonic() + CLOSED_WITHIN
    codes = {who: visits[who].socket.wait_closed(timeout=closed_by - time.monotonic()) for who in REVOKED_BY}
    assert codes == dict.fromkeys(REVOKED_BY, 4401)
    wait_until(lambda: {visits[who].reply(server) for who in REVOKED_BY} == {"cancelled"}, 5, "stopped replies")
    may_stay({who: visits[who] for who in STAYING}, for_seconds=SWEEP_SECONDS + 0.5)
    assert {visits[who].reply(server) for who in STAYING} == {"streaming"}
    for one in visits.values():
        one.socket.close()


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_revoked_token_hears_no_more_of_a_reply_that_somebody_else_asked_for(
    server: Server, alice: ApiClient, make_client: MakeClient
) -> None:
    chat = alice.start()["id"]
    token = alice.post("/api/v1/tokens/", {"user": {"external_id": alice.external_id}}).json()["token"]
    events = alice.sse(chat, "[[n=400,gap=50]]")
    while next(events).name != "reply.delta":
        pass
    heard = make_client(server, key=token).resume(chat)
    assert next(heard).name == "reply.started"
    assert alice.delete("/api/v1/tokens/", params={"user": alice.external_id}).status_code == 204
    since = time.monotonic()
    assert {event.name for event in heard} == {"reply.delta"}, "it was heard to its end"
    assert time.monotonic() - since < CLOSED_WITHIN
    assert next(events).name == "reply.delta", "whoever asked hears it on"
    events.close()
