"""Who answers when nobody was asked for, and who would fit better. Pure."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from time import thread_time
from typing import Any
from uuid import uuid4

import pytest

from chatify.common.errors import AgeRestricted, InvalidInput, NotFound
from templates_app.selection import (
    MAX_WORDS,
    Offer,
    Rule,
    Said,
    Situation,
    Words,
    checked_parts_of_day,
    checked_words,
    choose,
    matching,
    suggest,
    tokens,
)

IDS = {slug: uuid4() for slug in ("milo", "nora", "theo", "vivi")}
OFFERS = {slug: Offer(id_, slug, slug.title(), is_for_adults=slug == "vivi") for slug, id_ in IDS.items()}
LOVE = Rule("Love", "nora", Words.of(["relation*", "my ex", "broke up"]))
NIGHT = Rule("Late", "theo", parts_of_day=frozenset({"night"}))
SPICY = Rule("Spicy", "vivi", Words.of(["flirt*"]))
RULES = (LOVE, SPICY, NIGHT)


def chosen(rules: tuple[Rule, ...] = RULES, **known: Any) -> tuple[str, str]:
    choice = choose(Situation(**known), OFFERS, rules)
    return next(slug for slug, id_ in IDS.items() if id_ == choice.template_id), choice.by


def skipped(**known: Any) -> tuple[str, ...]:
    return choose(Situation(**known), OFFERS, RULES).skipped


def suggested(text: str, current: str = "milo", **known: Any) -> str | None:
    found = suggest(text, "day", current, OFFERS, RULES, **{"is_adult": True, **known})
    return found.offer.slug if found is not None else None


# The order ----------------------------------------------------------------------------------------
EVERYTHING: dict[str, Any] = {
    "slug_asked": "milo",
    "preferred": "theo",
    "satisfied": {IDS["vivi"]: 4.5},
    "text": "my relationship",
    "part_of_day": "night",
    "is_adult": True,
}


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ((), ("milo", "explicit")),
        (("slug_asked",), ("theo", "preference")),
        (("slug_asked", "preferred"), ("vivi", "satisfaction")),
        (("slug_asked", "preferred", "satisfied"), ("nora", "context")),
        (("slug_asked", "preferred", "satisfied", "text"), ("theo", "time")),
        (tuple(EVERYTHING), ("milo", "default")),
    ],
)
def test_one_thing_after_the_other_decides(without: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert chosen(**{name: value for name, value in EVERYTHING.items() if name not in without}) == expected


def test_reason_is_the_rule_by_its_name() -> None:
    assert choose(Situation(text="we broke up"), OFFERS, RULES).reason == "Love"
    assert choose(Situation(part_of_day="night"), OFFERS, RULES).reason == "Late"


def test_first_rule_that_holds_decides() -> None:
    later = Rule("Later", "theo", Words.of(["relationship"]))
    assert chosen((LOVE, later), text="relationship") == ("nora", "context")
    assert chosen((later, LOVE), text="relationship") == ("theo", "context")


def test_rule_without_conditions_comes_before_the_default() -> None:
    always = Rule("House style", "theo")
    assert chosen((always, LOVE)) == ("theo", "default")
    assert chosen((always, LOVE), text="my ex") == ("nora", "context")


def test_all_conditions_of_a_rule_have_to_hold() -> None:
    both = (Rule("Late love", "nora", Words.of(["love"]), frozenset({"night"})),)
    assert chosen(both, text="love", part_of_day="night") == ("nora", "context")
    assert chosen(both, text="love", part_of_day="morning") == ("milo", "default")


# What is passed over ------------------------------------------------------------------------------
def test_adult_ones_are_passed_over_for_others() -> None:
    known: dict[str, Any] = {"preferred": "vivi", "satisfied": {IDS["vivi"]: 5.0}, "text": "flirting"}
    assert chosen(**known, is_adult=True) == ("vivi", "preference")
    assert chosen(**known) == ("milo", "default")
    assert skipped(**known) == tuple(f"{by}: vivi is for adults" for by in ("preference", "satisfaction", "context"))


@pytest.mark.parametrize(("slug", "why"), [("vivi", "for adults"), ("gone", "not on offer")])
def test_default_says_that_a_preference_was_passed_over(slug: str, why: str) -> None:
    choice = choose(Situation(preferred=slug), OFFERS, RULES)
    assert (choice.by, choice.reason) == ("default", f"The preferred one, {slug}, is {why}.")
    assert choose(Situation(preferred=slug, text="broke up"), OFFERS, RULES).reason == "Love"
    assert choose(Situation(), OFFERS, RULES).reason == "Nothing else decided."


def test_what_is_gone_is_passed_over() -> None:
    known: dict[str, Any] = {"preferred": "gone", "satisfied": {uuid4(): 5.0}, "text": "broke up"}
    gone = (Rule("Old", "gone", Words.of(["broke up"])), LOVE)
    choice = choose(Situation(**known), OFFERS, gone)
    assert (choice.template_id, choice.reason) == (IDS["nora"], "Love")
    assert [why.partition(":")[0] for why in choice.skipped] == ["preference", "satisfaction", "context"]


@pytest.mark.parametrize(("ratings", "expected"), [
    ({"nora": 4.5, "theo": 4.9}, "theo"), ({"nora": 4.0}, "nora"), ({"nora": 3.99}, "milo"),
])  # fmt: skip
def test_best_rated_counts_from_four_on(ratings: dict[str, float], expected: str) -> None:
    assert chosen(satisfied={IDS[slug]: rating for slug, rating in ratings.items()})[0] == expected


def test_adult_default_is_passed_over_for_others() -> None:
    offers = {"vivi": OFFERS["vivi"], "theo": OFFERS["theo"]}
    assert choose(Situation(), offers, ()).template_id == IDS["theo"]
    with pytest.raises(AgeRestricted):
        choose(Situation(), {"vivi": OFFERS["vivi"]}, ())


@pytest.mark.parametrize(("slug", "error"), [("gone", NotFound), ("vivi", AgeRestricted)])
def test_wrong_explicit_choice_is_an_error(slug: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        choose(Situation(slug_asked=slug, text="my ex"), OFFERS, RULES)


def test_nothing_on_offer_is_an_error() -> None:
    with pytest.raises(NotFound) as raised:
        choose(Situation(), {}, RULES)
    assert raised.value.code == "unknown_template"


# Words --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("crush", "I have a CRUSH!", True),
        ("crush", "crushed garlic", False),
        ("relation*", "a Relationship", True),
        ("relation*", "my relation", True),
        ("relation*", "a correlation", False),
        ("my ex", "it was my  ex's idea", True),
        ("my ex", "my\nex", True),
        ("my ex", "my next", False),
        ("my ex", "my", False),
        ("break* up", "we are breaking up", True),
        ("break* up", "breaking it up", False),
        ("break* up*", "no breaks, upwards!", True),
        ("break up*", "a break upstairs", True),
        ("break up*", "outbreak upstairs", False),
        ("break up", "up we break", False),
        ("break up", "break upstairs", False),
        ("break-up", "a break up", True),
        ("can't sleep", "I can’t sleep", True),
        ("straße", "STRASSE", True),
        ("fiancée", "my fiance\u0301e", True),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("любовь", "Это Любовь.", True),
        ("ex", "", False),
        ("a", "…", False),
    ],
)
def test_words_are_compared_whole_and_in_one_case(word: str, text: str, expected: bool) -> None:
    assert Words.of([word]).come_up(Said.of(tokens(text))) is expected


def test_words_of_a_long_message_are_found_at_its_end() -> None:
    assert Words.of(["my ex", "relation*"]).come_up(Said.of(tokens("my " * 2500 + "ex")))
    assert not Words.of(["my ex", "relation*"]).come_up(Said.of(tokens("my " * 2500)))


LONG = {
    "folds into much": "\ufdfa" * 8_000,
    "short words": "a " * 4_000,
    "one word": "p" * 8_000,
    "many marks": "a" + "\u0323\u0301" * 4_000,
    "all parts, in the wrong order": " ".join(f"x{number} a" for number in range(80)),
}


def seconds(work: Callable[[], object]) -> float:
    """The time that a thread computes."""
    return timeit.timeit(work, timer=thread_time, number=1)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_message_keeps_an_event_loop_busy(text: str) -> None:
    phrases = [f"a a x{number}" for number in range(75)] + [f"a* a x{number}" for number in range(75)]
    words = [*("p" * length + "q*" for length in range(1, 51)), *phrases]
    assert len(words) == MAX_WORDS
    rules = [Rule(f"Rule {number}", "nora", Words.of(words)) for number in range(50)]
    assert matching(text, "day", rules) == []
    # beside what takes about a millisecond, so that a slow or busy machine is one for both
    pairs = [(seconds(lambda: matching(text, "day", rules)), seconds(lambda: sum(range(50_000)))) for _ in range(7)]
    took, unit = (min(times) for times in zip(*pairs, strict=True))
    assert took < 40 * unit, f"{took * 1000:.0f} ms"


def test_beginning_of_a_message_counts() -> None:
    assert matching("my ex " * 5_000, "day", RULES) == [LOVE]
    assert matching("x " * 480 + "my ex", "day", RULES) == [LOVE]
    assert matching("x " * 500 + "my ex", "day", RULES) == []
    assert matching("\ufdfa" * 200 + " my ex", "day", RULES) == [], "3,600 code points when it is folded"
    assert matching("x" * 994 + " my example", "day", RULES) == [], "a word that is cut is none"


def test_words_are_stored_as_they_are_compared() -> None:
    assert checked_words([" My   EX ", "my ex", "Relation*", "STRASSE"]) == ["my ex", "relation*", "strasse"]
    assert checked_words([]) == []


@pytest.mark.parametrize(
    "words", [["*"], [""], ["  "], ["a**"], ["*a"], ["re*lation"], ["!?"], ["x" * 61], [7], [None]]
)
def test_what_is_no_word_is_refused(words: list[Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        checked_words(words)
    assert (raised.value.code, raised.value.errors[0].field) == ("bad_word", "words")


@pytest.mark.parametrize(
    ("words", "code"),
    [("relation", "bad_word"), (None, "bad_word"), ({"a": 1}, "bad_word"), (["w"] * (MAX_WORDS + 1), "too_long")],
)
def test_what_is_no_list_of_words_is_refused(words: Any, code: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        checked_words(words)
    assert raised.value.code == code


def test_parts_of_the_day_are_those_that_there_are() -> None:
    assert checked_parts_of_day(["night", "morning", "night"]) == ["morning", "night"]
    for wrong in (["noon"], "night", None, [["night"]]):
        with pytest.raises(InvalidInput) as raised:
            checked_parts_of_day(wrong)
        assert raised.value.code == "unknown_part_of_day"


# Suggestions --------------------------------------------------------------------------------------
def test_other_personality_is_suggested() -> None:
    assert suggested("we broke up") == "nora"
    assert suggested("what a day") is None


def test_nobody_is_suggested_instead_of_who_fits() -> None:
    assert suggested("my relationship", current="nora") is None
    assert suggested("my ex wants to flirt", current="nora") is None
    assert suggested("let us flirt", current="nora") == "vivi"


def test_each_is_suggested_once() -> None:
    assert suggested("my ex", before=["nora"]) is None
    assert suggested("my ex and flirting", before=["nora"]) == "vivi"
    assert suggested("my ex and flirting", current="nora", before=["nora"]) is None


def test_adult_ones_and_those_gone_are_not_suggested() -> None:
    assert suggested("flirting", is_adult=False) is None
    assert suggest("gone", "day", "milo", OFFERS, [Rule("x", "gone", Words.of(["gone"]))], is_adult=True) is None


def test_time_of_day_alone_suggests_nobody() -> None:
    assert suggest("hello", "night", "milo", OFFERS, RULES, is_adult=True) is None
