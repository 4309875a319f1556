"""E-mail addresses: the one way in which they are written, stored and compared."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from chatify.common.inputs import Line

MAX_EMAIL = 254


def normal_email(text: str) -> str:
    """As it is stored: capitals, spaces around it and the many ways to write one character do not matter."""
    return unicodedata.normalize("NFKC", text.strip()).lower()


def _checked(text: str) -> str:
    email = normal_email(text)
    try:
        validate_email(email)
    except ValidationError:
        raise PydanticCustomError("bad_email", "This is not an e-mail address.") from None
    if len(email) > MAX_EMAIL:  # it may have grown
        raise PydanticCustomError("bad_email", "This e-mail address is too long.")
    return email


Email = Annotated[str, Field(max_length=MAX_EMAIL), Line, AfterValidator(_checked)]
"""An e-mail address, made normal."""
