"""Documents of other applications, read into ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from chatify.mirror.foreign import (
    ForeignMessage,
    Unreadable,
    derived_id,
    in_order,
    is_for,
    read_chat,
    read_message,
    span_of,
)

MADE = datetime(2024, 5, 1, 8, tzinfo=UTC)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MADE_LATE = datetime(2026, 5, 1, tzinfo=UTC)
OWN = "0192d3a8-5b1e-7c3a-9d57-1b2c3d4e5f60"


def message(**fields: Any) -> ForeignMessage:
    found = read_message("conversation_history/c/messages/m", {"role": "user", "content": "Hi", **fields}, MADE)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "value",
    [
        NOON, NOON.replace(tzinfo=None), NOON.astimezone(timezone(timedelta(hours=2))), "2024-05-01T12:00:00Z",
        "2024-05-01T14:00:00+02:00", "2024-05-01 12:00:00", NOON.timestamp(), int(NOON.timestamp() * 1000),
    ],
)  # fmt: skip
def test_times_are_read_as_applications_write_them(value: Any) -> None:
    assert message(created_at=value).created_at == NOON
    assert message(timestamp=value).created_at == NOON


@pytest.mark.parametrize("value", [None, "noon", True, [], 10**300, float("nan"), "9999-99-99", b"x"])
def test_what_is_no_time_is_replaced_by_the_documents(value: Any) -> None:
    assert message(created_at=value).created_at == MADE


@pytest.mark.parametrize(
    ("role", "ours"), [("user", "user"), ("Bot", "assistant"), ("model", "assistant"), ("human", "user")]
)
def test_roles_have_many_names(role: str, ours: str) -> None:
    assert message(role=role).role == ours


def test_second_person_of_ours_stays_one() -> None:
    assert message(role="human", sender="end_user").role == "human"


def test_prompts_are_no_part_of_the_conversation() -> None:
    assert read_message("a/b", {"role": "system", "content": "You are"}, MADE) is None


@pytest.mark.parametrize("fields", [{"role": "dog"}, {"role": None}, {"content": None}, {"content": ["Hi"]}])
def test_message_that_makes_no_sense_is_unreadable(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        message(**fields)


def test_what_the_database_cannot_hold_is_made_visible() -> None:
    assert message(content="a\0b").content == "a␀b"
    assert message(role="assistant", tokens=2**70).tokens == 2**31 - 1
    assert message(tokens=-5).tokens == message(tokens="5").tokens == 0


def test_order_is_by_numbers_if_all_have_one_else_by_times() -> None:
    early, late = message(created_at=MADE, seq=2), message(created_at=NOON, seq=1)
    assert in_order([early, late]) == [late, early]
    assert in_order([late, message(created_at=MADE)])[1] == late


def test_ids_are_kept_or_always_the_same() -> None:
    assert derived_id(f"chatbot_sessions/{OWN}") == UUID(OWN)
    assert derived_id("chatbot_sessions/abc") == derived_id("chatbot_sessions/abc")
    assert derived_id("chatbot_sessions/abc") != derived_id("tenants/x/chatbot_sessions/abc")
    assert derived_id(f"a/{OWN.replace('-', '')}") != UUID(OWN)  # another document than that of this id


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "active"}, "active"), ({"status": "Paused"}, "paused"), ({"status": "completed"}, "ended"),
        ({}, "ended"), ({"status": "active", "ended": NOON}, "ended"), ({"status": 5}, "ended"),
    ],
)  # fmt: skip
def test_status_of_a_chat_session(fields: dict[str, Any], status: str) -> None:
    assert read_chat("c/1", {"user_id": "ann", **fields}).status == status


@pytest.mark.parametrize("user_id", [None, "", True, ["ann"], "a\nb", "x" * 129, "a\0"])
def test_chat_session_of_nobody_is_unreadable(user_id: Any) -> None:
    with pytest.raises(Unreadable, match="user_id"):
        read_chat("c/1", {"user_id": user_id})


def test_number_of_a_user_is_an_id_too() -> None:
    assert read_chat("c/1", {"user_id": 42, "title": " My\nchat "}).user_id == "42"
    assert read_chat("c/1", {"user_id": 42, "title": " My\nchat "}).title == "My chat"


@pytest.mark.parametrize(
    ("fields", "said", "started", "latest"),
    [
        ({}, [], "made", "made"),
        ({}, [2, 5], 2, 5),
        ({"last_activity": 4}, [], 4, 4),
        ({"last_activity": 6}, [2, 5], 2, 6),
        ({"last_activity": "some day"}, [2, 5], 2, 5),
        ({"ended": 7}, [], 7, 7),
        ({"ended": 7}, [2, 5], 2, 5),
        ({"started": 1}, [2, 5], 1, 5),
        ({"started": 3}, [], 3, 3),
        ({"started": 9, "last_activity": 4}, [], 9, 9),
    ],
)
def test_times_of_a_chat_session_are_those_that_somebody_knows(
    fields: dict[str, Any], said: list[int], started: Any, latest: Any
) -> None:
    def at(hour: Any) -> Any:
        return NOON.replace(hour=hour) if isinstance(hour, int) else MADE_LATE if hour == "made" else hour

    chat = read_chat("c/1", {"user_id": "ann", **{name: at(value) for name, value in fields.items()}})
    assert span_of(chat, [message(created_at=at(hour)) for hour in said], MADE_LATE) == (at(started), at(latest))


def test_document_that_names_another_tenant_is_not_this_ones() -> None:
    assert is_for({}, "acme")
    assert is_for({"tenant": "acme"}, "acme")
    assert not is_for({"tenant": "bolt"}, "acme")
