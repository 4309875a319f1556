"""Which pages may use a tenant's credentials: over REST and SSE (CORS), and over sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.db import OperationalError
from websockets.exceptions import ConnectionClosed

from chatify.accounts import origins
from chatify.accounts.models import Tenant
from chatify.accounts.origins import Origins, check_origin, normal_origin
from chatify.common.errors import Forbidden
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient, MakeServer
from tests.limits.tenants import MadeTenant, make_tenant, person
from tests.services.process import Process
from tests.services.server import ROOT, Server
from tests.waiting import wait_until

SESSIONS = "/api/v1/sessions/"
PAGE, OTHER_PAGE = "https://page.example", "https://other.example"
EXPOSED = {"retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"}


# What an origin is --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        (" HTTPS://Example.COM ", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:80/", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://192.0.2.7:8000", "http://192.0.2.7:8000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ],
)
def test_origin_is_written_as_browsers_do(text: str, normal: str):
    assert normal_origin(text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "*", "example.com", "//example.com", "https://", "https://*.example.com", "https://*",
        "file://", "file:///home/ada/page.html", "https://example.com/path", "https://example.com//",
        "https://example.com?", "https://example.com/?a=b", "https://example.com#", "https://ada@example.com",
        "https://example.com:99999", "https://example.com:port", "https://exa mple.com", "https://example.com\tx",
        "https://example.com\x00", "https://a.example,https://b.example", "https://a..example", "https://.example",
        "https://[::1", "https://[nonsense]", "https://[fe80::1%25eth0]", "https://" + "a" * 254,
        "https:\\\\example.com",
        "https://\udc80.example", "https://" + "ü" * 100,
    ],
)  # fmt: skip
def test_what_is_no_origin(text: str):
    assert normal_origin(text) is None


# Who may, in this process -----------------------------------------------------------------------------
@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Origins:
    fresh = Origins()
    monkeypatch.setattr(origins, "known", fresh)
    return fresh


@pytest.fixture
def tenant(db: None) -> Tenant:
    return Tenant.objects.create(slug="t", name="T", allowed_origins=[PAGE])


def is_allowed(tenant: Tenant, origin: str, host: str = "chat.example", scheme: str = "https") -> bool:
    try:
        check_origin(tenant.id, origin, host, scheme)
    except Forbidden:
        return False
    return True


def test_pages_of_the_tenant_and_no_others(tenant: Tenant, known: Origins):
    other = Tenant.objects.create(slug="other", name="Other", allowed_origins=[OTHER_PAGE])
    assert [is_allowed(one, page) for one in (tenant, other) for page in (PAGE, OTHER_PAGE)] == [
        True,
        False,
        False,
        True,
    ]
    for page in (
        PAGE + "/",
        PAGE.upper(),
        PAGE + ":443",
        PAGE.replace("https", "http"),
        "null",
        "https://page.example.evil",
    ):
        assert not is_allowed(tenant, page), "compared as it stands there: browsers write it in one way"


def test_no_origin_and_our_own_pages_always_may(tenant: Tenant, known: Origins):
    assert is_allowed(tenant, "")
    assert is_allowed(tenant, "https://chat.example")
    assert is_allowed(tenant, "https://chat.example", host="Chat.Example:443")
    assert is_allowed(tenant, "http://[::1]:8000", host="[::1]:8000", scheme="http")
    assert not is_allowed(tenant, "http://chat.example")
    assert not is_allowed(tenant, "https://chat.example:8443")
    assert not is_allowed(tenant, "null", host="")


def test_operator_may_allow_pages_for_everybody(tenant: Tenant, known: Origins, settings: Any):
    settings.CORS_ALLOWED_ORIGINS = ["https://house.example"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://as-the-proxy-has-it.example"]
    assert is_allowed(tenant, "https://house.example")
    assert is_allowed(tenant, "https://as-the-proxy-has-it.example")


def test_deleted_tenant_allows_nothing(tenant: Tenant, known: Origins):
    Tenant.objects.update(deleted_at="2026-01-01T00:00:00Z")
    assert not is_allowed(tenant, PAGE)


def test_what_is_known_is_read_again_when_it_is_old(tenant: Tenant, known: Origins, django_assert_num_queries: Any):
    known.refresh()
    with django_assert_num_queries(0):
        known.refresh()
        assert known.tenants_of(PAGE) == {tenant.id}
        assert is_allowed(tenant, PAGE)
    with django_assert_num_queries(1):
        known.refresh(max_age=0)


def test_reading_goes_on_though_the_database_is_away(known: Origins, monkeypatch: pytest.MonkeyPatch):
    errors = iter([OperationalError(), ValueError(), OperationalError()])
    is_over = asyncio.Event()

    async def in_db_thread(*args: Any, **kwargs: Any) -> None:
        if (error := next(errors, None)) is None:
            is_over.set()
        else:
            raise error

    monkeypatch.setattr(origins, "in_db_thread", in_db_thread)
    monkeypatch.setattr(origins, "KEPT_SECONDS", 0.01)

    async def run() -> None:
        task = asyncio.create_task(origins.keep_known())
        await asyncio.wait_for(is_over.wait(), 5)
        task.cancel()

    asyncio.run(run())


# REST and SSE ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def makers() -> dict[str, MadeTenant]:
    """A tenant on each server: its page takes two seconds to become known."""
    return {}


@pytest.fixture
def maker(server: Server, makers: dict[str, MadeTenant]) -> MadeTenant:
    """A tenant that allows one page of its own, which the tests share. (Pages are known to servers for all tenants.)"""
    if server.url not in makers:
        makers[server.url] = make_tenant(server, origins=[f"https://{uuid4().hex}.example"])
    return makers[server.url]


@pytest.fixture
def site(maker: MadeTenant) -> str:
    """That page, known to the server."""
    origin = maker.origins[0]
    wait_until(lambda: allowed_origin(preflight(maker.server, origin)) == origin, 5)
    return origin


def preflight(server: Server, origin: str, path: str = SESSIONS) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    return httpx.options(server.url + path, headers={"Origin": origin, **asked}, trust_env=False, timeout=30)


def allowed_origin(answer: httpx.Response) -> str | None:
    return answer.headers.get("Access-Control-Allow-Origin")


def listed(answer: httpx.Response, name: str) -> set[str]:
    return {part.strip().lower() for part in answer.headers[name].split(",")}


@pytest.fixture
def ann(maker: MadeTenant, make_client: MakeClient) -> ApiClient:
    return make_client(maker.server, key=maker.key, external_id=person())


def test_preflight_of_an_allowed_page(maker: MadeTenant, site: str):
    answer = preflight(maker.server, site)
    assert (answer.status_code, allowed_origin(answer)) == (200, site)
    assert listed(answer, "Access-Control-Allow-Headers") >= {
        "authorization", "content-type", "idempotency-key", "last-event-id", "x-api-key",
    }  # fmt: skip
    assert listed(answer, "Access-Control-Allow-Methods") >= {"get", "post", "patch", "delete"}
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "origin" in listed(answer, "Vary")


def test_preflight_of_an_unknown_page(maker: MadeTenant, site: str):
    for origin in ("https://unknown.example", "null", site + ".evil.example", site.replace("https", "http")):
        answer = preflight(maker.server, origin)
        assert allowed_origin(answer) is None
        assert "origin" in listed(answer, "Vary"), "or a cache would hand it to pages that are allowed"


def test_pages_are_allowed_below_the_api_only(maker: MadeTenant, site: str):
    for path in ("/", "/admin/", "/api/schema/", "/health/", "/login/"):
        assert allowed_origin(httpx.get(maker.server.url + path, headers={"Origin": site}, trust_env=False)) is None


def test_answer_may_be_read_with_its_headers(ann: ApiClient, site: str):
    answer = ann.get(SESSIONS, headers={"Origin": site})
    assert (answer.status_code, allowed_origin(answer)) == (200, site)
    assert listed(answer, "Access-Control-Expose-Headers") >= EXPOSED
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_stream_may_be_read(ann: ApiClient, site: str):
    chat = ann.start()["id"]
    with ann.stream("POST", f"{SESSIONS}{chat}/messages/", json={"content": "hi"}, headers={"Origin": site}) as answer:
        assert (answer.status_code, allowed_origin(answer)) == (200, site)
        assert b"event: reply.completed" in answer.read()


def test_errors_may_be_read(ann: ApiClient, maker: MadeTenant, site: str):
    refused = httpx.get(maker.server.url + SESSIONS, headers={"Origin": site, "X-API-Key": "x"}, trust_env=False)
    assert (refused.status_code, allowed_origin(refused)) == (401, site)
    assert ann.get(f"{SESSIONS}{uuid4()}/", headers={"Origin": site}).headers["Access-Control-Allow-Origin"] == site


def test_credential_of_another_tenant_is_no_good_there(site: str, maker: MadeTenant, make_client: MakeClient):
    other = make_tenant(maker.server)
    client = make_client(maker.server, key=other.key, external_id=person())
    chat = client.start()["id"]
    for method, path in (("GET", SESSIONS), ("GET", f"{SESSIONS}{chat}/"), ("DELETE", f"{SESSIONS}{chat}/")):
        refused = client.http.request(method, path, headers={"Origin": site})
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
        assert chat not in refused.text
    assert client.get(f"{SESSIONS}{chat}/").status_code == 200, "nothing was done"


def test_token_of_an_end_user_is_as_good_as_its_tenant(site: str, maker: MadeTenant, ann: ApiClient, make_client: Any):
    ann.start()
    visitor = make_client(maker.server, key=maker.token(ann.external_id))
    assert visitor.get(SESSIONS, headers={"Origin": site}).status_code == 200
    assert visitor.get(SESSIONS, headers={"Origin": OTHER_PAGE}).status_code == 403
    assert visitor.get(SESSIONS, headers={"Origin": "null"}).status_code == 403


def test_our_own_page_may_use_every_credential(ann: ApiClient):
    assert ann.get(SESSIONS, headers={"Origin": ann.url}).status_code == 200


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_change_is_known_within_two_seconds(server: Server, make_client: MakeClient):
    fresh, site = (f"https://{uuid4().hex}.example" for _ in range(2))
    maker = make_tenant(server, origins=[site])
    ann = make_client(server, key=maker.key, external_id=person())
    wait_until(lambda: allowed_origin(preflight(server, site)) == site, 5)
    maker.set_origins(fresh)
    wait_until(lambda: allowed_origin(preflight(maker.server, fresh)) == fresh, 3)
    assert ann.get(SESSIONS, headers={"Origin": fresh}).status_code == 200
    assert ann.get(SESSIONS, headers={"Origin": site}).status_code == 403
    assert allowed_origin(preflight(maker.server, site)) is None


def test_cookie_of_our_page_is_of_no_use_elsewhere(maker: MadeTenant, site: str):
    """DEBUG gives each browser an end user; its cookie works with our page's CSRF token only."""
    with httpx.Client(base_url=maker.server.url, trust_env=False) as browser:
        browser.get("/")
        token = browser.cookies["csrftoken"]
        sent = {"Origin": site, "X-CSRFToken": token}
        refused = browser.post(SESSIONS, json={}, headers=sent)
        assert (refused.status_code, "Access-Control-Allow-Credentials" in refused.headers) == (403, False)
        assert browser.post(SESSIONS, json={}, headers={**sent, "Origin": maker.server.url}).status_code == 201


