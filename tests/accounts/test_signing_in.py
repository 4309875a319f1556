"""How often a password may be tried, by whom, and what that tells."""

import time
from collections.abc import Callable
from datetime import timedelta
from threading import BoundedSemaphore

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from chatify.accounts import signing_in
from chatify.accounts.emails import normal_email
from chatify.accounts.models import Login, User
from chatify.accounts.signing_in import check_credentials, normal_address, note_address, register, set_password, sign_in
from chatify.accounts.tasks import purge_sign_ins
from chatify.accounts.tokens import LONGEST_SIGN_IN, issue_pair, principal_of_token, refresh_pair
from chatify.common.errors import ChatifyError, Conflict, InvalidInput, NotAuthenticated, Unavailable
from chatify.limits import budgets
from chatify.limits.budgets import LimitReached
from tests.accounts.visitors import PASSWORD

HOME, AWAY = "198.51.100.1", "203.0.113.9"
EMAIL = "ada@example.com"
QUICK = "django.contrib.auth.hashers.MD5PasswordHasher"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "_budgets", None)


@pytest.fixture
def quick(settings) -> None:  # type: ignore[no-untyped-def]
    """Passwords that cost nothing to check."""
    settings.PASSWORD_HASHERS = [QUICK]


@pytest.fixture
def ada(quick: None) -> User:
    """Somebody who has an account."""
    return register(email=EMAIL, password=PASSWORD, name="Ada", address=HOME)


def attempt(password: str = "wrong", address: str = AWAY, email: str = EMAIL) -> str:
    """The code of what comes of it: `ok`, `wrong_credentials` or `too_fast`."""
    try:
        check_credentials(email=email, password=password, address=address)
    except ChatifyError as error:
        return error.code
    return "ok"


def attack(count: int = 60) -> None:
    """Guess from one address after the other."""
    for number in range(count):
        attempt(address=f"192.0.2.{number}")


def test_who_was_made_by_a_command_signs_in_however_the_address_was_typed(quick: None) -> None:
    user = User.objects.create_user("\uff21da@Example.com ", PASSWORD)
    assert user.email == EMAIL
    assert attempt(PASSWORD, email="ADA@example.com") == "ok"
    assert User.objects.get_by_natural_key("\uff21DA@example.com") == user


# Addresses ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_one_household_is_one_address(address: str, normal: str) -> None:
    assert normal_address(address) == normal


@pytest.mark.parametrize("typed", ["Ada@Example.COM", " ada@example.com ", "ａｄａ@example.com"])
def test_email_is_compared_as_people_mean_it(ada: User, typed: str) -> None:
    assert normal_email(typed) == EMAIL
    assert check_credentials(email=typed, password=PASSWORD, address=AWAY) == ada


def test_addresses_are_remembered_keyed(ada: User, settings) -> None:  # type: ignore[no-untyped-def]
    digest = sign_in(user=ada, address=HOME).address_digest
    assert (len(digest), HOME in digest) == (64, False)
    assert sign_in(user=ada, address=f"::ffff:{HOME}").address_digest == digest
    settings.SECRET_KEY = "another"
    assert sign_in(user=ada, address=HOME).address_digest != digest


# Limits -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_five_attempts_from_one_address(ada: User, email: str) -> None:
    assert [attempt(email=email) for _ in range(6)] == ["wrong_credentials"] * 5 + ["too_fast"]
    assert attempt(PASSWORD, email=email.upper()) == "too_fast"
    with pytest.raises(LimitReached) as error:
        check_credentials(email=email, password="x", address=AWAY)
    assert 890 < (error.value.retry_after or 0) <= 900


def test_right_password_gives_attempts_back(ada: User) -> None:
    tries = ["wrong"] * 4 + [PASSWORD] + ["wrong"] * 5 + [PASSWORD]
    assert [attempt(password) for password in tries] == (
        ["wrong_credentials"] * 4 + ["ok"] + ["wrong_credentials"] * 5 + ["too_fast"]
    )


def test_hundred_attempts_from_one_address(ada: User) -> None:
    codes = [attempt(email=f"person-{number}@example.com") for number in range(101)]
    assert codes == ["wrong_credentials"] * 100 + ["too_fast"]
    assert attempt(PASSWORD) == "too_fast"
    assert attempt(PASSWORD, HOME) == "ok"


def test_many_addresses_of_one_household_count_as_one(ada: User) -> None:
    codes = [attempt(address=f"2001:db8::{number:x}") for number in range(6)]
    assert codes == ["wrong_credentials"] * 5 + ["too_fast"]


def test_refused_attempts_cost_neighbours_nothing(ada: User) -> None:
    for _ in range(300):
        attempt(email="forgotten-app@example.com")
    assert attempt(PASSWORD) == "ok"


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_fifty_attempts_for_one_account(ada: User, email: str) -> None:
    codes = [attempt(address=f"192.0.2.{number}", email=email) for number in range(51)]
    assert codes == ["wrong_credentials"] * 50 + ["too_fast"]


