"""Where webhooks may go: what a URL may look like, and which addresses are of the internet."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from chatify.common.errors import InvalidInput
from chatify.webhooks.addresses import NotAllowed, check_addresses, check_url, is_allowed

PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")
OURS = (
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.8", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:db8::1", "3fff::1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "5f00::1", "not an address",
)  # fmt: skip
WRONG = (
    "", "x", "example.com", "//example.com/", "http://example.com/", "ftp://example.com/", "file:///etc/passwd",
    "https://", "https:///path", "https://example.com:0/", "https://example.com:70000/", "https://example.com:x/",
    "https://user@example.com/", "https://user:password@example.com/", "https://:@example.com/",
    "https://example.com/#part", "https://exa mple.com/", "https://xn--/", "https://example.com\\@127.0.0.1/", "https://exämple.com/",
    "https://example.com/\n", "https://example.com/\u2028", "https://１２７.0.0.1/", f"https://example.com/{'x' * 500}",
)  # fmt: skip
LITERALS = (
    "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1",
    "017700000001", "0", "0.0.0.0", "00000177.1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]", "[fe80::1%25eth0]", "169.254.169.254", "10.0.0.1", "[fd00::1]", "1.2.3.4.5", "999.1.1.1",
    "localhost.1", "0x", "3232235777",
)  # fmt: skip


@pytest.fixture(autouse=True)
def in_earnest(settings: Any) -> None:
    settings.DEBUG = False
    settings.WEBHOOK_ALLOWED_NETWORKS = ()


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_allowed(address: str) -> None:
    assert is_allowed(address, "https")
    assert not is_allowed(address, "http")


@pytest.mark.parametrize("address", OURS)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_allowed(address, "https")


def test_one_bad_address_is_too_many() -> None:
    check_addresses(PUBLIC, "https")
    with pytest.raises(NotAllowed) as refused:
        check_addresses([*PUBLIC, "10.1.2.3"], "https")
    assert "10.1.2.3" not in str(refused.value)


def test_networks_of_ones_own_are_allowed_when_they_are_named(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"):
        assert is_allowed(address, "http")
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::5"):
        assert not is_allowed(address, "https")
    assert not is_allowed("8.8.8.8", "http"), "the internet takes TLS all the same"
    assert check_url("http://receiver.internal:8080/hook").port == 8080


def test_this_machine_is_allowed_while_debugging(settings: Any) -> None:
    settings.DEBUG = True
    assert all(is_allowed(address, "http") for address in ("127.0.0.1", "::1", "8.8.8.8"))
    assert not any(is_allowed(address, "http") for address in ("10.0.0.1", "169.254.169.254", "0.0.0.0"))


@pytest.mark.parametrize("url", WRONG)
def test_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_url(url)
    assert [(one.field, one.code) for one in refused.value.errors] == [("url", "bad_url")]


@pytest.mark.parametrize("host", LITERALS)
def test_address_in_a_url_is_refused_in_every_form(host: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    ["https://example.com/", "https://EXAMPLE.com:8443/a/b?c=d", "https://8.8.8.8/", "https://xn--exmple-cua.com"],
)
def test_usual_url_is_taken(url: str) -> None:
    assert check_url(url).scheme == "https"
