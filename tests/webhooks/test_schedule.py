"""When deliveries are tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chatify.webhooks.schedule import is_hopeless, seconds_of, wait_after

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_waits_grow_from_five_seconds_to_a_day() -> None:
    waits = [wait_after(failures) for failures in range(1, 10)]
    assert waits[:-1] == [timedelta(seconds=s) for s in (5, 30, 120, 600, 3600, 10_800, 28_800, 86_400)]
    assert waits[-1] is None


def test_chance_adds_up_to_a_tenth() -> None:
    assert wait_after(2, chance=1.0) == timedelta(seconds=33)


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 5), (0, 5), (3, 5), (90, 90), (3600, 3600), (86_400, 3600), (-5, 5)]
)
def test_retry_after_is_honoured_up_to_an_hour(asked: float | None, seconds: int) -> None:
    assert wait_after(1, retry_after=asked) == timedelta(seconds=seconds)


def test_retry_after_does_not_shorten_a_wait() -> None:
    assert wait_after(8, retry_after=1) == timedelta(days=1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None), ("soon", None), ("-3", None), ("1.5", None), ("٣", None), ("120", 120), (" 7 ", 7),
        ("9" * 500, 10**8), ("Sat, 21 Nov 2026 12:01:00 GMT", 60), ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 99999 11:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_header(header: str, seconds: float | None) -> None:
    assert seconds_of(header, NOW) == seconds


@pytest.mark.parametrize(
    ("hours", "failures", "is_over"), [(72, 10, True), (71, 100, False), (720, 9, False), (0, 10, False)]
)
def test_endpoint_is_hopeless_after_three_days_and_ten_failures(hours: int, failures: int, is_over: bool) -> None:
    assert is_hopeless(NOW - timedelta(hours=hours), failures, NOW) is is_over
