"""One POST to a receiver that nobody trusts."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chatify.webhooks import sending
from chatify.webhooks.sending import Answer, Call, Sender
from tests.webhooks.receivers import Received, Receiver, dead_port, make_certificate, status

BODY = b'{"type":"webhook.test"}'
NOT_PUBLIC = "The name leads to an address that is not public."


@pytest.fixture(autouse=True)
def _debugging(is_debug: None) -> None:
    """Receivers of tests are on this machine."""


@pytest.fixture
def in_earnest(settings: Any) -> None:
    """This machine may not be sent to."""
    settings.DEBUG = False
    settings.WEBHOOK_ALLOWED_NETWORKS = ()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names lead to, answer by answer; the last one stays."""
    found: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any) -> Any:
        if host not in found:
            return real(host, port, *args)
        answers = found[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for address in addresses for entry in real(address, port, *args)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return found


def send(url: str, tls: ssl.SSLContext | None = None) -> Answer:
    """Send it once."""

    async def once() -> Answer:
        async with Sender(tls) as sender:
            return await sender.send(Call(url, {"content-type": "application/json", "webhook-id": "msg_1"}, BODY))

    return asyncio.run(once())


def test_body_and_headers_arrive_as_they_are(there: Receiver) -> None:
    answer = send(f"{there.url}?a=b%20c")
    [received] = there.received
    assert (answer.is_ok, answer.status_code, answer.error) == (True, 200, "")
    assert (received.body, received.path) == (BODY, "/hook?a=b%20c")
    assert received.headers["host"] == there.url.split("/")[2]
    assert "cookie" not in received.headers


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (200, ""), (204, ""), (299, ""), (400, "It answered 400."), (401, "It answered 401."),
        (410, "It answered 410."), (500, "It answered 500."), (300, "It answered 300: redirects are not followed."),
        (304, "It answered 304: redirects are not followed."),
    ],
)  # fmt: skip
def test_status_decides(there: Receiver, code: int, error: str) -> None:
    there.answer = status(code)
    answer = send(there.url)
    assert (answer.status_code, answer.error, answer.is_gone) == (code, error, code == 410)


def test_retry_after_is_told(there: Receiver) -> None:
    there.answer = status(503, Retry_After="120")
    assert send(there.url).retry_after == 120


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(make_receiver: Callable[[], Receiver], code: int) -> None:
    first, second = make_receiver(), make_receiver()
    first.answer = status(code, Location=second.url)
    assert send(first.url).error == f"It answered {code}: redirects are not followed."
    assert (len(first.received), len(second.received)) == (1, 0)


def test_cookies_are_not_kept(there: Receiver) -> None:
    there.answer = status(200, Set_Cookie="a=b")

    async def twice() -> None:
        async with Sender() as sender:
            for _ in range(2):
                await sender.send(Call(there.url, {}, BODY))

    asyncio.run(twice())
    assert "cookie" not in there.received[1].headers


def test_proxies_of_the_environment_are_not_used(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(there.url).is_ok


# Time and size ------------------------------------------------------------------------------------
def test_receiver_that_hangs_is_given_up(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.5)
    there.answer = there.hang
    started = time.monotonic()
    assert send(there.url).error == "There was no answer within 15 s."
    assert time.monotonic() - started < 3


def test_endless_answer_takes_neither_time_nor_memory(there: Receiver) -> None:
    there.answer = there.flood
    started = time.monotonic()
    assert send(there.url).is_ok, "its status has said so"
    assert time.monotonic() - started < 5
    assert there.flooded < 64 * 2**20


def test_answer_that_never_ends_is_not_waited_for(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "DRAIN_SECONDS", 0.2)

    def drip(handler: BaseHTTPRequestHandler, received: Received) -> None:
        handler.send_response(200)
        handler.end_headers()
        there.released.wait(30)

    there.answer = drip
    started = time.monotonic()
    assert send(there.url).is_ok
    assert time.monotonic() - started < 3


def test_endless_headers_are_an_error(there: Receiver) -> None:
    def shout(handler: BaseHTTPRequestHandler, received: Received) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(100_000)) + b"\r\n")

    there.answer = shout
    assert send(there.url).error.startswith("The connection failed")


