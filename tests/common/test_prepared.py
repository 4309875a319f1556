"""Queries that are compiled once give what the ORM gives."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from chatify.accounts.models import EndUser, Tenant, Usage
from chatify.common.ids import uuid7
from chatify.common.prepared import PreparedQuery, Write, addition, change, insertion, write

pytestmark = pytest.mark.django_db
FIELDS = ("id", "external_id", "age", "interests", "created_at", "tenant_id", "tenant__slug")


def people(tenant_id: UUID, name: str) -> QuerySet:
    adults = Q(age__gte=18) | Q(age=None)
    return (
        EndUser.objects.filter(adults, tenant_id=tenant_id, name=name).order_by("external_id").values_list(*FIELDS)[:2]
    )


@pytest.fixture
def tenants() -> list[Tenant]:
    made = [Tenant.objects.create(slug=f"t{number}", name="T") for number in range(2)]
    for tenant in made:
        for number, age in enumerate((30, 17, None, 99)):
            EndUser.objects.create(
                tenant=tenant, external_id=f"p{number}", name="Ada", age=age, interests=["🦊", number]
            )
    return made


@pytest.fixture
def prepared() -> PreparedQuery:
    return PreparedQuery(people, tenant_id=UUID(int=1), name="stand-in")


def test_rows_are_those_of_the_orm(prepared: PreparedQuery, tenants: list[Tenant]):
    for tenant in tenants:
        for name in ("Ada", "Eve", "' or 1=1 --", "stand-in"):
            rows = prepared.rows(tenant_id=tenant.id, name=name)
            assert rows == list(people(tenant.id, name))
    assert [row[1] for row in prepared.rows(tenant_id=tenants[0].id, name="Ada")] == ["p0", "p2"]


def test_values_come_back_with_their_types(prepared: PreparedQuery, tenants: list[Tenant]):
    id_, _, age, interests, created_at, tenant_id, slug = prepared.rows(tenant_id=tenants[0].id, name="Ada")[0]
    assert (age, interests, tenant_id, slug) == (30, ["🦊", 0], tenants[0].id, "t0")
    assert isinstance(id_, UUID)
    assert isinstance(created_at, datetime)
    assert created_at.tzinfo == UTC


def test_one_query_is_run_and_no_value_is_left_over(prepared: PreparedQuery, tenants: list[Tenant]):
    prepared.rows(tenant_id=tenants[0].id, name="Ada")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert prepared.rows(tenant_id=uuid7(), name="Ada") == []
    assert len(queries) == 1


def test_time_of_the_database_is_read_anew():
    now = PreparedQuery(lambda slug: Tenant.objects.filter(slug=slug).annotate(now=Now()).values_list("now"), slug="x")
    Tenant.objects.create(slug="t", name="T")
    first = now.rows(slug="t")[0][0]
    second = now.rows(slug="t")[0][0]
    assert isinstance(first, datetime)
    assert second >= first


def test_stand_in_that_does_not_come_up_is_refused():
    unused = PreparedQuery(lambda slug, name: Tenant.objects.filter(slug=slug).values_list("id"), slug="x", name="y")
    with pytest.raises(ValueError, match="stand-in"):
        unused.rows(slug="t", name="T")


def test_all_values_have_to_be_given(prepared: PreparedQuery):
    with pytest.raises(KeyError):
        prepared.rows(name="Ada")


# Writes -------------------------------------------------------------------------------------------
def used(user: EndUser) -> list[tuple[date, int, int]]:
    return list(Usage.objects.filter(end_user=user).order_by("day").values_list("day", "replies", "tokens"))


def more(user: EndUser, day: int, tokens: int) -> Write:
    key = {"end_user_id": user.id, "day": date(2026, 1, day)}
    return addition(Usage, key, {"tenant_id": user.tenant_id}, {"replies": 1, "tokens": tokens})


def test_numbers_are_added_to_the_row_with_the_key(tenants: list[Tenant]):
    ada, eve = EndUser.objects.filter(tenant=tenants[0])[:2]
    for user, day, tokens in ((ada, 1, 5), (ada, 1, 7), (ada, 2, 1), (eve, 1, 3), (ada, 1, 0)):
        write(more(user, day, tokens))
    assert used(ada) == [(date(2026, 1, 1), 3, 12), (date(2026, 1, 2), 1, 1)]
    assert used(eve) == [(date(2026, 1, 1), 1, 3)]
    assert set(Usage.objects.values_list("tenant_id", flat=True)) == {tenants[0].id}


def test_adding_is_one_statement(tenants: list[Tenant]):
    user = EndUser.objects.filter(tenant=tenants[0])[0]
    with CaptureQueriesContext(connection) as queries:
        write(more(user, 1, 10**10))
        write(more(user, 1, 10**10))
    assert len(queries) == 2
    assert used(user) == [(date(2026, 1, 1), 2, 2 * 10**10)]


def new_user(tenant: Tenant, external_id: str) -> EndUser:
    user = EndUser(id=uuid7(), tenant=tenant, external_id=external_id, age=None, interests=["🦊"], name="Ünal")
    user.created_at = user.updated_at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    return user


def test_rows_are_written_as_they_are(tenants: list[Tenant]):
    user = new_user(tenants[0], "new")
    assert write(insertion([user])) == 1
    found = EndUser.objects.get(external_id="new")
    assert [getattr(found, name) for name in FIELDS[:-1]] == [getattr(user, name) for name in FIELDS[:-1]]


def test_changes_are_counted(tenants: list[Tenant]):
    assert write(change(EndUser, {"external_id": "p0"}, {"age": 7, "name": ""})) == 2
    assert write(change(EndUser, {"external_id": "p0", "tenant_id": tenants[0].id}, {"age": None})) == 1
    assert EndUser.objects.filter(external_id="p0", age=None, name="").count() == 1
    assert write(change(EndUser, {"external_id": "nobody"}, {"age": 7})) == 0


def test_several_writes_at_once(tenants: list[Tenant]):
    ada = EndUser.objects.filter(tenant=tenants[0])[0]
    users = [new_user(tenants[1], "new"), new_user(tenants[1], "newer")]
    rename = change(Tenant, {"id": tenants[0].id}, {"name": "Renamed"})
    assert write(insertion(users), more(ada, 1, 5), rename) == 1
    assert write(more(ada, 1, 5), insertion([new_user(tenants[0], "newest")]), rename) == 1
    assert EndUser.objects.filter(external_id__startswith="new").count() == 3
    assert used(ada) == [(date(2026, 1, 1), 2, 10)]
    assert Tenant.objects.get(id=tenants[0].id).name == "Renamed"
