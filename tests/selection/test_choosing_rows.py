"""What a start reads of the database to choose, and what it makes of rules of time. In the database of the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import InvalidInput
from sessions.actions import give_feedback, start_chat_session
from sessions.models import ChatSession, Message
from sessions.personalities import switch_personality
from templates_app.actions import delete_personality
from templates_app.catalogue import catalogue
from templates_app.models import PromptTemplate
from tests.selection.conftest import MakeRule

House = dict[str, PromptTemplate]


def start(principal: Principal, slug: str | None = None, **more: Any) -> ChatSession:
    user = UserInput(external_id="alice", **more.pop("user", {}))
    return start_chat_session(principal=principal, template_slug=slug, user=user, **more)


@pytest.fixture
def at_hour(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make it that hour of the day."""
    return lambda hour: monkeypatch.setattr(timezone, "localtime", lambda: datetime(2026, 1, 1, hour, tzinfo=UTC))


@pytest.mark.parametrize(("hour", "slug", "by"), [(3, "theo", "time"), (12, "milo", "default")])
def test_time_of_day_decides(
    house: House,
    make_rule: MakeRule,
    principal: Principal,
    at_hour: Callable[[int], None],
    hour: int,
    slug: str,
    by: str,
) -> None:
    make_rule(house["theo"], name="Late", parts_of_day=["night"])
    at_hour(hour)
    found = start(principal)
    assert (found.template.slug, found.chosen_by) == (slug, by)


def test_remembered_topics_decide(house: House, make_rule: MakeRule, principal: Principal) -> None:
    make_rule(house["nora"], name="Love", words=["my ex"])
    start(principal)
    EndUser.objects.update(remembered={"topics": ["chess", "my ex"], "name": "Ada"})
    assert start(principal).choice_reason == "Love"
    EndUser.objects.update(remembered={"topics": "my ex"})
    assert start(principal).chosen_by == "default"


def test_rating_of_a_reply_counts_for_who_wrote_it(house: House, principal: Principal) -> None:
    for _ in range(2):
        chat = start(principal, "theo")
        reply = Message.objects.create(
            tenant_id=chat.tenant_id, chat_session=chat, seq=1, role="assistant", version_id=chat.version_id,
            created_at=timezone.now(),
        )  # fmt: skip
        ChatSession.objects.filter(id=chat.id).update(last_seq=1)
        give_feedback(chat_session=chat, rating=5, message=reply, comment=None)
        switch_personality(principal=principal, chat_session_id=chat.id, slug="nora")
    assert (start(principal).template.slug, start(principal).chosen_by) == ("theo", "satisfaction")


@pytest.mark.django_db(transaction=True)
def test_choosing_costs_one_query_more_than_asking(house: House, principal: Principal) -> None:
    start(principal)
    counts = []
    for slug in ("nora", None):
        with CaptureQueriesContext(connection) as found:
            start(principal, slug)
        counts.append([query["sql"] for query in found])
    asked, chosen = counts
    assert len(chosen) == len(asked) + 1
    assert not any("templates_app_prompttemplate" in sql.split(" WHERE ")[0] for sql in asked)
    assert [sql for sql in chosen if "chat_sessions_feedback" in sql and "AVG" in sql]


@pytest.mark.django_db(transaction=True)
def test_personality_that_was_deleted_a_moment_ago_is_chosen_no_more(house: House, principal: Principal) -> None:
    start(principal, "milo")
    menu = catalogue.menu(principal.tenant_id)
    delete_personality(template=house["theo"], who=None)
    catalogue._menus[principal.tenant_id] = menu  # as if the other process had not heard of it yet
    with pytest.raises(InvalidInput) as raised:
        start(principal, "theo")
    assert raised.value.code == "unknown_template"
    assert "theo" not in catalogue.menu(principal.tenant_id).offers
