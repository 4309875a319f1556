"""What `make run` makes and prints."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chatify.accounts.models import ApiKey, AuditEntry, User

KEY = "ck_abcdefgh_" + "x" * 40

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def first_run(settings: Any) -> None:
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD, settings.DEMO_API_KEY = "boss@example.com", "a-password", KEY


def bootstrap() -> str:
    out = StringIO()
    call_command("bootstrap", stdout=out)
    return out.getvalue()


def test_second_time_makes_nothing_new() -> None:
    assert bootstrap() == bootstrap()
    assert (User.objects.count(), ApiKey.objects.count()) == (1, 1)


def test_key_that_it_makes_is_in_the_audit_log() -> None:
    bootstrap()
    bootstrap()
    made = ApiKey.objects.get()
    entries = AuditEntry.objects.order_by("id").values_list("action", "actor_kind", "subject_id")
    assert list(entries) == [("key.created", "system", made.id)]


def test_revoked_key_is_not_made_again() -> None:
    bootstrap()
    ApiKey.objects.update(revoked_at=timezone.now())
    printed = bootstrap()
    assert KEY not in printed
    assert "create_api_key" in printed


def test_password_that_was_changed_is_not_printed() -> None:
    bootstrap()
    boss = User.objects.get()
    boss.set_password("another one")
    boss.save()
    assert "a-password" not in bootstrap()


def test_key_of_another_form_is_refused(settings: Any) -> None:
    settings.DEMO_API_KEY = "abc"
    with pytest.raises(CommandError, match="DEMO_API_KEY"):
        bootstrap()