def test_attack_does_not_lock_out_who_signed_in_before(ada: User) -> None:
    sign_in(user=ada, address=HOME)
    attack()
    assert attempt(PASSWORD, HOME) == "ok"
    assert attempt(PASSWORD, AWAY) == "too_fast"
    note_address(user=ada, address=AWAY)  # as the page does, and a password reset
    assert attempt(PASSWORD, AWAY) == "ok"


def test_page_remembers_addresses(ada: User, client: Client) -> None:
    form = {"username": EMAIL, "password": PASSWORD}
    assert client.post("/login/", form, REMOTE_ADDR=AWAY).status_code == 302
    attack()
    assert attempt(PASSWORD, AWAY) == "ok"
    assert not Login.objects.filter(ended_at=None).exists()  # no tokens go with it


def test_address_of_another_account_is_no_known_one(ada: User) -> None:
    bob = register(email="bob@example.com", password=PASSWORD, address=HOME)
    sign_in(user=bob, address=AWAY)
    attack()
    assert attempt(PASSWORD, AWAY) == "too_fast"


def test_known_address_may_not_guess_for_ever(ada: User) -> None:
    sign_in(user=ada, address=HOME)
    assert [attempt(address=HOME) for _ in range(6)][-1] == "too_fast"


def test_ten_sign_ups_from_one_address(quick: None) -> None:
    for number in range(10):
        register(email=f"person-{number}@example.com", password=PASSWORD, address=HOME)
    with pytest.raises(LimitReached):
        register(email="person-10@example.com", password=PASSWORD, address=HOME)
    register(email="person-10@example.com", password=PASSWORD, address=AWAY)


def test_bad_passwords_are_no_sign_ups(quick: None) -> None:
    for _ in range(20):
        with pytest.raises(InvalidInput):
            register(email=EMAIL, password="bad", address=HOME)
    register(email=EMAIL, password=PASSWORD, address=HOME)