# Sockets --------------------------------------------------------------------------------------------
def open_from(client: ApiClient, chat: str, origin: str, ticket: str = "") -> Socket:
    headers = {} if ticket else client.headers
    query = f"?ticket={ticket}" if ticket else ""
    url = f"ws{client.url.removeprefix('http')}/ws/v1/sessions/{chat}/{query}"
    return Socket(url, {**headers, **({"Origin": origin} if origin else {})})


def first(opened: Socket) -> str | int:
    """`session.ready`, or the close code."""
    with opened:
        try:
            return opened.recv()["type"]
        except ConnectionClosed:
            return opened.wait_closed()


def test_sockets_of_allowed_pages(ann: ApiClient, site: str):
    chat = ann.start()["id"]
    found = {origin: first(open_from(ann, chat, origin)) for origin in ("", site, ann.url, OTHER_PAGE, "null")}
    assert found == {
        "": "session.ready",
        site: "session.ready",
        ann.url: "session.ready",
        OTHER_PAGE: 4403,
        "null": 4403,
    }


def test_sockets_with_tickets(ann: ApiClient, site: str):
    chat = ann.start()["id"]
    make: Callable[[], str] = lambda: ann.post(f"{SESSIONS}{chat}/ticket/").json()["ticket"]  # noqa: E731
    found = [first(open_from(ann, chat, origin, make())) for origin in (site, ann.url, OTHER_PAGE)]
    assert found == ["session.ready", "session.ready", 4403]


