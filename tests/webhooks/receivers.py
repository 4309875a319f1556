"""Receivers of webhooks as programs of tenants': good ones, slow ones, and ones that mean harm."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from tests.waiting import wait_until


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its webhook-id."""
        return self.headers["webhook-id"]

    @property
    def payload(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verify(self, secret: str) -> dict[str, Any]:
        """What it says, if the library says that it was signed with this secret. Raises as the library does."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return found


Answer = Callable[[BaseHTTPRequestHandler, Received], None]


def status(code: int, **headers: str) -> Answer:
    """Answers with this status."""

    def answer(handler: BaseHTTPRequestHandler, received: Received) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@dataclass
class Receiver:
    """An HTTP server on this machine. `answer` may be changed while it runs."""

    answer: Answer = field(default_factory=lambda: status(200))
    received: list[Received] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    now: int = 0
    most: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hang(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        """An answer that does not come until the test is over, or says so."""
        self.released.wait(60)
        status(200)(handler, received)

    def flood(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        """An answer that takes all the memory that it gets."""
        handler.send_response(200)
        handler.end_headers()
        piece, sent = b"x" * 2**20, 0
        while sent < 2**32 and not self.released.is_set():
            handler.wfile.write(piece)
            sent += len(piece)
            self.flooded = sent

    flooded: int = 0
    wrap: Callable[[ssl.SSLContext], None] = field(default=lambda context: None)

    def wait_for(self, count: int, timeout: float = 20) -> list[Received]:
        """The first so many requests."""
        wait_until(lambda: len(self.received) >= count, timeout, f"{count} webhooks (have {len(self.received)})")
        return self.received[:count]

    def ids(self) -> list[str]:
        """The ids in the order in which they came."""
        return [one.id for one in list(self.received)]

    def types(self) -> list[str]:
        """What they tell of."""
        return [one.payload["type"] for one in list(self.received)]

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        received = Received(handler.path, {name.lower(): value for name, value in handler.headers.items()}, body)
        with self._lock:
            self.received.append(received)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            with suppress(ConnectionError):
                self.answer(handler, received)
        finally:
            with self._lock:
                self.now -= 1


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver for as long as the test takes."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.handle(self)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 200
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # whoever hung up has its reasons

    server = Server(("127.0.0.1", 0), Handler)

    def wrap(context: ssl.SSLContext) -> None:
        server.socket = context.wrap_socket(server.socket, server_side=True)

    made.wrap = wrap
    made.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def make_certificate(name: str, folder: Path) -> tuple[Path, Path]:
    """Files with a certificate for this name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@contextmanager
def dead_port() -> Iterator[str]:
    """The URL of a place where nobody answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/hook"
