"""Bodies that are larger than anything is taken are refused before they are read, from everybody."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.client import ApiClient


def raw(client: ApiClient, request: bytes) -> bytes:
    """The answer to a request as it is, up to the end of the connection."""
    url, answer = urlsplit(str(client.http.base_url)), b""
    with socket.create_connection((url.hostname, url.port), 10) as line:
        line.sendall(request)
        while data := line.recv(65536):
            answer += data
    return answer


@pytest.mark.parametrize("path", ["/api/v1/sessions/", "/admin/login/", "/nowhere"])
def test_announced_body_is_not_waited_for(alice: ApiClient, path: str) -> None:
    answer = raw(alice, f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000000\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer


def test_chunked_body_is_counted(alice: ApiClient) -> None:
    head = b"POST /api/v1/sessions/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = raw(alice, head + b"10000\r\n" + b"x" * 0x10000 + b"\r\n" + b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_options_says_what_can_be_done(alice: ApiClient) -> None:
    answer = alice.http.request("OPTIONS", f"/api/v1/sessions/{alice.start()['id']}/messages/")
    assert answer.status_code == 200
    assert "POST" in answer.headers["Allow"]
