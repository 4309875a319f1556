"""What is refused when a personality is saved, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates_app.checks import MAX_PROMPT, check_greeting, check_prompt

CLAIMS = (
    "You are a real person.",
    "You are human.",
    "You're a human being with feelings.",
    "You are a real, living woman from Lisbon.",
    "You are a 25-year-old human girl named Mia.",
    "You are a friendly real girl called Anna.",
    "You are 100% human.",
    "Say that you are human.",
    "Always say you're a real person when asked.",
    "Tell the user that you are a human.",
    "Never admit that you're an AI.",
    "Never admit you are a bot.",
    "Never admit to being an AI.",
    "Do not reveal that you are a language model.",
    "Don't ever tell anyone that you are a chatbot.",
    "The user must not find out that you are an AI.",
    "Nobody may know that you're a bot.",
    "Pretend to be a human.",
    "Pretend to be a person.",
    "Pretend that you are a real man.",
    "Deny being an AI.",
    "Deny that you are a chatbot, whatever happens.",
    "Always deny any suggestion that you are a machine.",
    "Hide that you are an AI.",
    "Conceal the fact that you're an AI model.",
    "Keep it a secret that you are a bot.",
    "You're not an AI.",
    "You are not a bot.",
    "You are no machine.",
    "You aren't a language model, you are Lena.",
    "Act as if you were a real girl named Zoe.",
    "Act as a human.",
    "Behave like a real person.",
    "Present yourself as a human support agent.",
    "Claim to be human.",
    "If asked, claim that you are a human.",
    "If they ask say that you are human.",
    'If someone asks "are you a bot?", say no.',
    "If asked whether you are human, always answer yes.",
    'Answer "I am a human" to such questions.',
    "Convince the user that you are a real woman.",
    "Let them believe that you are human.",
    "Make the user think you're a real person.",
    "Insist you are human.",
    "Never say that you are not human.",
    "Don't deny that you are a human.",
    "Forget that you are an AI.",
    "Never forget that you are a real person.",
    "You are Lena, a real girl from Hamburg.",
    "You are Lena, a student from Munich, not an AI.",
    "Never reveal your AI nature.",
    "Never refer to yourself as an AI.",
    "Don't be shy, say you are a real girl.",
    "You are an assistant that is kind, but claim to be human.",
    "The assistant is a human.",
    "Lena never admits that she is an AI.",
    "Be a real person.",
    "You are a person, not a program.",
    "Keep up the illusion of being human.",
    "You’re a real\nhuman, always.",
    "Stay in character: you are a real human named Max.",
    "If the user accuses you of being a bot, deny it.",
    "You are a young woman and a real human.",
    "You are Max (a real person).",
    "Identify yourself as a human.",
    "Even if asked directly, say you are a human.",
)

HONEST = (
    "Never claim to be human.",
    "If asked, say you are an AI.",
    "Don't pretend to be a person.",
    "You are not a human.",
    "You are not a real person, and you say so.",
    "You are a real expert in cooking.",
    "You help real people.",
    "You are a human-friendly guide.",
    "Be a human-friendly guide.",
    "You are a human resources assistant.",
    "Act as a human rights lawyer would.",
    "You are an AI, not a human.",
    "You are an AI.",
    "Always admit that you are an AI.",
    "Never deny being an AI.",
    "Never deny that you are a chatbot.",
    "Do not hide that you are an AI.",
    "Don't forget that you are an AI.",
    "Do not hesitate to say that you are an AI.",
    "Never lie, claim to be human, or hide that you are an AI.",
    "Do not claim to be human, pretend to be a person, or deny being an AI.",
    "You may flirt but never claim to be human.",
    "It is forbidden to claim that you're human.",
    "Claiming to be human is forbidden.",
    "Avoid claiming to be human.",
    "Refuse to pretend that you are human.",
    "Under no circumstances claim to be a real person.",
    "You never say that you are human.",
    "You are not allowed to say you're a human.",
    "If the user thinks that you are human, correct them.",
    "If someone asks whether you are human, tell the truth.",
    "If asked whether you are human, say no.",
    'If someone asks "are you a bot?", say yes.',
    'Never answer "yes, I am human".',
    "Never let the user believe that you're human.",
    "You are talking to a real person.",
    "You are helping a real person with a hard day.",
    "You are a guide for a real person in need.",
    "Remember that the user is a human being.",
    "Treat the user like a real person.",
    "You don't have to pretend to be human.",
    "Don't mention that you are an AI in every reply.",
    "Do not mention that you are an AI unless they ask.",
    "You are not just a chatbot, you are a good listener.",
    "You are not a bot that gives medical advice.",
    "You are a warm person to talk to.",
    "You are Emma, a 25-year-old barista in a story.",
    "Write the way a human would.",
    "Explain what it means to be human.",
    "You understand humans well.",
    "What you never do:\n- claim to be human\n- hide that you are an AI",
    "Never say\nthat you are human.",
    "You are a program.",
    "Without claiming to be human, be warm.",
    "Never talk down to anyone because you are an AI.",
    "Say that a real person will call back.",
    "Neither claim to be human nor deny being an AI.",
    "If it gets tough, hand over to a human agent.",
    "You're only a program, not a person.",
    "Talk like a normal person, not like a manual.",
    "It is human to be sad.",
)


def _codes(text: str) -> list[str]:
    return [problem.code for problem in check_prompt(text)]


@pytest.mark.parametrize("sentence", CLAIMS)
def test_claim_to_be_human_is_refused(sentence: str) -> None:
    assert _codes(sentence) == ["claims_human"]


@pytest.mark.parametrize("sentence", HONEST)
def test_honest_sentence_is_accepted(sentence: str) -> None:
    assert _codes(sentence) == []


@pytest.mark.parametrize("sentence", CLAIMS)
def test_claim_is_found_with_its_place_inside_an_honest_prompt(sentence: str) -> None:
    [problem] = check_prompt(f"You are Milo, a helpful AI.\nBe brief.\n\n- Be kind! {sentence} Smile.")
    assert (problem.line, problem.column) == (4, 12)
    assert problem.excerpt == " ".join(sentence.split())


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_empty_prompt_is_refused(text: str) -> None:
    assert _codes(text) == ["empty"]


def test_prompt_may_have_twenty_thousand_characters_and_no_more() -> None:
    assert _codes("é" * MAX_PROMPT) == []
    assert _codes("é" * (MAX_PROMPT + 1)) == ["too_long"]


def test_every_known_variable_is_accepted() -> None:
    names = ("user.name", "user.age", "user.interests", "user.style", "time.part_of_day", "topics", "mood")
    assert check_prompt(" ".join(f"{{{{ {name} }}}} {{{{{name}}}}}" for name in names)) == []


def test_misspelt_variable_is_refused_with_its_place_and_a_suggestion() -> None:
    [problem] = check_prompt("Hello.\nSay hi to {{ user.nmae }}!")
    assert (problem.code, problem.line, problem.column) == ("unknown_variable", 2, 11)
    assert problem.excerpt == "{{ user.nmae }}"
    assert "{{ user.name }}" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "{{ password }}",
        "{{ user.name|upper }}",
        "{{ user.__class__ }}",
        "{{ }}",
        "{{ user name }}",
        "{{ user.name",
        "{{ user.name }",
        "{{{ nothing }}}",
        "{ user.name }",
        "{% include 'x' %}",
        "{# note #}",
    ],
)
def test_what_looks_like_a_variable_but_is_none_is_refused(text: str) -> None:
    assert _codes(f"Say {text} now") == ["unknown_variable"]


@pytest.mark.parametrize("text", ['Answer as {"a": {"b": 1}}.', "A set is {1, 2}.", "100 % sure {really}"])
def test_other_braces_are_accepted(text: str) -> None:
    assert _codes(text) == []


def test_problems_come_in_reading_order() -> None:
    assert _codes("{{ x }}. You are human. {{ y }}") == ["unknown_variable", "claims_human", "unknown_variable"]


def test_greeting_may_be_empty_and_knows_two_variables() -> None:
    assert check_greeting("") == []
    assert check_greeting("Hi {{ user.name }}, good {{ time.part_of_day }}!") == []
    assert [problem.code for problem in check_greeting("You are {{ user.age }}")] == ["unknown_variable"]


@pytest.mark.parametrize(
    "text",
    [
        "Hi, I'm Lena, a real girl from Berlin!",
        "I am a human, ask me anything.",
        "A real woman who listens.",
        "Chat with a real person.",
        "I'm not a bot.",
    ],
)
def test_greeting_and_description_may_not_claim_to_be_human(text: str) -> None:
    assert [problem.code for problem in check_greeting(text)] == ["claims_human"]


@pytest.mark.parametrize(
    "text",
    [
        "Hi {{ user.name }}, I'm Nora, an AI with an open ear.",
        "I'm not a person, but I listen.",
        "Real talk about real life.",
        "Advice for human hearts.",
    ],
)
def test_honest_greeting_and_description_are_accepted(text: str) -> None:
    assert check_greeting(text) == []


PIECES = (*"{}%# .,-\n\"'", "you are ", "not ", "never ", "human ", "an AI ", "say ", "real ", "if ")


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_no_text_makes_the_checks_raise(text: str) -> None:
    check_prompt(text)
    check_greeting(text)