def test_closed_server_takes_nobody(db: None, settings, client: Client) -> None:  # type: ignore[no-untyped-def]
    settings.IS_SIGN_UP_OPEN = False
    body = {"email": EMAIL, "password": PASSWORD}
    response = client.post("/api/v1/auth/register/", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (403, "sign_up_closed")
    assert not User.objects.exists()


# Equal answers, equal times -----------------------------------------------------------------------
@pytest.fixture
def people(ada: User) -> list[str]:
    """E-mail addresses of all kinds: known, inactive, without a password, with a broken one, unknown."""
    User.objects.create_user("inactive@example.com", PASSWORD, is_active=False)
    User.objects.create_user("passwordless@example.com")
    User.objects.create_user("broken@example.com")
    User.objects.filter(email="broken@example.com").update(password="md9$what")
    return [EMAIL, "inactive@example.com", "passwordless@example.com", "broken@example.com", "nobody@example.com"]


def test_answers_are_equal(people: list[str]) -> None:
    answers = set()
    for email in people:
        with pytest.raises(NotAuthenticated) as error:
            check_credentials(email=email, password="Wrong-No-9", address=HOME)
        answers.add((error.value.code, error.value.detail, error.value.status))
    assert len(answers) == 1
    assert attempt(PASSWORD, email="inactive@example.com") == "wrong_credentials"


def test_password_is_hashed_once_in_each_case(people: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    encode = "django.contrib.auth.hashers.MD5PasswordHasher.encode"
    monkeypatch.setattr(encode, lambda self, password, salt: hashed.append(password) or "md5$s$x")  # type: ignore[func-returns-value]
    for email in people:
        hashed.clear()
        attempt("Wrong-No-9", email=email)
        assert len(hashed) == 1, email


def test_over_long_password_is_not_hashed(people: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.contrib.auth.hashers.MD5PasswordHasher.encode", None)
    assert {attempt("aA1!" * 65, email=email) for email in people} == {"wrong_credentials"}


def test_times_are_equal(settings) -> None:  # type: ignore[no-untyped-def]
    User.objects.create_user(EMAIL, PASSWORD)
    assert settings.PASSWORD_HASHERS[0].endswith(PBKDF2PasswordHasher.__name__)

    def seconds(email: str, number: int) -> float:
        start = time.process_time()
        attempt(email=email, address=f"192.0.2.{number}")
        return time.process_time() - start

    pairs = [(seconds(EMAIL, number), seconds("nobody@example.com", number)) for number in range(4)]
    known, unknown = (min(times) for times in zip(*pairs, strict=True))  # a busy machine only adds
    assert 0.6 < known / unknown < 1.6


# Passwords are hashed a few at a time ---------------------------------------------------------------
def test_flood_of_sign_ins_waits_and_then_is_sent_away(
    ada: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "_hashers", BoundedSemaphore(1))
    monkeypatch.setattr(signing_in, "HASHING_PATIENCE_SECONDS", 0.01)
    with signing_in.hashing(), pytest.raises(Unavailable) as error:
        check_credentials(email=EMAIL, password=PASSWORD, address=HOME)
    assert error.value.retry_after
    with signing_in.hashing():
        page = client.post("/login/", {"username": EMAIL, "password": PASSWORD})
    assert b"Too many people sign in at this moment. Please come back in a minute." in page.content
    assert attempt(PASSWORD, HOME) == "ok"


def test_flood_of_others_uses_up_nobodys_tries(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "_hashers", BoundedSemaphore(1))
    monkeypatch.setattr(signing_in, "HASHING_PATIENCE_SECONDS", 0.01)
    with signing_in.hashing():
        assert {attempt(PASSWORD) for _ in range(signing_in.PAIR_TRIES.amount + 1)} == {"unavailable"}
        for _ in range(signing_in.SIGN_UPS.amount):
            with pytest.raises(Unavailable):
                register(email=EMAIL, password=PASSWORD, address=AWAY)
    register(email=EMAIL, password=PASSWORD, address=AWAY)
    assert attempt(PASSWORD) == "ok"


# Passwords and sign-ins -----------------------------------------------------------------------------
def test_another_password_ends_everything(ada: User) -> None:
    pair = issue_pair(sign_in(user=ada, address=HOME))
    set_password(user=ada, password="Engine-No-10")
    assert principal_of_token(pair.access_token) is None
    with pytest.raises(NotAuthenticated):
        refresh_pair(pair.refresh_token)
    assert not Login.objects.filter(ended_at=None).exists()
    assert (attempt(PASSWORD, HOME), attempt("Engine-No-10", HOME)) == ("wrong_credentials", "ok")
    assert issue_pair(sign_in(user=ada, address=HOME))  # the object that was given is fresh


def test_staff_who_set_a_password_end_everything(ada: User) -> None:
    pair = issue_pair(sign_in(user=ada, address=HOME))
    ada.set_password("Engine-No-10")
    ada.save()
    assert principal_of_token(pair.access_token) is None


def test_password_is_set_once_by_who_read_the_same_account(ada: User) -> None:
    stale = User.objects.get(pk=ada.pk)
    set_password(user=ada, password="Engine-No-10")
    with pytest.raises(Conflict) as error:
        set_password(user=stale, password="Engine-No-11")
    assert error.value.code == "password_changed"
    assert attempt("Engine-No-10", HOME) == "ok"


def test_bad_new_password_changes_nothing(ada: User) -> None:
    with pytest.raises(InvalidInput) as error:
        set_password(user=ada, password="bad", field="password")
    assert {one.field for one in error.value.errors} == {"password"}
    assert attempt(PASSWORD, HOME) == "ok"


@pytest.fixture
def aged(ada: User) -> Callable[[timedelta], Login]:
    """Makes sign-ins of some time ago."""

    def make(age: timedelta) -> Login:
        login = sign_in(user=ada, address=HOME)
        Login.objects.filter(id=login.id).update(created_at=timezone.now() - age)
        login.refresh_from_db()
        return login

    return make


def test_sign_in_ends_in_the_end_however_often_it_is_refreshed(aged: Callable[[timedelta], Login]) -> None:
    login = aged(LONGEST_SIGN_IN - timedelta(hours=1))
    pair, _ = refresh_pair(issue_pair(login).refresh_token)
    assert principal_of_token(pair.access_token)
    with pytest.raises(NotAuthenticated):
        refresh_pair(issue_pair(aged(LONGEST_SIGN_IN)).refresh_token)


def test_old_sign_ins_are_forgotten(aged: Callable[[timedelta], Login]) -> None:
    kept = [aged(timedelta(days=89)), aged(timedelta(days=1))]
    ended = aged(timedelta(days=89))
    Login.objects.filter(id=ended.id).update(ended_at=timezone.now())
    aged(timedelta(days=91))
    purge_sign_ins()
    assert set(Login.objects.values_list("id", flat=True)) == {ended.id, *(login.id for login in kept)}


def test_used_refresh_tokens_are_forgotten_when_they_expire(ada: User) -> None:
    for _ in range(2):
        refresh_pair(issue_pair(sign_in(user=ada, address=HOME)).refresh_token)
    assert set(OutstandingToken.objects.values_list("token", flat=True)) == {""}  # no token is stored
    first = OutstandingToken.objects.order_by("id").first()
    assert first is not None
    OutstandingToken.objects.filter(id=first.id).update(expires_at=timezone.now())
    purge_sign_ins()
    assert OutstandingToken.objects.count() == BlacklistedToken.objects.count() == 1


def test_sign_in_is_refreshed_thirty_times_a_minute(ada: User) -> None:
    token = issue_pair(sign_in(user=ada, address=HOME)).refresh_token
    for _ in range(30):
        token = refresh_pair(token)[0].refresh_token
    with pytest.raises(LimitReached):
        refresh_pair(token)
