"""Tokens per day and per month: counted in the database, for the tenant and for each end user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.limits.tenants import MadeTenant, at_once, execute, hang_up, make_tenant, person, say
from tests.services.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("one_day")


def end_of(period: str) -> datetime:
    """When a day or a month is over."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight + timedelta(days=1)
    return (midnight.replace(day=1) + timedelta(days=31)).replace(day=1)


def member(tenant: MadeTenant, make_client: MakeClient, server: Server | None = None) -> ApiClient:
    return make_client(server or tenant.server, key=tenant.key, external_id=person())


def used(tenant: MadeTenant) -> list[tuple[int, int]]:
    """(replies, tokens) of each row of a tenant."""
    found = execute(tenant.server, "SELECT replies, tokens FROM accounts_usage WHERE tenant_id = ?", tenant.id)
    return sorted((int(replies), int(tokens)) for replies, tokens in found)


def use(tenant: MadeTenant, external_id: str, day: datetime, tokens: int) -> None:
    """As if so many had been used on a day."""
    sql = "SELECT id FROM accounts_enduser WHERE tenant_id = ? AND external_id = ?"
    ((user,),) = execute(tenant.server, sql, tenant.id, external_id)
    execute(
        tenant.server,
        "INSERT INTO accounts_usage (tenant_id, end_user_id, day, replies, tokens) VALUES (?, ?, ?, 1, ?)",
        tenant.id, str(UUID(str(user))), day.date().isoformat(), tokens,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "per", "ends"),
    [
        ("tokens_per_day", "day", "day"),
        ("tokens_per_month", "month", "month"),
        ("user_tokens_per_day", "day and person", "day"),
        ("user_tokens_per_month", "month and person", "month"),
    ],
)
def test_next_message_after_the_last_token_is_refused(
    server: Server, make_client: MakeClient, limit: str, per: str, ends: str
):
    ann = member(make_tenant(server, **{limit: 5}), make_client)
    chat = ann.start()["id"]
    assert say(ann, chat).status_code == 200
    refused = say(ann, chat)
    assert (refused.status_code, refused.json()["code"]) == (429, "tokens_used_up")
    assert refused.json()["detail"] == f"At most 5 tokens per {per}."
    left = (end_of(ends) - datetime.now(UTC)).total_seconds()
    assert int(refused.headers["Retry-After"]) == pytest.approx(left, abs=5)
    assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Remaining"]) == ("5", "0")
    assert int(refused.headers["X-RateLimit-Reset"]) == round(end_of(ends).timestamp())


def test_socket_is_told_as_well(server: Server, make_client: MakeClient):
    ann = member(make_tenant(server, tokens_per_day=5), make_client)
    socket = ann.socket(ann.start()["id"])
    socket.say("hello")
    socket.send("message.send", content="more?", event_id="e")
    error = socket.recv_until("error")
    assert (error["code"], error["event_id"]) == ("tokens_used_up", "e")
    assert error["retry_after"] > 0


def test_limit_of_a_person_is_not_that_of_another(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, user_tokens_per_day=5)
    ann, ben = (member(tenant, make_client) for _ in range(2))
    for client in (ann, ben):
        chat = client.start()["id"]
        assert [say(client, chat).status_code for _ in range(2)] == [200, 429]
        assert say(client, client.start()["id"]).status_code == 429, "another chat session is no way round"


def test_limit_of_a_tenant_is_for_all_its_people(server: Server, make_client: MakeClient):
    tenant, other = (make_tenant(server, tokens_per_day=5) for _ in range(2))
    ann, ben, cid = member(tenant, make_client), member(tenant, make_client), member(other, make_client)
    chats = {client: client.start()["id"] for client in (ann, ben, cid)}
    assert [say(client, chats[client]).status_code for client in (ann, ben, cid)] == [200, 429, 200]


def test_other_process_knows_within_two_seconds(grown_servers: tuple[Server, Server], make_client: MakeClient):
    tenant = make_tenant(grown_servers[0], tokens_per_day=3000)
    here, there = (member(tenant, make_client, server) for server in grown_servers)
    chats = here.start()["id"], there.start()["id"]
    assert say(there, chats[1]).status_code == 200
    assert say(here, chats[0], "[[n=3000]]").status_code == 200
    assert say(here, chats[0]).status_code == 429, "at once where it was used"
    wait_until(lambda: say(there, chats[1]).status_code == 429, 3)


def test_another_day_counts_for_the_month_only(server: Server, make_client: MakeClient):
    today = datetime.now(UTC)
    tenant = make_tenant(server, user_tokens_per_day=10**4, user_tokens_per_month=10**6)
    ann = member(tenant, make_client)
    chat = ann.start()["id"]
    use(tenant, ann.external_id, today.replace(day=2 if today.day == 1 else 1), 999_990)
    assert [say(ann, chat).status_code, say(ann, chat).json()["detail"]] == [
        200, "At most 1000000 tokens per month and person.",
    ]  # fmt: skip


def test_last_month_does_not_count(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, user_tokens_per_month=1000, tokens_per_month=1000)
    ann = member(tenant, make_client)
    chat = ann.start()["id"]
    use(tenant, ann.external_id, datetime.now(UTC).replace(day=1) - timedelta(days=1), 10**6)
    assert say(ann, chat).status_code == 200


