"""A new password for those who forgot theirs: the mail, the link, the pages."""

import re
import smtplib
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from chatify.accounts import forms, password_resets
from chatify.accounts.models import PasswordReset, User
from chatify.accounts.password_resets import ask_for_reset, reset_password
from chatify.accounts.tasks import send_password_resets
from chatify.common.errors import Conflict, InvalidInput, Unavailable
from chatify.limits import budgets
from chatify.limits.budgets import LimitReached
from tests.accounts.visitors import AUTH, PASSWORD, Visitor, fresh_email, mails_in
from tests.api.checks import change_rows, fields_of, on_sqlite, outcome
from tests.conftest import MakeServer
from tests.services.process import Process
from tests.services.server import ROOT, Prepared, Server, copy_sqlite
from tests.waiting import wait_until

EMAIL, HOME, BASE = "ada@example.com", "198.51.100.1", "https://chat.example.com"
NEW = "Engine-No-10"
in_database = pytest.mark.django_db


# Without a server -----------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "_budgets", None)
    monkeypatch.setattr(password_resets, "_rest_until", 0.0)


@pytest.fixture
def ada(db: None, settings) -> User:  # type: ignore[no-untyped-def]
    """Somebody who forgot her password."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_user(EMAIL, PASSWORD, name="Click http://spam.example")


def ask(email: str = EMAIL, address: str = HOME) -> None:
    ask_for_reset(email=email, base_url=BASE, address=address)


def uid_and_token(text: str) -> dict[str, str]:
    """What an app needs of a mail."""
    match = re.search(r"^uid: (\S+)\ntoken: (\S+)$", text, re.MULTILINE)
    assert match, text
    return {"uid": match[1], "token": match[2]}


def mailed(email: str = EMAIL) -> dict[str, str]:
    """Ask, send, read."""
    ask(email)
    assert send_password_resets() == 1
    return uid_and_token(str(mail.outbox[-1].body))


def test_mail(ada: User) -> None:
    ask(" ADA@example.com ")
    assert mail.outbox == []  # asking sends nothing
    assert send_password_resets() == 1
    assert send_password_resets() == 0
    [sent] = mail.outbox
    assert (sent.to, sent.from_email) == ([EMAIL], "Chatify <chatify@localhost>")
    assert sent.subject == "Set a new password for Chatify"
    found = uid_and_token(str(sent.body))
    assert f"\n{BASE}/password/reset/{found['uid']}/{found['token']}/\n" in sent.body
    assert "60 minutes" in sent.body
    assert "spam" not in sent.body  # nobody gets to send texts of theirs to others
    assert not PasswordReset.objects.exists()


def test_nobody_else_gets_mail(ada: User) -> None:
    User.objects.create_user("inactive@example.com", PASSWORD, is_active=False)
    User.objects.create_user("passwordless@example.com")
    for email in ("inactive@example.com", "passwordless@example.com", "nobody@example.com"):
        ask(email)
    assert PasswordReset.objects.count() == 3  # asking does the same for all
    assert (send_password_resets(), len(mail.outbox)) == (0, 0)
    assert not PasswordReset.objects.exists()


def test_fourth_mail_in_an_hour_is_silently_not_sent(ada: User) -> None:
    for number in range(4):
        ask(address=f"192.0.2.{number}")
    assert send_password_resets() == 3


def test_eleventh_question_of_an_address_is_refused(ada: User) -> None:
    for number in range(10):
        ask(f"person-{number}@example.com")
    with pytest.raises(LimitReached):
        ask()
    ask(address="203.0.113.1")


def test_link_of_a_host_without_end_is_refused(ada: User) -> None:
    with pytest.raises(InvalidInput):
        ask_for_reset(email=EMAIL, base_url=f"https://{'x' * 300}.example.com", address=HOME)


# What goes wrong with mail ----------------------------------------------------------------------------
class Broken(EmailBackend):
    """A mail server with a fault."""

    error: Exception = ConnectionRefusedError()
    refused: str = "example.com"
    tried = 0

    def send_messages(self, messages):  # type: ignore[no-untyped-def]
        type(self).tried += 1
        if self.refused in messages[0].to[0]:
            raise self.error
        return super().send_messages(messages)


@pytest.fixture
def broken(settings, monkeypatch: pytest.MonkeyPatch) -> type[Broken]:  # type: ignore[no-untyped-def]
    """The mail server until it is mended."""
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    monkeypatch.setattr(Broken, "tried", 0)
    return Broken


def pass_time(seconds: float) -> None:
    """Everything in the table becomes older."""
    for row in PasswordReset.objects.all():
        row.created_at -= timedelta(seconds=seconds)
        row.next_try_at -= timedelta(seconds=seconds)
        row.save()
    password_resets._rest_until -= seconds


def test_mail_is_tried_again_for_an_hour(ada: User, broken: type[Broken]) -> None:
    ask()
    tried_at = []
    for minute in range(70):
        before = broken.tried
        assert send_password_resets() == 0
        if broken.tried > before:
            tried_at.append(minute)
        pass_time(60)
    assert tried_at == [0, 1, 3, 7, 15, 31]
    assert not PasswordReset.objects.exists()


def test_mail_goes_out_when_the_server_is_back(ada: User, broken: type[Broken], settings) -> None:  # type: ignore[no-untyped-def]
    ask()
    send_password_resets()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_password_resets() == 0  # not at once
    pass_time(61)
    assert send_password_resets() == 1


def test_dead_server_is_not_tried_for_each_mail(ada: User, broken: type[Broken]) -> None:
    User.objects.create_user("bob@example.com", PASSWORD)
    ask()
    ask("bob@example.com")
    for _ in range(3):
        send_password_resets()
    assert broken.tried == 1


@pytest.mark.parametrize(
    "error", [smtplib.SMTPRecipientsRefused({}), smtplib.SMTPDataError(554, b"spam"), ValueError("a bad header")]
)
def test_refused_mail_does_not_stop_others(
    ada: User, broken: type[Broken], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(broken, "error", error)
    monkeypatch.setattr(broken, "refused", EMAIL)
    User.objects.create_user("bob@example.com", PASSWORD)
    ask()
    ask("bob@example.com")
    assert send_password_resets() == 1
    assert [sent.to for sent in mail.outbox] == [["bob@example.com"]]


@in_database
def test_mail_is_claimed_once() -> None:
    ask()
    one, other = PasswordReset.objects.get(), PasswordReset.objects.get()
    assert [password_resets._claim(row) for row in (one, other)] == [True, False]


# The link ---------------------------------------------------------------------------------------------
def answer(found: dict[str, str], password: str = NEW) -> list[tuple[str, str]]:
    """The (field, code) pairs of what is wrong."""
    try:
        reset_password(**found, password=password, address=HOME)
    except InvalidInput as error:
        return [(one.field, one.code) for one in error.errors]
    return []


def test_token_is_good_once(ada: User) -> None:
    found = mailed()
    assert answer(found, "Engine9") == [
        ("new_password", "password_too_short"), ("new_password", "password_no_special")
    ]  # fmt: skip
    assert answer(found) == []
    assert answer(found, "Engine-No-11") == [("token", "token_invalid")]
    ada.refresh_from_db()
    assert ada.check_password(NEW)


def test_later_link_ends_with_the_earlier_one(ada: User) -> None:
    first, second = mailed(), mailed()
    assert answer(first) == []
    assert answer(second) == [("token", "token_invalid")]


def test_token_that_is_none_is_refused(ada: User, settings) -> None:  # type: ignore[no-untyped-def]
    found, bob = mailed(), User.objects.create_user("bob@example.com", PASSWORD)
    wrong = [
        {"token": "x"}, {"token": "x-y"}, {"token": ""}, {"token": "é-ü"}, {"token": found["token"][:-1] + "x"},
        {"token": default_token_generator.make_token(bob)}, {"uid": "x"}, {"uid": ""}, {"uid": "é"}, {"uid": "____"},
    ]  # fmt: skip
    for change in wrong:
        assert answer({**found, **change}) == [("token", "token_invalid")], change
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert answer(found) == [("token", "token_invalid")]
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


@pytest.mark.parametrize("change", [{"is_active": False}, {"email": "new@example.com"}, {"password": "!none"}])
def test_changed_account_ends_the_link(ada: User, change: dict[str, object]) -> None:
    found = mailed()
    User.objects.update(**change)
    assert answer(found) == [("token", "token_invalid")]


def test_second_of_two_at_once_is_refused(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    found = mailed()
    stale = User.objects.get(pk=ada.pk)
    assert answer(found) == []
    monkeypatch.setattr(password_resets, "resettable_user", lambda uid: stale)  # it had been read before
    assert answer(found, "Engine-No-11") == [("token", "token_invalid")]


@pytest.mark.parametrize(
    ("error", "told"),
    [(Conflict(), "This link does not work"), (Unavailable("Too many.", retry_after=5), "Too many. Please come back")],
)
def test_page_tells_when_the_password_could_not_be_set(
    ada: User, client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    found = mailed()
    page = client.get(f"/password/reset/{found['uid']}/{found['token']}/").headers["Location"]

    def fail(**_: object) -> None:
        User.objects.update(password="md5$somebody$else")
        raise error

    monkeypatch.setattr(forms, "finish_reset", fail)
    response = client.post(page, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert told in response.content.decode()


# With a server ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mails end up."""
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="module")
def mailing(prepared_sqlite: Prepared, mail_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that writes its mails into the folder."""
    database_url = copy_sqlite(prepared_sqlite, tmp_path_factory.mktemp("mailing"))
    server = Server(prepared_sqlite, database_url, EMAIL_URL=f"filemail:///{mail_folder}")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def visitor(mailing: Server) -> Iterator[Visitor]:
    """Somebody who registered there."""
    made = Visitor(mailing.url).register()
    yield made
    made.http.close()


def mails_to(email: str, folder: Path) -> list[str]:
    """The mails that somebody got, once Celery has sent one."""
    found = []

    def has_come() -> bool:
        found[:] = [text for text in mails_in(folder) if f"To: {email}" in text]
        return bool(found)

    wait_until(has_come, 20, "a mail")
    return found


def test_forgotten_password_over_rest(mailing: Server, visitor: Visitor, mail_folder: Path) -> None:
    old = visitor.tokens
    answers = [visitor.post("password/reset/", email=email) for email in (visitor.email.upper(), fresh_email())]
    assert {(one.status_code, one.text) for one in answers} == {
        (202, '{"detail":"If somebody signs in with this address, a mail is on its way."}')
    }
    for _ in range(5):
        visitor.login(password="Wrong-No-9")
    assert outcome(visitor.login()) == (429, "too_fast")
    [text] = mails_to(visitor.email, mail_folder)
    assert f"{mailing.url}/password/reset/" in text
    response = visitor.post("password/reset/confirm/", **uid_and_token(text), new_password=NEW)
    assert (response.status_code, response.content) == (204, b"")
    assert not visitor.is_let_in(old["access_token"])
    assert outcome(visitor.refresh(old["refresh_token"])) == (401, "token_invalid")
    assert visitor.login(password=NEW).status_code == 200  # who reads the mail need not wait
    again = visitor.post("password/reset/confirm/", **uid_and_token(text), new_password="Engine-No-11")
    assert (outcome(again), fields_of(again)) == ((400, "token_invalid"), [("token", "token_invalid")])


def test_forgotten_password_at_the_page(visitor: Visitor, mail_folder: Path) -> None:
    assert 'href="/password/reset/"' in visitor.http.get("/login/").text
    assert "Please fill in your e-mail address" in visitor.send_form("/password/reset/", email="ada").text
    page = visitor.send_form("/password/reset/", email=visitor.email)
    assert (page.url.path, "Look into your mail" in page.text) == ("/password/reset/sent/", True)
    link = re.search(r"http://[^/]+(/password/reset/\S+)", mails_to(visitor.email, mail_folder)[0])
    assert link
    page = visitor.http.get(link[1], follow_redirects=True)
    assert page.url.path.endswith("/set-password/")  # the token is not in the address that others may see
    page = visitor.send_form(link[1], new_password1="weak", new_password2="weak")
    assert "At least 10 characters are needed." in page.text
    page = visitor.send_form(link[1], new_password1=NEW, new_password2="Engine-No-11")
    assert "match" in page.text
    page = visitor.send_form(link[1], new_password1=NEW, new_password2=NEW)
    assert (page.url.path, "Your password is set" in page.text) == ("/password/reset/done/", True)
    assert not visitor.is_let_in()
    assert visitor.login(password=NEW).status_code == 200
    assert "This link does not work" in visitor.http.get(link[1], follow_redirects=True).text


@on_sqlite
def test_pages_are_under_the_strict_policy(server: Server) -> None:
    visitor = Visitor(server.url)
    for path in ("", "sent/", "done/", "x/y/", "MDFh/set-password/"):
        response = visitor.http.get(f"/password/reset/{path}")
        assert response.status_code == 200, path
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|<script(?! src)|\son\w+=", response.text), path
    visitor.http.close()


@on_sqlite
def test_page_says_when_to_come_back(server: Server) -> None:
    visitor = Visitor(server.url)
    for _ in range(10):
        visitor.send_form("/password/reset/", email=fresh_email())
    page = visitor.send_form("/password/reset/", email=fresh_email())
    assert "Too many attempts. Please come back in 60 minutes." in page.text
    assert outcome(visitor.post("password/reset/", email=fresh_email())) == (429, "too_fast")
    visitor.http.close()


@on_sqlite
def test_long_host_is_refused(server: Server) -> None:
    visitor = Visitor(server.url)
    headers = {"Host": f"{'x' * 300}.example.com"}
    response = visitor.http.post(f"{AUTH}password/reset/", json={"email": fresh_email()}, headers=headers)
    assert outcome(response) == (400, "bad_host")
    visitor.http.close()


WORKER = """
import sys, time
from pathlib import Path
import django; django.setup()
from chatify.accounts.tasks import send_password_resets
own, other = Path(sys.argv[1]), Path(sys.argv[2])
own.touch()
while not other.exists():
    time.sleep(0.001)
print("sent", sum(send_password_resets() for _ in range(20)))
"""


@pytest.mark.parametrize("grown", [False, True], ids=["embedded", "grown"])
def test_two_workers_send_each_mail_once(make_server: MakeServer, tmp_path: Path, grown: bool) -> None:
    server = make_server(grown=grown, start=False, EMAIL_URL=f"filemail:///{tmp_path / 'mail'}")
    server.manage("shell", "-c", MAKE_ROWS)
    ready = [tmp_path / "one.log", tmp_path / "other.log"]
    workers = [
        Process([sys.executable, "-c", WORKER, *files], log=files[0].with_suffix(".out"), env=server.env, cwd=ROOT)
        for files in (ready, ready[::-1])
    ]
    wait_until(lambda: not any(worker.is_running for worker in workers), 60, "both are done")
    receivers = re.findall(r"^To: (\S+)$", "\n".join(mails_in(tmp_path / "mail")), re.MULTILINE)
    logs = [worker.log_text() for worker in workers]
    assert sorted(receivers) == sorted(f"person-{number}@example.com" for number in range(30)), logs
    assert sum(int(log.split()[-1]) for log in logs) == 30
    assert change_rows(server, "DELETE FROM accounts_passwordreset") == 0


MAKE_ROWS = """
from django.utils import timezone
from chatify.accounts.models import PasswordReset, User
for number in range(30):
    email = f"person-{number}@example.com"
    User.objects.create(email=email, password="md5$x$y")
    PasswordReset.objects.create(email=email, base_url="http://localhost", next_try_at=timezone.now())
"""
