"""What a document is beside ours: ours, stale, an edit, a conflict, something new, or not to be taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chatify.mirror.comparing import Outcome, compare, digest_of, is_untouched, plain, read, sign

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "name": "Ina", "slug": "ina", "tenant": None, "description": "Sails.", "greeting": "Ahoy", "welcome_back": "",
    "goodbye": "",
    "system_prompt": "You are Ina.\nYou sail.", "temperature": 1.0, "max_tokens": 400, "context_tokens": 6000,
    "model": "", "personality_traits": ["warm", "direct"], "adult_only": False, "is_active": True, "is_default": False,
    "version": 3, "created_at": NOW, "updated_at": NOW,
}  # fmt: skip
OURS = sign(FIELDS)
BEFORE = sign({**FIELDS, "version": 2, "system_prompt": "You are Ina."})
NEWER = sign({**FIELDS, "version": 4, "system_prompt": "You are Ina, of the harbour."})


def outcome(document: dict[str, Any], ours: dict[str, Any] | None = OURS, **more: Any) -> Outcome:
    return compare(document, ours, **more).outcome


@pytest.mark.parametrize(
    "document",
    [
        OURS,
        {**OURS, "temperature": 1},  # an integer in Firestore
        {**OURS, "max_tokens": 400.0, "version": 3.0},
        {**OURS, "updated_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {**OURS, "notes": "for the team"},
        {**OURS, "system_prompt": "You are Ina.\r\nYou sail.", "name": " Ina "},
        {**OURS, "greeting": None},
        {"name": "Ina", "system_prompt": "You are Ina.\nYou sail."},
        {},
        {"created_at": "yesterday", "version": "three", "digest": 5},
    ],
)
def test_what_is_as_ours_is_the_same(document: dict[str, Any]) -> None:
    assert outcome(document) is Outcome.SAME


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"system_prompt": "You are Ina!"}, {"system_prompt": "You are Ina!"}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"max_tokens": 500.0}, {"max_tokens": 500}),
        ({"personality_traits": [" warm  one ", "warm one", ""]}, {"personality_traits": ("warm one",)}),
        ({"is_active": False, "name": "Ine"}, {"is_active": False, "name": "Ine"}),
        ({"adult_only": True}, {"adult_only": True}),
        ({"goodbye": " Fair winds! "}, {"goodbye": "Fair winds!"}),
    ],
)
@pytest.mark.parametrize("base", [OURS, {"version": 3}, {}])
def test_change_of_our_current_state_is_an_edit(
    fields: dict[str, Any], values: dict[str, Any], base: dict[str, Any]
) -> None:
    verdict = compare({**base, **fields}, OURS)
    assert (verdict.outcome, verdict.values, verdict.problems) == (Outcome.EDIT, values, ())


def test_what_we_wrote_before_is_stale_and_no_edit() -> None:
    assert outcome(BEFORE) is Outcome.STALE
    assert outcome({**BEFORE, "updated_at": NOW.replace(year=2030)}) is Outcome.STALE


def test_what_we_wrote_before_a_change_without_a_new_version_is_stale_too() -> None:
    assert outcome(OURS, sign({**FIELDS, "name": "Ine"})) is Outcome.STALE


def test_edit_of_what_we_wrote_before_is_a_conflict() -> None:
    verdict = compare({**BEFORE, "temperature": 0.5}, OURS)
    assert verdict.outcome is Outcome.CONFLICT
    assert verdict.values == {"temperature": 0.5, "system_prompt": "You are Ina."}


def test_edit_met_by_a_change_without_a_new_version_is_a_conflict() -> None:
    assert outcome({**OURS, "temperature": 0.5}, sign({**FIELDS, "name": "Ine"})) is Outcome.CONFLICT


def test_edit_of_an_edit_that_was_just_taken_is_an_edit() -> None:
    document = {**BEFORE, "temperature": 0.5, "system_prompt": OURS["system_prompt"]}
    assert compare(document, OURS, also_ours={BEFORE["digest"]}).values == {"temperature": 0.5}
    assert outcome(document, also_ours={BEFORE["digest"]}) is Outcome.EDIT


def test_edit_that_came_to_what_ours_is_now_is_the_same() -> None:
    assert outcome({**BEFORE, "system_prompt": OURS["system_prompt"]}) is Outcome.SAME


def test_unsigned_copy_of_an_old_version_is_stale_and_an_edited_one_a_conflict() -> None:
    copy = {"version": 2, "system_prompt": "You are Ina."}
    assert outcome(copy, past=BEFORE) is Outcome.STALE
    assert outcome({**copy, "temperature": 0.1}, past=BEFORE) is Outcome.CONFLICT
    assert outcome({**copy, "name": "Ine"}, past=BEFORE) is Outcome.CONFLICT
    assert outcome(copy) is Outcome.CONFLICT  # there is no version 2 of ours


def test_state_of_a_database_that_is_no_more_is_a_conflict() -> None:
    assert compare(NEWER, OURS).values == {"system_prompt": "You are Ina, of the harbour."}
    assert outcome(NEWER) is Outcome.CONFLICT


def test_number_that_somebody_raised_does_not_make_a_conflict() -> None:
    assert outcome({"version": 4, "temperature": 0.3}) is Outcome.EDIT
    assert outcome({**OURS, "version": 4, "temperature": 0.3}) is Outcome.EDIT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "hot"), ("temperature", True), ("temperature", float("nan")), ("temperature", [1]),
        ("max_tokens", 1.5), ("max_tokens", "400"), ("max_tokens", float("inf")), ("personality_traits", "warm"),
        ("personality_traits", ["warm", 5]), ("personality_traits", {"warm": True}), ("name", 5), ("name", ["Ina"]),
        ("system_prompt", {"text": "You"}), ("system_prompt", "You\0"), ("adult_only", "no"), ("is_active", 1),
        ("greeting", b"Ahoy"), ("personality_traits", ["wa\0rm"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ours", [OURS, None])
def test_wrong_type_is_refused(name: str, value: Any, ours: dict[str, Any] | None) -> None:
    verdict = compare({**FIELDS, name: value}, ours)
    assert verdict.outcome is Outcome.REFUSED
    assert verdict.problems[0].startswith(f"{name}: ")


def test_age_gate_is_not_lifted() -> None:
    ours = sign({**FIELDS, "adult_only": True})
    verdict = compare({**ours, "adult_only": False, "temperature": 0.2}, ours)
    assert (verdict.outcome, verdict.must_restore) == (Outcome.REFUSED, True)


@pytest.mark.parametrize(("name", "value"), [("is_default", True), ("slug", "ine"), ("tenant", "acme")])
def test_what_is_decided_here_is_not_taken(name: str, value: Any) -> None:
    alone = compare({**OURS, name: value}, OURS)
    assert (alone.outcome, alone.must_restore) == (Outcome.REFUSED, True)
    beside = compare({**OURS, name: value, "temperature": 0.2}, OURS)
    assert (beside.outcome, beside.values) == (Outcome.EDIT, {"temperature": 0.2})
    assert beside.problems[0].startswith(name)


def test_document_without_one_of_ours_is_new_unless_it_was_ours() -> None:
    assert compare({"name": "Ina", "temperature": 1}, None).values == {"name": "Ina", "temperature": 1.0}
    assert outcome({"name": "Ina"}, None) is Outcome.NEW
    assert outcome(OURS, None) is Outcome.LEFTOVER
    assert outcome({**OURS, "name": "Ine"}, None) is Outcome.CONFLICT


def test_digest_does_not_depend_on_kinds_of_numbers_order_or_times() -> None:
    other = dict(reversed({**FIELDS, "temperature": 1, "version": 3.0, "updated_at": None}.items()))
    assert digest_of(FIELDS) == digest_of(other)
    assert digest_of({**FIELDS, "temperature": 1.1}) != digest_of(FIELDS)
    assert is_untouched({**OURS, "personality_traits": ("warm", "direct")})
    assert not is_untouched({**OURS, "personality_traits": ["direct", "warm"]})


def test_all_that_firestore_holds_can_be_kept_as_json() -> None:
    odd = {"at": NOW, "raw": b"\x00\xff", "list": [1, True, None], "nan": float("nan"), "big": 10**400, "nul": "a\0b"}
    assert plain(odd) == {
        "at": "2026-11-21T12:30:00+00:00", "raw": "00ff", "list": [1.0, True, None], "nan": "nan",
        "big": str(10**400), "nul": "a␀b",
    }  # fmt: skip
    assert plain(object()) == "object"
    assert read({})[0] == {}
