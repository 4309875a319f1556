"""What a tenant may use: the server's defaults, and what staff set instead."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from chatify.accounts import allowances as module
from chatify.accounts.allowances import allowances_of
from chatify.accounts.models import Tenant, TenantLimits

pytestmark = pytest.mark.django_db
DEFAULTS = {
    "key_requests_per_minute": 6000,
    "person_requests_per_minute": 60,
    "user_messages_per_minute": 20,
    "session_messages_per_minute": 30,
    "concurrent_replies": 0,
    "tokens_per_day": 0,
    "tokens_per_month": 0,
    "user_tokens_per_day": 0,
    "user_tokens_per_month": 0,
}


@pytest.fixture
def tenant() -> Tenant:
    return Tenant.objects.create(slug="t", name="T")


def test_defaults(tenant: Tenant):
    assert asdict(allowances_of(tenant.id)) == DEFAULTS
    assert not allowances_of(tenant.id).counts_tokens


def test_staff_replace_some_of_them(tenant: Tenant):
    TenantLimits.objects.create(
        tenant=tenant, key_requests_per_minute=7, user_messages_per_minute=0, tokens_per_day=10**12
    )
    changed = {"key_requests_per_minute": 7, "user_messages_per_minute": 0, "tokens_per_day": 10**12}
    assert asdict(allowances_of(tenant.id)) == DEFAULTS | changed
    assert allowances_of(tenant.id).counts_tokens


def test_operator_sets_the_defaults(tenant: Tenant, settings: Any):
    settings.LIMITS = DEFAULTS | {"concurrent_replies": 3}
    assert allowances_of(tenant.id).concurrent_replies == 3


def test_read_once_in_two_seconds(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any):
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    with django_assert_num_queries(1):
        allowances_of(tenant.id)
        allowances_of(tenant.id)
    TenantLimits.objects.create(tenant=tenant, concurrent_replies=5)
    now += 1.9
    assert allowances_of(tenant.id).concurrent_replies == 0
    now += 0.2
    assert allowances_of(tenant.id).concurrent_replies == 5


def test_budgets_say_what_they_are_about(tenant: Tenant):
    found = allowances_of(tenant.id)
    budgets = (found.key_requests, found.person_requests, found.user_messages, found.session_messages)
    assert [(one.amount, one.seconds) for one in budgets] == [(6000, 60), (60, 60), (20, 60), (30, 60)]
    assert len({one.name for one in budgets}) == 4