# The client's file, in a page of another origin ------------------------------------------------------
def test_client_can_be_loaded_by_any_page(server: Server):
    path = "/static/ui/js/chatify-client.js"
    answer = httpx.get(server.url + path, headers={"Origin": OTHER_PAGE}, trust_env=False)
    assert (answer.status_code, allowed_origin(answer)) == (200, "*")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "Access-Control-Allow-Credentials" not in answer.headers


# Behind a proxy that ends TLS -----------------------------------------------------------------------
@pytest.fixture
def proxied(make_server: MakeServer) -> Server:
    return make_server(DEBUG="0", ALLOWED_HOSTS="127.0.0.1,chat.example", TRUSTED_PROXIES="127.0.0.1")


def test_scheme_is_the_proxys(proxied: Server, make_client: MakeClient):
    told = {"Host": "chat.example", "X-Forwarded-Proto": "https"}
    client = make_client(proxied, external_id=person())
    client.http.headers.update(told)
    chat = client.start()["id"]
    assert client.get(SESSIONS, headers={"Origin": "https://chat.example"}).status_code == 200
    assert client.get(SESSIONS, headers={"Origin": "http://chat.example"}).status_code == 403
    client.headers = {**client.headers, **told}
    assert first(open_from(client, chat, "https://chat.example")) == "session.ready"
    assert first(open_from(client, chat, "http://chat.example")) == 4403


# Under runserver ------------------------------------------------------------------------------------
def is_listening(server: Server) -> bool:
    with closing(socket.socket()) as line:
        return line.connect_ex(("127.0.0.1", server.port)) == 0


def test_first_request_may_be_a_preflight(make_server: MakeServer, tmp_path: Path):
    server = make_server(start=False)
    make_tenant(server, origins=[PAGE])
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{server.port}"]
    process = Process(command, log=tmp_path / "runserver.log", env=server.env, cwd=ROOT)
    try:
        process.wait_ready(lambda: is_listening(server), timeout=45)
        assert allowed_origin(preflight(server, PAGE)) == PAGE
    finally:
        process.stop()
