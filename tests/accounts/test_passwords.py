"""Which passwords are taken, and what is said of those that are not."""

import pytest

from chatify.accounts.models import User
from chatify.accounts.passwords import check_new_password
from chatify.common.errors import InvalidInput

ADA = User(email="ada.lovelace@example.com", name="Augusta Byron")


def codes_of(password: str) -> list[str]:
    """What is said of a password that is not taken."""
    with pytest.raises(InvalidInput) as raised:
        check_new_password(password, user=ADA, field="new_password")
    error = raised.value
    assert error.code == error.errors[0].code
    assert {one.field for one in error.errors} == {"new_password"}
    assert all(one.message for one in error.errors)
    return [one.code for one in error.errors]


@pytest.mark.parametrize(
    "password",
    [
        "Engine-No-9",
        "aA1!aA1!aA",
        "Ungültig-№7",
        "Пароль-Длинный-9",
        "a" * 252 + "bA1!",
        "Tab-less#42\u200b",
        "x😀Abcdefg7",
    ],
)
def test_good_password_is_taken(password: str) -> None:
    check_new_password(password, user=ADA)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("Engin-No9", "password_too_short"),
        ("a" * 253 + "bA1!", "password_too_long"),
        ("ENGINE-NO-9", "password_no_lower_case"),
        ("engine-no-9", "password_no_upper_case"),
        ("Engine-No-X", "password_no_digit"),
        ("EngineNo99", "password_no_special"),
        ("Engine No-9", "password_white_space"),
        ("Engine-No-9\n", "password_white_space"),
        ("Engine\u00a0No-9", "password_white_space"),
        ("Ada.Lovelace-1", "password_too_similar"),
        ("Augusta-Byron-1", "password_too_similar"),
    ],
)
def test_each_rule_is_named(password: str, code: str) -> None:
    assert codes_of(password) == [code]


def test_letters_with_accents_are_no_special_characters() -> None:
    assert codes_of("Élève7Élève7") == ["password_no_special"]


def test_all_failed_rules_are_told_at_once() -> None:
    assert codes_of("") == [
        "password_too_short", "password_no_lower_case", "password_no_upper_case", "password_no_digit",
        "password_no_special",
    ]  # fmt: skip
    assert codes_of("password1") == [
        "password_too_short", "password_no_upper_case", "password_no_special", "password_too_common",
    ]  # fmt: skip


def test_common_password_is_named() -> None:
    assert "password_too_common" in codes_of("q1w2e3r4t5")
