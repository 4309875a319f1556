"""Comparing a document with what it should hold: exactly, and shown so that people see what is different."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chatify.mirror.differences import MAX_SHOWN, What, are_same, differences, find

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, None, False),
        ("", None, False),
        ("a", "a ", False),
        (["a", "b"], ("a", "b"), True),
        (["a", "b"], ["b", "a"], False),
        ([1], [1, 2], False),
        ([True], [1], False),
        ({"a": [1]}, {"a": [1.0]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (NOON, NOON, True),
        (NOON, NOON.isoformat(), False),
    ],
    ids=str,
)
def test_values_are_the_same_only_as_a_reader_sees_them(theirs: Any, ours: Any, expected: bool) -> None:
    assert are_same(theirs, ours) is expected


def test_each_field_that_differs_is_named_with_both_values() -> None:
    found = differences({"a": 1, "same": 1, "theirs": "x"}, {"a": 2, "same": 1, "ours": None})
    assert [str(one) for one in found] == [
        "a: Firestore 1, database 2",
        "ours: missing in Firestore, database None",
        "theirs: only in Firestore, 'x'",
    ]


def test_long_texts_are_cut_around_the_place_where_they_part() -> None:
    [field] = differences({"text": "x" * 500 + "A" + "y" * 500}, {"text": "x" * 500 + "B" + "y" * 500})
    assert "xA" in field.theirs
    assert "xB" in field.ours
    assert max(len(field.theirs), len(field.ours)) <= MAX_SHOWN + 4
    assert field.theirs.startswith("…'")
    assert field.theirs.endswith("'…")


def test_values_cannot_move_the_cursor_of_a_terminal() -> None:
    [field] = differences({"text": "a\x1b[2Jb\n"}, {"text": "c"})
    assert field.theirs == r"'a\x1b[2Jb\n'"


def test_document_on_one_side_only_is_missing_or_extra() -> None:
    missing, extra = find("a/b", None, {"x": 1}), find("a/b", {"x": 1}, None)
    assert (str(missing), str(extra)) == ("a/b: missing in Firestore", "a/b: only in Firestore")
    assert find("a/b", None, None) is None
    assert find("a/b", {"x": 1}, {"x": 1}) is None
    differing = find("a/b", {"x": 1}, {"x": 2})
    assert differing is not None
    assert differing.what is What.DIFFERS
    assert str(differing) == "a/b: differs\n    x: Firestore 1, database 2"
