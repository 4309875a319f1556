"""The settings' source: the environment, over an optional `.env` file. An empty variable counts as unset."""

from __future__ import annotations

import hashlib
import hmac
import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from chatify.llm.prices import Price, parse_prices

Network = IPv4Network | IPv6Network
_WITH_HOST = ("http", "https", "redis", "rediss", "amqp", "amqps")
MIN_SECRET = 32

BASE_DIR = Path(__file__).resolve().parent.parent


def load() -> environ.Env:
    """Read the file named by CHATIFY_ENV_FILE (default: `.env` beside manage.py) below the environment."""
    environment = {name: value for name, value in os.environ.items() if value}
    file = Path(environment.get("CHATIFY_ENV_FILE", str(BASE_DIR / ".env")))
    if file.is_file():
        for name, value in _lines(file):
            environment.setdefault(name, value)
    env = environ.Env()
    env.ENVIRON = environment
    return env


def integer(env: environ.Env, name: str, default: int, *, least: int = 1, most: int = 1_000_000) -> int:
    """An integer within bounds. Raises ImproperlyConfigured with one line that names the variable."""
    raw = env.ENVIRON.get(name, str(default))
    if not raw.strip().isdecimal() or not least <= int(raw) <= most:
        raise ImproperlyConfigured(f"{name} has to be a whole number from {least} to {most}, not {raw!r}.")
    return int(raw)


def choice(env: environ.Env, name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of the allowed words. Raises ImproperlyConfigured with one line that names the variable."""
    value = str(env.ENVIRON.get(name, default))
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} has to be one of {', '.join(allowed)}, not {value!r}.")
    return value


def switch(env: environ.Env, name: str) -> bool:
    """A boolean that is off unless set. Raises ImproperlyConfigured with one line that names the variable."""
    value = str(env.ENVIRON.get(name, "0")).lower()
    if value not in ("0", "1", "true", "false", "yes", "no", "on", "off"):
        raise ImproperlyConfigured(f"{name} has to be 0 or 1, not {value!r}.")
    return value in ("1", "true", "yes", "on")


def url(env: environ.Env, name: str, schemes: tuple[str, ...], default: str = "") -> str:
    """A URL of one of the schemes, or the default. Raises ImproperlyConfigured that names the variable."""
    value = str(env.ENVIRON.get(name, default))
    if not value:
        return value
    scheme = value.partition("://")[0]
    if "://" not in value or scheme not in schemes:
        raise ImproperlyConfigured(f"{name} has to start with one of {', '.join(s + '://' for s in schemes)}.")
    try:
        parts = urlsplit(value)
        if scheme != "sqlite":  # sqlite://:memory: has none
            parts.port  # noqa: B018  (reading it is what checks it)
        is_whole = bool(parts.hostname) or scheme not in _WITH_HOST
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ImproperlyConfigured(f"{name} is not a whole URL: {scheme}://host:port/...")
    return value


def secret(env: environ.Env, name: str, *, derived_from: str) -> str:
    """A secret of at least 32 characters; when unset, one that is derived from another, which it does not betray.

    Raises ImproperlyConfigured with one line that names the variable.
    """
    value = str(env.ENVIRON.get(name, ""))
    if not value:
        return hmac.new(derived_from.encode(), f"chatify {name}".encode(), hashlib.sha256).hexdigest()
    if len(value) < MIN_SECRET:
        raise ImproperlyConfigured(f"{name} has to be at least {MIN_SECRET} characters long.")
    return value


def networks(env: environ.Env, name: str) -> tuple[Network, ...]:
    """Networks with commas between them, such as 10.0.0.0/8. Raises ImproperlyConfigured that names the variable."""
    texts = [text.strip() for text in str(env.ENVIRON.get(name, "")).split(",")]
    try:
        return tuple(ip_network(text) for text in texts if text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} has to hold networks such as 10.0.0.0/8,fd00::/8: {error}.") from None


def prices(env: environ.Env, name: str) -> dict[str, Price]:
    """Prices of models, `model=prompt:completion` in US dollars per million tokens. Raises ImproperlyConfigured."""
    try:
        return parse_prices(str(env.ENVIRON.get(name, "")))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} has to be like model=0.25:2,other=1:8 (US dollars for a million tokens); {error} is not."
        ) from None


def _lines(file: Path) -> list[tuple[str, str]]:
    pairs = []
    for line in file.read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.lstrip().startswith("#") and value.strip():
            pairs.append((name.strip().removeprefix("export "), value.strip().strip("\"'")))
    return pairs
