"""What is worth remembering: found by rules, or by a model, whose answer messages have to bear out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from chatify.llm.errors import LLMError, StreamGarbled
from chatify.llm.types import Usage
from chatify.memory.finding import FACTS_PROMPT, MAX_FOUND, FactsInput, Found, Spoken, find_by_model, find_by_rules
from chatify.memory.models import Memory
from chatify.memory.rules import statements_in
from chatify.memory.texts import key_of, memory_text
from templates_app.rendering import RECALLED_CLOSE, RECALLED_OPEN

NOW = datetime(2026, 5, 1, tzinfo=UTC)
RECALLED = f"{RECALLED_OPEN} name: Eve {RECALLED_CLOSE}"


def conversation(*lines: str) -> FactsInput:
    """What was said; lines of the assistant begin with an asterisk."""
    spoken = [
        Spoken(seq, not line.startswith("*"), line.removeprefix("*"), NOW, uuid4())
        for seq, line in enumerate(lines, start=1)
    ]
    return FactsInput(uuid4(), uuid4(), uuid4(), len(lines), tuple(spoken))


# Rules --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Hi, I'm Ada and I love hiking, jazz and tea", ["name Ada", "like hiking", "like jazz", "like tea"]),
        ("my name is ada and I like pizza", ["name Ada", "like pizza"]),
        ("Call me Ishmael", ["name Ishmael"]),
        ("I love hiking, do you?", ["like hiking"]),
        ("I\u2019m a big fan of Bach", ["like Bach"]),
        ("My favourite food is pizza with olives", ["like pizza with olives (favourite food)"]),
        ("I hate mushrooms because they are slimy", ["dislike mushrooms"]),
        ("I don't really like cold weather", ["dislike cold weather"]),
        ("My sister's name is Anna, she is great", ["person sister Anna"]),
        ("My best friend Tom is coming", ["person best friend Tom"]),
        ("My brother lives in Rome", ["person brother lives in Rome"]),
        ("Anna is my sister", ["person sister Anna"]),
        ("My wife Kim died last year.", []),
        ("My late uncle Bob taught me chess", []),
        ("I don't like jazz anymore.", ["dislike jazz"]),
        ("I love my girlfriend", []),
        ("I live in Berlin now. I work as a nurse.", ["fact lives in Berlin", "fact works as a nurse"]),
        ("I have a dog called Rex", ["fact has a dog called Rex"]),
        ("My cat Mia is ill", ["fact has a cat called Mia"]),
        ("I'm vegetarian and I'm allergic to nuts", ["fact is vegetarian", "fact is allergic to nuts"]),
        ("I am 34 years old", ["fact is 34 years old"]),
        ("My birthday is on 3 May", ["fact birthday: 3 May"]),
        ("I'm learning Spanish", ["fact is learning Spanish"]),
        ("Next week I fly to Rome", ["plan fly to Rome (next week)"]),
        ("I'm going to Paris next month!", ["plan go to Paris next month"]),
        ("I'll visit my mom tomorrow", ["plan visit their mom tomorrow"]),
        ("I'm so sad today", ["mood sad"]),
        ("I'm not happy", ["mood not happy"]),
        ("Keep it short, please", ["style Keep it short"]),
        ("talk to me like a pirate", ["style talk to me like a pirate"]),
    ],
)
def test_what_is_said_in_so_many_words_is_found(message: str, said: list[str]) -> None:
    assert [f"{kind} {text}" for kind, text in statements_in(message)] == said


@pytest.mark.parametrize(
    "message",
    [
        "do you know that I live in Rome?",
        "what do I like",
        "She said I like tea",
        '"I love cats" is what people say',
        "> I live in Bonn",
        "If I live in Rome one day, good",
        "I would love to hike",
        "I used to live in Paris",
        "maybe I'm going to move",
        "I'm going to be honest, I don't like you",
        "I love you",
        "I like it",
        "I like how you talk",
        "call me later",
        "I'm German",
        "I'm hungry",
        "I'm a loser",
        "Hello, my friend",
        "my sister Monday called",
        "My name is not important",
        "I live in a world where I want to kill myself",
        "",
        "?" * 50,
    ],
)
def test_what_is_only_likely_is_not_found(message: str) -> None:
    assert statements_in(message) == []


def test_what_was_said_last_counts() -> None:
    found = find_by_rules(conversation("I live in Bonn", "*Nice!", "My name is Ad", "my name is Ada. I live in Ulm"))
    assert sorted(found, key=lambda one: one.kind) == [Found("fact", "lives in Ulm", 4), Found("name", "Ada", 4)]


def test_only_users_are_listened_to() -> None:
    assert find_by_rules(conversation("*I live in Berlin and my name is Milo", "Really")) == []


def test_topics_are_what_is_talked_about_most() -> None:
    said = ["the guitar is hard", "a concert!", "what a film", "jazz is fine", "my dog", "a walk with dogs"]
    found = find_by_rules(conversation(*said))
    assert [one for one in found if one.kind == "topic"] == [Found("topic", "music", 4), Found("topic", "pets", 6)]


def test_what_was_recalled_is_not_found_again() -> None:
    quoted = f"{RECALLED_OPEN} My name is Eve. I live in Rome. {RECALLED_CLOSE} I like tea"
    assert find_by_rules(conversation(quoted)) == [Found("like", "tea", 1)]
    assert find_by_rules(conversation(f"I like tea {RECALLED_OPEN} I live in Rome")) == [Found("like", "tea", 1)]


@pytest.mark.parametrize("secret", ["at 4111 1111 1111 1111 street", "at ada@example.org", "at password hunter2"])
def test_private_things_are_not_kept(secret: str) -> None:
    assert find_by_rules(conversation(f"I work {secret}")) == []


def test_not_everything_is_kept() -> None:
    many = [f"I like thing{number}word" for number in range(MAX_FOUND + 5)]
    found = find_by_rules(conversation(*many))
    assert len(found) == MAX_FOUND
    assert found[-1].seq == len(many)


# Models -------------------------------------------------------------------------------------------
USAGE = Usage(7, 3)


@dataclass(frozen=True)
class Answer:
    text: str
    usage: Usage = USAGE


def ask_model(input: FactsInput, answer: str, read: list[str] | None = None) -> list[Found]:
    async def ask(text: str) -> Answer:
        if read is not None:
            read.append(text)
        return Answer(answer)

    found, usage = asyncio.run(find_by_model(input, ask))
    assert usage == USAGE
    return found


def facts(*triples: tuple[str, str, int]) -> str:
    return json.dumps({"facts": [{"kind": kind, "text": text, "message": seq} for kind, text, seq in triples]})


def test_model_reads_data_and_no_recalled_text() -> None:
    read: list[str] = []
    ask_model(conversation(f"I'm Ada\n{RECALLED}", "*Hi"), facts(), read)
    lines: list[dict[str, Any]] = [json.loads(line) for line in read[0].splitlines()]
    assert lines == [
        {"message": 1, "from": "user", "text": "I'm Ada"},
        {"message": 2, "from": "assistant", "text": "Hi"},
    ]


def test_model_finds_what_messages_bear_out() -> None:
    said = conversation("We are moving to Lisbon in spring", "*Is Anna coming?", "My sister Anna is")
    answer = facts(
        ("plan", "move to Lisbon in spring", 1), ("person", "sister Anna", 3), ("fact", "loves Lisbon", 99),
        ("person", "friend Anna", 2), ("fact", "is a smoker", 3), ("name", "Anna Lisbon", 3), ("like", "", 1),
    )  # fmt: skip
    assert ask_model(said, answer) == [Found("plan", "move to Lisbon in spring", 1), Found("person", "sister Anna", 3)]


def test_texts_of_models_are_cleaned() -> None:
    answer = facts(("like", f"tea\n\u202e{RECALLED_OPEN}and\x07 cake", 1), ("fact", "tea, call 0049 170 1234567", 1))
    assert ask_model(conversation("I like tea"), answer) == [Found("like", "tea and cake", 1)]


def test_answer_may_stand_in_a_code_block() -> None:
    answer = f"```json\n{facts(('like', 'tea', 1))}\n```"
    assert ask_model(conversation("I like tea"), answer) == [Found("like", "tea", 1)]


@pytest.mark.parametrize(
    "answer",
    [
        'Here they are: {"facts": [%s]} I hope that helps',
        '```json\n{"facts": [%s]}\n```\nThat is all.',
        'As {"facts": [...]}:\n{"facts": [%s]}',
        '{"thoughts": {"kind": "like"}, "facts": [%s], "more": 1}',
        '{"facts": [%s]}' + " " * 70_000,
        '{"facts": [{"kind": "job", "text": "tea", "message": 1}, %s]}',
        '{"facts": [{"kind": "like", "message": 1}, "tea", null, 7, [], %s]}',
        '{"facts": [{"kind": "like", "text": ["tea"], "message": 1}, %s]}',
        '{"facts": [{"kind": "like", "text": "tea", "message": true}, %s]}',
    ],
)
def test_what_is_odd_in_an_answer_does_not_spoil_the_rest(answer: str) -> None:
    said = conversation("I like tea", "*Oh", "My sister is Clara")
    for number in ("3", '"3"'):
        good = f'{{"kind": "person", "text": "sister Clara", "message": {number}, "sure": 0.9}}'
        assert ask_model(said, answer % good) == [Found("person", "sister Clara", 3)]


@pytest.mark.parametrize(
    "answer",
    [
        "", "I found nothing.", "[]", "{}", "}{", '{"facts": null}', '{"facts": {}}',
        '[{"kind": "like", "text": "tea", "message": 1}]', '{"facts": [{"kind": "like"', "\ud800",
        '{"facts": [{"kind": "like", "text": "\\ud800", "message": 1}]}', '{"facts": ' + "[" * 40 + "]" * 40 + "}",
        '{"facts": ["' + "x" * 70_000 + '"]}',
    ],
)  # fmt: skip
def test_answer_that_is_not_what_was_asked_for_is_an_error(answer: str) -> None:
    with pytest.raises(StreamGarbled, match="JSON"):
        ask_model(conversation("I like tea"), answer)


def test_model_is_not_asked_about_nothing() -> None:
    async def ask(text: str) -> Answer:
        raise AssertionError("nobody asked")

    silent = conversation("*Hello?", "*Anybody?")
    assert asyncio.run(find_by_model(silent, ask)) == ([], Usage(0, 0))


def test_error_of_the_provider_is_told() -> None:
    async def ask(text: str) -> Answer:
        raise LLMError("away")

    with pytest.raises(LLMError, match="away"):
        asyncio.run(find_by_model(conversation("I like tea"), ask))


def test_prompt_names_every_kind() -> None:
    assert [kind for kind in Memory.Kind.values if kind not in FACTS_PROMPT] == []


# Texts --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("like", "hiking", "to hike"),
        ("like", "Jazz!", "the jazz"),
        ("person", "sister Anna", "Anna, the sister"),
        ("name", "Ada", "Bea"),
        ("mood", "sad", "happy"),
        ("fact", "lives in Bonn", "lives in Ulm"),
        ("fact", "is 34 years old", "is 35 years old"),
    ],
)
def test_the_same_thing_has_one_key(kind: str, one: str, other: str) -> None:
    assert key_of(kind, one) == key_of(kind, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("person", "sister Anna", "sister Bea"),
        ("like", "the", "it"),
        ("fact", "has a dog", "has a cat"),
        ("like", "猫", "犬"),
    ],
)
def test_other_things_have_other_keys(kind: str, one: str, other: str) -> None:
    assert "" != key_of(kind, one) != key_of(kind, other) != ""


def test_text_of_a_memory_is_one_clean_line() -> None:
    assert memory_text(f" two\nlines \x00\u202e{RECALLED_CLOSE} ") == "two lines"
    assert len(memory_text("x" * 500)) == 200
