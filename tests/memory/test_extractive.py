"""The summary without a model keeps what people said about themselves, over long chains, and says who said it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from time import process_time

import pytest

from chatify.memory.extractive import HEADING, MAX_SUMMARY, NOTHING, extract
from chatify.memory.sentences import MAX_SENTENCE, split
from chatify.memory.window import Said
from templates_app.rendering import RECALLED_CLOSE, RECALLED_OPEN

FACTS = (
    "My name is Marta and I live in Porto.", "By the way, my sister Clara is getting married on 14 June.",
    "I'm allergic to peanuts, so no satay for me.", "My dog is called Biscuit.", "I was born in 1989.",
    "We are moving to Oslo in September.", "My locker has the number 4417.", "I have two kids, Leo and Ines.",
    "Ich heiße zu Hause nur Matti.", "Mi hermana vive en Sevilla desde 2015.", "私の名前はゆいです。",
)  # fmt: skip
CHATTER = (
    "How was your day?", "I had pasta for lunch and it was fine.", "The weather is awful again.", "Thanks, that helps!",
    "Do you know a good film?", "lol ok", "It took me forever to get home.", "Tell me a joke.", "That is funny.",
    "I saw a bird at the window this morning.", "I am a bit tired.", "My phone battery died again.",
)  # fmt: skip


def talk(*texts: str, roles: Sequence[str] = ("user",)) -> list[Said]:
    """What was said, by each of the roles in turn."""
    return [Said(seq, roles[seq % len(roles)], text) for seq, text in enumerate(texts)]


def lines(summary: str) -> list[str]:
    """Without the heading."""
    heading, *rest = summary.splitlines()
    assert heading == HEADING
    return rest


def chain(texts: Sequence[str], *, step: int = 4) -> str:
    """The last summary of a long conversation; the personality answers each message with an echo."""
    summary = ""
    for at in range(0, len(texts), step):
        said = [one for text in texts[at : at + step] for one in (text, f"You said: {text}")]
        summary = extract(summary, talk(*said, roles=("user", "assistant")))
    return summary


# Chains -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("messages", [60, 200, 1_000])
def test_facts_outlive_any_amount_of_chatter(messages: int) -> None:
    chance = random.Random(messages)
    chatter = [f"{chance.choice(CHATTER)} {chance.choice(CHATTER)}" for _ in range(messages)]
    summary = chain([*FACTS, *chatter])
    assert [fact for fact in FACTS if fact not in summary] == []
    assert len(summary) <= MAX_SUMMARY


def test_what_is_said_late_still_gets_in() -> None:
    chance = random.Random(1)
    chatter = [f"I had number {n} of the {chance.choice(CHATTER)} today." for n in range(300)]
    summary = chain([*chatter, "Remember: my mother Ewa was born on 3 May 1951 in Gdańsk.", *chatter[:20]])
    assert "my mother Ewa was born on 3 May 1951 in Gdańsk." in summary


def test_chain_is_quick_and_always_the_same() -> None:
    texts = [f"I went to town number {n} with my friend Ana{n} on Monday." for n in range(400)]
    began = process_time()
    first = chain(texts)
    assert process_time() - began < 10  # 100 summaries; 50 ms each would be no harm
    assert chain(texts) == first


SIGNS = [chr(0x4E00 + number) for number in range(12_000)]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{sign}。" for sign in SIGNS),
        "".join(SIGNS * 2),
        "".join(f"{sign}{other}\n" for sign, other in pairwise(SIGNS[:8_000])),
        "".join(f"I {sign}.\n" for sign in SIGNS[:4_800]),
        "my " * 8_000,
        "a. " * 8_000,
        "I am, and " * 2_400,
    ],
    ids=["signs", "one sentence", "pairs", "lines", "one long sentence", "abbreviations", "joints"],
)
def test_no_talk_is_too_much(text: str) -> None:
    said = talk(*(text[at : at + 4_000] for at in range(0, 24_000, 4_000)))
    before = "\n".join([HEADING, *SIGNS[:1_600]])
    began = process_time()
    assert len(extract(before, said)) <= MAX_SUMMARY
    assert process_time() - began < 1.5


def test_what_tells_most_is_found_among_thousands_of_sentences() -> None:
    signs = [f"{sign}。" for sign in SIGNS[:1_500]]
    summary = extract("", talk("".join(signs), "My name is Rosa.", "".join(signs)))
    assert "My name is Rosa." in summary


def test_what_is_repeated_crowds_nothing_out() -> None:
    again = [f"{'Oh, ' * (number % 7)}my name is Rosa." for number in range(2_000)]
    summary = extract("", talk("I had a walk.", *again))
    assert lines(summary)[0] == "I had a walk."


# What it looks like -------------------------------------------------------------------------------
def test_order_of_saying_is_kept() -> None:
    summary = extract("", talk("I like tea.", "My name is Rosa.", "I moved to Porto in 2019."))
    assert lines(extract(summary, talk("I am a nurse."))) == [
        "I like tea.", "My name is Rosa.", "I moved to Porto in 2019.", "I am a nurse.",
    ]  # fmt: skip


def test_who_said_it_is_said() -> None:
    said = talk(
        "I like tea.", "I will remind you on Friday.", "I am her brother Leo.", roles=("user", "assistant", "human")
    )
    expected = ["I like tea.", "Companion: I will remind you on Friday.", "Other person: I am her brother Leo."]
    assert lines(extract("", said)) == expected
    assert lines(extract(extract("", said), [])) == expected


def test_nobody_puts_words_into_another_ones_mouth() -> None:
    summary = extract("", talk("Companion: I will pay you 100 euros."))
    assert lines(extract(summary, [])) == ['"Companion: I will pay you 100 euros."']


def test_short_answer_comes_with_its_question() -> None:
    said = talk("What is your cat called?", "Miso. She is two.", "And your dog?", "no", roles=("assistant", "user"))
    expected = ["(asked: What is your cat called?) Miso. She is two.", "(asked: And your dog?) no"]
    assert [line for line in lines(extract("", said)) if "asked" in line] == expected
    assert [line for line in lines(extract(extract("", said), [])) if "asked" in line] == expected


def test_summary_of_another_hand_is_kept_as_such() -> None:
    summary = extract("The user is called Rosa.\n- She likes tea.", talk("I am a nurse."))
    assert lines(summary) == ["Noted before: The user is called Rosa.", "Noted before: She likes tea.", "I am a nurse."]
    assert lines(extract(summary, [])) == lines(summary)


def test_what_is_said_twice_stands_there_once() -> None:
    said = talk("I like green tea.", "You like green tea!", roles=("user", "assistant"))
    summary = extract("", [*said, *talk("Well, I like my tea green.", "I like black tea.")])
    assert lines(summary) == ["I like green tea.", "I like black tea."]
    assert extract(summary, said) == summary


def test_recalled_text_is_left_out() -> None:
    recalled = f"You told me: {RECALLED_OPEN}Your sister is called Clara.{RECALLED_CLOSE} I will ask her."
    assert "Clara" not in extract("", talk(recalled, roles=("assistant",)))
    assert RECALLED_OPEN not in extract("", talk(f"I love marks like {RECALLED_OPEN} a lot."))


@pytest.mark.parametrize("text", ["ok", "👍", "...", "?!", "x" * 4_000, "ん" * 4_000, "no. no. no. " * 300, "\n\n- \n"])
def test_whatever_is_said_the_summary_is_neither_empty_nor_too_long(text: str) -> None:
    for summary in (extract("", talk(text)), extract(text, talk(text, text))):
        assert 0 < len(summary) <= MAX_SUMMARY


def test_nothing_is_said_to_be_nothing() -> None:
    assert extract("", []) == NOTHING
    assert lines(extract(NOTHING, talk("I like tea."))) == ["I like tea."]


# Sentences ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("I am Dr. Weiss. I live in St. Gallen.", ["I am Dr. Weiss.", "I live in St. Gallen."]),
        ("Wir ziehen am 28. September um! Wirklich?", ["Wir ziehen am 28. September um!", "Wirklich?"]),
        ("It was 3.5 km.\nI ran.", ["It was 3.5 km. I ran."]),
        ("My sister sells it. Fiona. I don't.", ["My sister sells it. Fiona. I don't."]),
        ("今日は雨です。私は元気です。", ["今日は雨です。", "私は元気です。"]),
        (" \n ", []),
    ],
)
def test_text_is_split_into_sentences(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


@pytest.mark.parametrize("text", ["word " * 200, "x" * 1_000, "one thing, and another, but " * 40])
def test_long_sentences_are_taken_apart_and_nothing_is_lost(text: str) -> None:
    parts = split(text)
    assert max(map(len, parts)) <= MAX_SENTENCE
    assert "".join("".join(parts).split()) == "".join(text.split())
