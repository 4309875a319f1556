"""`make run` once: write a `.env` with secrets of this machine's own. Needs nothing but Python."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"

_KEY_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_READABLE_CAPITALS = "ABCDEFGHJKMNPQRSTUVWXYZ"
_READABLE_DIGITS = "23456789"
_READABLE = "abcdefghjkmnpqrstuvwxyz" + _READABLE_DIGITS
_TEMPLATE = """\
# Made by `make run` for this machine; git ignores it. The environment wins over it, .env.example lists all names.
DEBUG=1
SECRET_KEY={secret_key}
JWT_SIGNING_KEY={jwt_signing_key}
ADMIN_EMAIL=admin@example.com
ADMIN_PASSWORD={password}
DEMO_API_KEY={api_key}
"""


def write_env(file: Path = ENV_FILE) -> bool:
    """Write the file, readable by its owner only, and say whether it was written. One that is there stays."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as output:
        output.write(
            _TEMPLATE.format(
                secret_key=secrets.token_urlsafe(48),
                jwt_signing_key=secrets.token_urlsafe(48),
                password=make_password(),
                api_key=make_api_key(),
            )
        )
    return True


def make_password() -> str:
    """Four groups of four characters that are not mistaken for each other, with a capital and a digit: 80 bits."""
    groups = [_pick(4, _READABLE) for _ in range(4)]
    return "-".join([_pick(1, _READABLE_CAPITALS) + groups[0], *groups[1:], _pick(1, _READABLE_DIGITS)])


def make_api_key() -> str:
    """An API key of the form that the product makes: `ck_`, 8 characters shown in lists, `_`, 40 secret ones."""
    return f"ck_{_pick(8, _KEY_ALPHABET)}_{secrets.token_urlsafe(30)}"


def _pick(count: int, alphabet: str) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


if __name__ == "__main__" and write_env():
    print(f"Wrote {ENV_FILE} with a secret key, an admin password and a demo API key.")
