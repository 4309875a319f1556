"""Which passwords are good enough. Each failed rule is named."""

from __future__ import annotations

import re

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from chatify.accounts.models import User
from chatify.common.errors import FieldError, InvalidInput

MIN_LENGTH = 10
MAX_LENGTH = 256
"""Longer ones would only cost us time: each is hashed some hundred thousand times."""

_RULES = (
    ("password_too_short", rf".{{{MIN_LENGTH},}}", f"At least {MIN_LENGTH} characters are needed."),
    ("password_too_long", rf".{{0,{MAX_LENGTH}}}", f"At most {MAX_LENGTH} characters are taken."),
    ("password_no_lower_case", r".*[a-z].*", "A lower-case letter is needed."),
    ("password_no_upper_case", r".*[A-Z].*", "An upper-case letter is needed."),
    ("password_no_digit", r".*[0-9].*", "A digit is needed."),
    ("password_no_special", r".*[^A-Za-z0-9\s].*", "A special character is needed, such as ! or -."),
    ("password_white_space", r"\S*", "White space is not allowed."),
)


class PasswordRules:
    """A password validator of Django's: length, kinds of characters, no white space."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raises ValidationError with one error for each rule that fails."""
        failed = [(code, text) for code, rule, text in _RULES if not re.fullmatch(rule, password, re.DOTALL)]
        if failed:
            raise ValidationError([ValidationError(text, code=code) for code, text in failed])

    def get_help_text(self) -> str:
        """For forms."""
        return (
            f"At least {MIN_LENGTH} characters, with lower and upper case, a digit and a special character, "
            "and without white space."
        )


def check_new_password(password: str, *, user: User, field: str = "password") -> None:
    """Raises InvalidInput that names `field` once for each rule that fails. `user` need not be saved."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        errors = [
            FieldError(field, str(one.code or "password_bad"), " ".join(one.messages)) for one in error.error_list
        ]
        raise InvalidInput(f"{field}: {errors[0].message}", code=errors[0].code, errors=errors) from None
