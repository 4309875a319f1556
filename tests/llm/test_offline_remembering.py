"""What the companion that needs no model makes of earlier conversations."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatify.llm.providers.offline.compose import reply_to
from chatify.llm.providers.offline.remembered import as_plan, can_say, in_words
from chatify.llm.types import ChatMessage, ChatRequest

KINDS = ("name", "like", "dislike", "person", "plan", "topic", "style", "mood", "fact")
KNOWN = (
    ("name", "Ada"),
    ("person", "sister Anna"),
    ("fact", "has a dog called Pickle"),
    ("fact", "lives in Berlin"),
    ("like", "hiking"),
    ("plan", "go to Rome (in May)"),
    ("style", "keep it short"),
)


def _reply(*said: str, known: Sequence[tuple[str, str]] = KNOWN) -> str:
    """The reply to the last of messages that user and assistant wrote in turns."""
    turns = [ChatMessage("assistant" if index % 2 else "user", text) for index, text in enumerate(said)]
    return reply_to(ChatRequest("", [ChatMessage("system", ""), *turns], 0.7, 400, "Milo", ("warm",), memories=known))


def _later(text: str, known: Sequence[tuple[str, str]] = KNOWN) -> str:
    return _reply("hi", "Hello!", text, known=known)


@pytest.mark.parametrize("text", ["What do you remember about me?", "Do you remember me?", "what do you know about me"])
def test_it_names_what_it_remembers_in_natural_words(text: str) -> None:
    reply = _later(text)
    for words in (
        "your name is Ada",
        "your sister is called Anna",
        "you have a dog called Pickle",
        "you like hiking",
        "you planned to go to Rome in May",
    ):
        assert words in reply
    assert "short" not in reply


def test_it_names_a_few_things_and_not_all() -> None:
    reply = _later("what do you remember about me?", [("like", f"tea number {number}") for number in range(30)])
    assert 1 <= reply.count("tea number") <= 3


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What's my sister's name?", "our sister is called Anna"),
        ("Hi! What’s the name of my little sister?", "our sister is called Anna"),
        ("do you remember what my sister is called?", "our sister is called Anna"),
        ("who is my sister?", "our sister is called Anna"),
        ("Who is Anna?", "our sister is called Anna"),
        ("do you remember Pickle?", "ou have a dog called Pickle"),
        ("what is my dog called?", "ou have a dog called Pickle"),
        ("do you remember my dog", "ou have a dog called Pickle"),
        ("where do I live?", "ou live in Berlin"),
        ("what do I like?", "ou like hiking"),
        ("what are my plans?", "ou planned to go to Rome in May"),
    ],
)
def test_question_about_what_is_remembered_is_answered(text: str, answer: str) -> None:
    assert answer in _later(text)


@pytest.mark.parametrize("text", ["What's my cat's name?", "who is my brother?", "when is my birthday?"])
def test_it_does_not_know_what_nobody_told(text: str) -> None:
    reply = _later(text)
    assert "notes" in reply or "haven't told me" in reply
    assert "Anna" not in reply
    assert "Pickle" not in reply


@pytest.mark.parametrize("text", ["how do I ask my sister for help?", "who is Napoleon?", "What's my name?"])
def test_other_questions_are_none_about_memories(text: str) -> None:
    reply = _later(text)
    assert "Anna" not in reply or "your name is Ada" in reply
    assert "haven't told me" not in reply


def test_sign_of_self_harm_comes_before_any_memory() -> None:
    reply = _later("I want to die. What's my sister's name?")
    assert "emergency number" in reply
    assert "Anna" not in reply


def test_who_was_named_in_this_conversation_is_known_and_the_latest_word_counts() -> None:
    said = ("my sister Mia is a nurse", "Nice!", "I have a cat called Tom", "Lovely.")
    assert "our sister is called Mia and your sister is called Anna" in _reply(*said, "what's my sister's name?")
    assert "our cat is called Tom" in _reply(*said, "what is my cat called?", known=())


def test_name_that_is_remembered_is_used() -> None:
    assert "your name is Ada" in _later("what's my name?", [("name", "Ada")])
    assert "Ada" not in _reply("hi", "Hello!", "call me Zoe", "Hi!", "what's my name?")


@pytest.mark.parametrize(
    ("known", "taken_up"),
    [(KNOWN, "your plan to go to Rome in May"), ([("like", "hiking")], "you like hiking"), ([], "")],
)
def test_first_reply_comes_back_to_one_thing_and_later_ones_do_not(
    known: Sequence[tuple[str, str]], taken_up: str
) -> None:
    first = _reply("hi", known=known)
    assert taken_up in first
    assert ("Last time" in first or "One thing I kept" in first or "notes" in first or "told me once" in first) == bool(
        known
    )
    assert "Rome" not in _reply("hi", first, "hello again", known=known)


def test_who_has_something_to_say_is_listened_to_first() -> None:
    assert "Rome" not in _reply("I'm so sad today")
    assert "Rome" not in _reply("tell me a joke")


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("fact", "studies law", "you study law"),
        ("fact", "teaches maths", "you teach maths"),
        ("fact", "is a nurse", "you are a nurse"),
        ("fact", "moved to Bonn", "you moved to Bonn"),
        ("fact", "birthday: 3 May", "your birthday is 3 May"),
        ("fact", "walks their dog", "you walk your dog"),
        ("fact", "vegetarian", ""),
        ("person", "Anna (sister)", "your sister is called Anna"),
        ("person", "brother is a pilot", "your brother is a pilot"),
        ("person", "Tom is their best friend", "your best friend is called Tom"),
        ("plan", "flying to Oslo next week", "you spoke of flying to Oslo next week"),
        ("dislike", "mondays", "you don't like mondays"),
        ("topic", "music", "we spoke of music"),
        ("mood", "sad", ""),
    ],
)
def test_memory_is_said_to_the_one_it_is_about(kind: str, text: str, words: str) -> None:
    assert in_words((kind, text)) == words


def test_plan_is_a_noun() -> None:
    assert as_plan("go to Rome (in May)") == "your plan to go to Rome in May"
    assert as_plan("visiting their mother") == "visiting your mother"


@pytest.mark.parametrize("text", ["", "x" * 121, "wants to kill themself", "see https://a.example"])
def test_what_is_long_or_grave_is_not_brought_up(text: str) -> None:
    assert not can_say(("like", text))
    assert text == "" or text not in _reply("hi", known=[("like", text)])


def test_memory_is_never_a_template() -> None:
    known = [("fact", "has <me> | {0.__class__}")]
    assert "you have <me> | {0.__class__}" in _later("what do you remember about me?", known)


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.text(max_size=60)), max_size=4),
    st.sampled_from(
        ["hi", "what do you remember about me?", "what's my dog's name?", "what do I like?", "who is my sister?"]
    ),
)
def test_no_memory_makes_it_raise_or_fall_silent(known: list[tuple[str, str]], text: str) -> None:
    assert _reply(text, known=known).strip()
    assert _later(text, known).strip()