@pytest.mark.parametrize(("marker", "status"), [("[[cut,n=40]]", "failed"), ("[[n=400,gap=30]]", "cancelled")])
def test_replies_that_end_badly_count_what_they_used(server: Server, make_client: MakeClient, marker: str, status: str):
    tenant = make_tenant(server, tokens_per_day=5)
    ann = member(tenant, make_client)
    chat = ann.start()["id"]
    socket = ann.socket(chat)
    socket.send("message.send", content=marker)
    if status == "cancelled":
        socket.recv_until("reply.delta")
        socket.send("reply.stop")
    assert socket.recv_reply()["message"]["status"] == status
    ((replies, tokens),) = used(tenant)
    assert replies == 1
    assert tokens > 5
    assert say(ann, chat).json()["code"] == "tokens_used_up"


def test_replies_that_end_at_once_are_all_counted(server: Server, make_client: MakeClient):
    tenant = make_tenant(server)
    ann = member(tenant, make_client)
    chats = [ann.start()["id"] for _ in range(12)]
    turns = [answer.json() for answer in at_once([lambda chat=chat: say(ann, chat) for chat in chats])]
    usages = [turn["reply"]["usage"] for turn in turns]
    total = sum(usage["prompt_tokens"] + usage["completion_tokens"] for usage in usages)
    assert used(tenant) == [(12, total)]


def test_reply_of_an_ended_chat_session_counts(server: Server, make_client: MakeClient):
    tenant = make_tenant(server)
    ann = member(tenant, make_client)
    chat = ann.start()["id"]
    socket = ann.socket(chat)
    socket.send("message.send", content="[[n=400,gap=30]]")
    socket.recv_until("reply.delta")
    ann.delete(f"/api/v1/sessions/{chat}/")
    wait_until(lambda: used(tenant), 10)
    assert used(tenant)[0][1] > 5


def test_what_was_accepted_before_is_answered(server: Server, make_client: MakeClient):
    ann = member(make_tenant(server, tokens_per_day=5), make_client)
    chat = ann.start()["id"]
    socket = ann.socket(chat)
    for content in ("[[n=100,gap=20]]", "waiting"):
        socket.send("message.send", content=content)
        socket.recv_until("message.accepted")
    assert [socket.recv_reply()["message"]["status"] for _ in range(2)] == ["complete", "complete"]
    assert say(ann, chat).status_code == 429


def test_repeat_of_an_accepted_message_needs_no_tokens(server: Server, make_client: MakeClient):
    ann = member(make_tenant(server, tokens_per_day=5), make_client)
    chat = ann.start()["id"]
    first = say(ann, chat, "once", client_message_id="1")
    assert say(ann, chat, "once", client_message_id="1").json() == first.json()


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_no_tokens_left_costs_no_message(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, tokens_per_day=5, user_messages_per_minute=2)
    ann = member(tenant, make_client)
    chat = ann.start()["id"]
    codes = [say(ann, chat).status_code for _ in range(5)]
    tenant.set_limits(tokens_per_day=10**6)
    wait_until(lambda: (code := say(ann, chat).status_code) == 200 or codes.append(code), 4)
    assert codes[0] == 200


def test_usage_of_who_was_erased_counts_for_the_tenant(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, tokens_per_day=5)
    ann = member(tenant, make_client)
    say(ann, ann.start()["id"])
    assert ann.delete(f"/api/v1/users/{ann.external_id}/").status_code == 204
    assert used(tenant)[0][0] == 1
    ben = member(tenant, make_client)
    assert say(ben, ben.start()["id"]).json()["code"] == "tokens_used_up"


def erase_in_the_middle(here: ApiClient, there: ApiClient) -> None:
    """A reply is written here, and there its reader is erased."""
    socket = here.socket(here.start()["id"])
    socket.send("message.send", content="[[n=600,gap=30]]")
    socket.recv_until("reply.delta")
    hang_up(socket)
    assert there.delete(f"/api/v1/users/{here.external_id}/").status_code == 204


def test_reply_to_who_is_erased_meanwhile_counts_for_the_tenant(server: Server, make_client: MakeClient):
    tenant = make_tenant(server)
    ann = member(tenant, make_client)
    erase_in_the_middle(ann, ann)
    assert wait_until(lambda: used(tenant))[0][1] > 5


def test_reply_of_another_process_to_who_is_erased_counts(
    grown_servers: tuple[Server, Server], make_client: MakeClient
):
    tenant = make_tenant(grown_servers[0])
    here, there = (member(tenant, make_client, server) for server in grown_servers)
    erase_in_the_middle(here, there)
    assert wait_until(lambda: used(tenant), 12)[0][1] > 5


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_staff_raise_a_limit_of_a_running_server(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, tokens_per_day=5)
    ann = member(tenant, make_client)
    chat = ann.start()["id"]
    assert [say(ann, chat).status_code for _ in range(2)] == [200, 429]
    tenant.set_limits(tokens_per_day=10**6)
    wait_until(lambda: say(ann, chat).status_code == 200, 3)


def test_usage_survives_a_kill(make_server: MakeServer, make_client: MakeClient):
    server = make_server(LIMIT_USER_TOKENS_PER_DAY="5", LIMIT_TOKENS_PER_MONTH="1000000")
    ann = make_client(server, external_id=person())
    chat = ann.start()["id"]
    assert say(ann, chat).status_code == 200
    server.kill()
    server.start()
    assert say(make_client(server), chat).json()["code"] == "tokens_used_up"