def test_garbage_is_an_error(there: Receiver) -> None:
    there.answer = lambda handler, received: handler.wfile.write(b"garbage\r\n\r\n") and None
    answer = send(there.url)
    assert (answer.status_code, answer.error) == (None, "The connection failed (ClientResponseError).")


def test_line_that_breaks_is_an_error(there: Receiver) -> None:
    there.answer = lambda handler, received: None
    assert send(there.url).error == "It closed the connection without an answer."


def test_nobody_there() -> None:
    with dead_port() as url:
        assert send(url).error == "The connection was refused."


def test_name_that_does_not_exist() -> None:
    assert send("http://no-such-name.invalid/").error == "The name cannot be resolved."


def test_certificate_has_to_be_good(there: Receiver) -> None:
    assert "TLS" in send(there.url.replace("http://", "https://")).error


# Addresses ----------------------------------------------------------------------------------------
def test_name_that_leads_into_the_house_is_not_called(
    there: Receiver, in_earnest: None, names: dict[str, list[list[str]]]
) -> None:
    port = there.url.split(":")[2].partition("/")[0]
    names["rebound.example"] = [["127.0.0.1"]]
    names["both.example"] = [["8.8.8.8", "127.0.0.1"]]
    assert send(f"https://rebound.example:{port}/").error == NOT_PUBLIC
    assert send(f"https://both.example:{port}/").error == NOT_PUBLIC
    assert there.received == []


def test_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    there: Receiver, settings: Any, names: dict[str, list[list[str]]]
) -> None:
    """DNS rebinding: a second look would lead somewhere else."""
    port = there.url.split(":")[2].partition("/")[0]
    names["rebinding.example"] = [["127.0.0.1"], ["10.255.255.1"]]
    assert send(f"http://rebinding.example:{port}/hook").is_ok
    assert there.received[0].headers["host"] == f"rebinding.example:{port}"
    assert names["rebinding.example"] == [["10.255.255.1"]]
    assert send(f"http://rebinding.example:{port}/hook").error == NOT_PUBLIC


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "127.1", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_address_in_the_url_is_checked_as_well(there: Receiver, in_earnest: None, host: str) -> None:
    port = there.url.split(":")[2].partition("/")[0]
    assert "This address is not public." in send(f"https://{host}:{port}/hook").error
    assert there.received == []


def test_each_connection_is_checked_even_if_the_url_was_not(
    there: Receiver, in_earnest: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp resolves no addresses that stand in URLs: the socket itself is the last gate."""
    monkeypatch.setattr(sending, "check_url", sending.URL)
    assert send(there.url).error == "The address is not public."
    assert there.received == []


def test_plain_http_to_the_internet_is_refused(in_earnest: None) -> None:
    assert send("http://example.com/").error == "url: It has to start with https://."


def test_unexpected_failure_tells_its_kind_only(monkeypatch: pytest.MonkeyPatch, there: Receiver) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise aiohttp.ClientPayloadError("10.0.0.7 said something")

    monkeypatch.setattr(aiohttp.ClientSession, "post", fail)
    assert send(there.url).error == "The connection failed (ClientPayloadError)."


# TLS ----------------------------------------------------------------------------------------------
@pytest.fixture
def certified(there: Receiver, tmp_path: Path) -> ssl.SSLContext:
    """The receiver speaks TLS as hooks.example; gives a context that trusts it."""
    certificate, key = make_certificate("hooks.example", tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    there.wrap(server)
    return ssl.create_default_context(cafile=str(certificate))


def test_certificate_counts_by_name(
    there: Receiver, certified: ssl.SSLContext, names: dict[str, list[list[str]]]
) -> None:
    port = there.url.split(":")[2].partition("/")[0]
    names["hooks.example"] = names["other.example"] = [["127.0.0.1"]]
    assert send(f"https://hooks.example:{port}/", certified).is_ok
    assert "TLS" in send(f"https://other.example:{port}/", certified).error
    assert "TLS" in send(f"https://hooks.example:{port}/").error, "nobody whom the world trusts has signed it"
    assert len(there.received) == 1
