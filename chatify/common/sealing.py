"""Secrets that have to be read again are stored sealed: encrypted and authenticated (Fernet), with ENCRYPTION_KEY."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class NotSealedHere(ValueError):
    """It was sealed with another ENCRYPTION_KEY, or is no sealed text at all."""


def seal(text: str) -> str:
    """The sealed form of a text, for the database."""
    return _fernet().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text again. Raises NotSealedHere."""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise NotSealedHere("This was encrypted with another ENCRYPTION_KEY.") from None


def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(settings.ENCRYPTION_KEY.encode()).digest()))
