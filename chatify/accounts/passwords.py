"""Which passwords are good enough. Each failed rule is named."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from chatify.accounts.models import User
from chatify.common.errors import FieldError, InvalidInput

MIN_LENGTH = 10
MAX_LENGTH = 256
"""Longer ones would only cost us time: each is hashed some hundred thousand times."""

_RULES: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("password_too_short", lambda text: len(text) >= MIN_LENGTH, f"At least {MIN_LENGTH} characters are needed."),
    ("password_too_long", lambda text: len(text) <= MAX_LENGTH, f"At most {MAX_LENGTH} characters are taken."),
    ("password_no_lower_case", lambda text: any(map(str.islower, text)), "A lower-case letter is needed."),
    ("password_no_upper_case", lambda text: any(map(str.isupper, text)), "An upper-case letter is needed."),
    ("password_no_digit", lambda text: any(map(str.isdecimal, text)), "A digit is needed."),
    ("password_no_special", lambda text: any(map(_is_special, text)), "A special character is needed, such as ! or -."),
    ("password_white_space", lambda text: not any(map(str.isspace, text)), "White space is not allowed."),
)
"""In any script: letters and digits are what Unicode calls so."""


def _is_special(character: str) -> bool:
    return not character.isalnum() and not character.isspace()


class PasswordRules:
    """A password validator of Django's: length, kinds of characters, no white space."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raises ValidationError with one error for each rule that fails."""
        failed = [(code, text) for code, is_kept, text in _RULES if not is_kept(password)]
        if failed:
            raise ValidationError([ValidationError(text, code=code) for code, text in failed])

    def get_help_text(self) -> str:
        """For forms."""
        return (
            f"At least {MIN_LENGTH} characters, with lower and upper case, a digit and a special character, "
            "and without white space."
        )


class CommonPasswords(password_validation.CommonPasswordValidator):
    """Django's list of common passwords, also for one of them that was only dressed up: "Password123!"."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raises ValidationError."""
        super().validate(password, user)
        super().validate("".join(filter(str.isalnum, password)), user)


def check_new_password(password: str, *, user: User, field: str = "password") -> None:
    """Raises InvalidInput that names `field` once for each rule that fails. `user` need not be saved."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        errors = [
            FieldError(field, str(one.code or "password_bad"), " ".join(one.messages)) for one in error.error_list
        ]
        raise InvalidInput(f"{field}: {errors[0].message}", code=errors[0].code, errors=errors) from None
