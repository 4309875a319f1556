"""Where webhooks may be sent to: names and addresses of the internet, and none of our own house (SSRF).

The tenant chooses the URL, so it is checked like an attacker's: once as a text, and then each address that its name
leads to, in the moment of the connection, so that what was checked is what is connected to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from yarl import URL

from chatify.common.errors import InvalidInput

MAX_URL = 500
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_INTERNET_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# What Python's `is_global` lets through, or did in some releases.
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",  # carrier-grade NAT, where some clouds have their metadata
        "168.63.129.16/32",  # Azure's own services inside of every machine
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",  # Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4: the address holds another one
        "3fff::/20",
    )
)
# Whatever ends in a number is an address for somebody's parser: 0x7f.1, 2130706433, 127.1, 0177.0.0.1.
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)")


class NotAllowed(OSError):
    """Nothing is sent to this address. An OSError, as connecting to it has failed."""


def check_url(text: str) -> URL:
    """The URL that is called for a text. Raises InvalidInput (`bad_url`) at `url` for what is never called."""
    url = _parse(text)
    if url.scheme != "https" and not (url.scheme == "http" and (settings.DEBUG or settings.WEBHOOK_ALLOWED_NETWORKS)):
        raise _bad_url("It has to start with https://.")
    if url.user is not None or url.password is not None:
        raise _bad_url("It may not hold a user name or a password.")
    if url.fragment or not url.host or not url.port:
        raise _bad_url("A whole URL without a fragment is expected, such as https://example.com/webhooks.")
    _check_host(url)
    return url


def check_addresses(addresses: Iterable[str], scheme: str) -> None:
    """Raises NotAllowed unless all of these, to which a name leads, may be connected to."""
    if not all(is_allowed(address, scheme) for address in addresses):
        raise NotAllowed("The name leads to an address that is not public.")  # and not to which: that may be secret


def is_allowed(text: str, scheme: str) -> bool:
    """Whether an address, as the resolver gave it, may be connected to."""
    address = _address(text.partition("%")[0])
    if address is None:
        return False
    if any(address in network for network in _own_networks()):
        return True
    return (scheme == "https" or settings.DEBUG) and _is_public(address)


def _own_networks() -> tuple[Network, ...]:
    own: tuple[Network, ...] = settings.WEBHOOK_ALLOWED_NETWORKS
    return (*own, *_LOOPBACK) if settings.DEBUG else own


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _INTERNET_V6:
            return False
    is_special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_private
    return address.is_global and not is_special and not any(address in network for network in _NOT_PUBLIC)


def _address(text: str) -> Address | None:
    """An address, out of its IPv6 form if it is an IPv4 one in disguise."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _parse(text: str) -> URL:
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise _bad_url(f"At most {MAX_URL} characters of ASCII are expected, without spaces; names as xn--....")
    try:
        url = URL(text)
        url.host, url.port  # noqa: B018  (reading them is what checks them)
    except ValueError:
        raise _bad_url("This is no URL.") from None
    return url


def _check_host(url: URL) -> None:
    """An address in the URL is checked at once; names are looked up when something is sent."""
    host = (url.host or "").rstrip(".")
    if ":" not in host and not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return
    if not is_allowed(host, url.scheme):
        raise _bad_url("This address is not public.")


def _bad_url(message: str) -> InvalidInput:
    return InvalidInput.at("url", "bad_url", message)
