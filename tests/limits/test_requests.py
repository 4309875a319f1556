"""Requests per minute: exact, told in headers, one budget per key and per person."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.limits.tenants import MadeTenant, at_once, make_tenant, person
from tests.services.server import Server
from tests.waiting import wait_until

SESSIONS = "/api/v1/sessions/"
TEMPLATES = "/api/v1/templates/"


@pytest.fixture
def tenant(server: Server) -> MadeTenant:
    return make_tenant(server, key_requests_per_minute=10, person_requests_per_minute=5)


@pytest.fixture
def application(tenant: MadeTenant, make_client: MakeClient) -> ApiClient:
    return make_client(tenant.server, key=tenant.key)


@pytest.fixture
def visitor(tenant: MadeTenant, application: ApiClient, make_client: MakeClient) -> ApiClient:
    """Somebody with a token. One request of the key's ten is gone."""
    name = person()
    application.external_id = name
    application.start()
    return make_client(tenant.server, key=tenant.token(name), external_id=name)


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def numbers(answer: httpx.Response) -> tuple[int, int]:
    return int(answer.headers["X-RateLimit-Limit"]), int(answer.headers["X-RateLimit-Remaining"])


def test_thirty_at_once_under_a_limit_of_ten(application: ApiClient):
    answers = at_once([lambda: application.get(TEMPLATES)] * 30)
    assert statuses(answers) == {200: 10, 429: 20}


def test_thirty_at_once_over_two_processes(grown_servers: tuple[Server, Server], make_client: MakeClient):
    tenant = make_tenant(grown_servers[0], key_requests_per_minute=10)
    clients = [make_client(server, key=tenant.key) for server in grown_servers]
    answers = at_once([lambda client=client: client.get(TEMPLATES) for client in clients * 15])
    assert statuses(answers) == {200: 10, 429: 20}


def test_headers_count_down(application: ApiClient):
    answers = [application.get(TEMPLATES) for _ in range(11)]
    assert [numbers(answer) for answer in answers] == [*((10, left) for left in range(9, -1, -1)), (10, 0)]
    resets = [int(answer.headers["X-RateLimit-Reset"]) for answer in answers]
    assert max(resets) - min(resets) <= 1
    assert resets[0] == pytest.approx(time.time() + 60, abs=10)


def test_refusal_is_a_problem_document(application: ApiClient):
    refused = [application.get(TEMPLATES) for _ in range(11)][-1]
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["status"]) == ("too_fast", 429)
    assert refused.json()["detail"] == "At most 10 requests per minute."
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_writes_and_errors_count_as_well(application: ApiClient):
    answers = [
        application.post(SESSIONS, {"user": {}}),
        application.get(f"{SESSIONS}{'0' * 8}-0000-7000-8000-{'0' * 12}/"),
    ]
    assert [(answer.status_code, numbers(answer)) for answer in answers] == [(400, (10, 9)), (404, (10, 8))]


def test_who_is_nobody_spends_nothing(application: ApiClient, tenant: MadeTenant, make_client: MakeClient):
    stranger = make_client(tenant.server, key="ck_aaaaaaaa_" + "x" * 40)
    answers = [stranger.get(TEMPLATES) for _ in range(12)]
    assert statuses(answers) == {401: 12}
    assert "X-RateLimit-Limit" not in answers[0].headers
    assert numbers(application.get(TEMPLATES)) == (10, 9)


def test_each_person_has_a_budget_and_the_key_its_own(visitor: ApiClient, application: ApiClient):
    answers = at_once([lambda: visitor.get(TEMPLATES)] * 12)
    assert statuses(answers) == {200: 5, 429: 7}
    assert numbers(application.get(TEMPLATES)) == (10, 8)


def test_tokens_of_one_person_share_a_budget(visitor: ApiClient, tenant: MadeTenant, make_client: MakeClient):
    chat = visitor.get(SESSIONS).json()["results"][0]["id"]
    bound = make_client(tenant.server, key=tenant.token(visitor.external_id, chat))
    assert numbers(bound.get(f"{SESSIONS}{chat}/")) == (5, 3)
    assert numbers(visitor.get(TEMPLATES)) == (5, 2)


def test_keys_of_one_tenant_have_budgets_of_their_own(application: ApiClient, tenant: MadeTenant, make_client: Any):
    other = make_tenant(tenant.server, key_requests_per_minute=10)
    while application.get(TEMPLATES).status_code == 200:
        pass
    assert make_client(tenant.server, key=other.key).get(TEMPLATES).status_code == 200, "another tenant's are untouched"


def test_streams_tell_what_is_left(application: ApiClient):
    chat = application.start()["id"]
    body = {"content": "hello"}
    with application.stream("POST", f"{SESSIONS}{chat}/messages/", json=body) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert numbers(response) == (10, 8)
        assert int(response.headers["X-RateLimit-Reset"]) > time.time()
        response.read()
    with application.stream("GET", f"{SESSIONS}{chat}/stream/") as response:
        assert (response.status_code, numbers(response)) == (204, (10, 7))


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_staff_change_a_limit_of_a_running_server(application: ApiClient, tenant: MadeTenant):
    assert numbers(application.get(TEMPLATES)) == (10, 9)
    tenant.set_limits(key_requests_per_minute=3)
    wait_until(lambda: application.get(TEMPLATES).headers["X-RateLimit-Limit"] == "3", 2.7)
    tenant.set_limits(key_requests_per_minute=0)
    wait_until(lambda: "X-RateLimit-Limit" not in application.get(TEMPLATES).headers, 3)
    assert statuses([application.get(TEMPLATES) for _ in range(12)]) == {200: 12}
