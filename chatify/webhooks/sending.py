"""One POST to a receiver that nobody trusts: only to checked addresses, no redirects, size and time capped."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from chatify.common.errors import InvalidInput
from chatify.webhooks.addresses import NotAllowed, check_addresses, check_url, is_allowed
from chatify.webhooks.lookups import Lookups
from chatify.webhooks.schedule import seconds_of

TOTAL_SECONDS = 15.0
CONNECT_SECONDS = 5.0
DRAIN_SECONDS = 2.0
MOST_READ = 64 * 1024

_scheme: ContextVar[str] = ContextVar("scheme")
_tenant: ContextVar[UUID | None] = ContextVar("tenant")


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent, where to, and for whom."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    tenant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: a status, or an `error` in words."""

    status_code: int | None = None
    error: str = ""
    duration_ms: int = 0
    retry_after: float | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the receiver took it."""
        return not self.error

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status_code == HTTPStatus.GONE


class Sender:
    """Sends; used on one event loop, between `async with`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Sender:
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(Lookups()), use_dns_cache=False, force_close=True, limit=0,
            socket_factory=_checked_socket, ssl=self._tls or True,
        )  # fmt: skip
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=MOST_READ,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, call: Call) -> Answer:
        """Send it once. Whatever goes wrong is in the answer, in words that tell nothing of our network."""
        started = monotonic()
        try:
            status, error, retry_after = await self._post(check_url(call.url), call)
        except InvalidInput as wrong:  # what was good when it was saved, under other settings
            status, error, retry_after = None, wrong.detail, None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            status, error, retry_after = None, _in_words(failure), None
        return Answer(status, error, round((monotonic() - started) * 1000), retry_after)

    async def _post(self, url: URL, call: Call) -> tuple[int, str, float | None]:
        assert self._session is not None
        _scheme.set(url.scheme)
        _tenant.set(call.tenant_id)
        async with self._session.post(
            url, data=call.body, headers=dict(call.headers), allow_redirects=False
        ) as response:  # fmt: skip
            retry_after = seconds_of(response.headers.get("Retry-After", ""), datetime.now(UTC))
            await _drain(response)
            return response.status, _error_of(response.status), retry_after


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Let the receiver finish a short answer; its status has said all that counts."""
    left = MOST_READ
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0 and (piece := await response.content.read(left)):
                left -= len(piece)


class _Resolver(AbstractResolver):
    """Looks a name up once, and gives its addresses only if all of them may be connected to."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._lookups.find(_tenant.get(), host, port, family)
        check_addresses([str(address[0]) for *_, address in found], _scheme.get())
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=_NUMERIC)
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def _checked_socket(address: Any) -> socket.socket:
    """The last thing before each connection, whichever way its address came: addresses in URLs are never resolved."""
    family, kind, protocol, _, place = address
    if not is_allowed(str(place[0]), _scheme.get()):
        raise NotAllowed("The address is not public.")
    return socket.socket(family, kind, protocol)


def _error_of(status: int) -> str:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"It answered {status}: redirects are not followed."
    return f"It answered {status}."


def _in_words(failure: Exception) -> str:
    """Only what the receiver's owner can know: no addresses, nothing of what answered."""
    causes: list[BaseException] = [failure]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if refusal := next((one for one in causes if isinstance(one, NotAllowed)), None):
        return str(refusal)
    for kinds, text in _WORDS:
        if any(isinstance(one, kinds) for one in causes):
            return text
    return f"The connection failed ({type(failure).__name__})."


_WORDS: tuple[tuple[Any, str], ...] = (
    (aiohttp.ConnectionTimeoutError, f"There was no connection within {CONNECT_SECONDS:.0f} s."),
    (TimeoutError, f"There was no answer within {TOTAL_SECONDS:.0f} s."),
    ((ssl.SSLError, aiohttp.ClientSSLError), "The TLS connection failed: is the certificate valid for this name?"),
    (socket.gaierror, "The name cannot be resolved."),
    (ConnectionRefusedError, "The connection was refused."),
    (aiohttp.InvalidURL, "The URL cannot be called."),
    (aiohttp.ServerDisconnectedError, "It closed the connection without an answer."),
)
