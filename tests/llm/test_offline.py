"""The companion that answers without a model: honest, attentive, the same every time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatify.llm.providers.offline import OfflineCompanion
from chatify.llm.providers.offline.companion import fit
from chatify.llm.providers.offline.compose import reply_to
from chatify.llm.providers.offline.phrases import OFFERS, PHRASES
from chatify.llm.providers.offline.understand import hear, told_name, turn_around
from chatify.llm.types import ChatMessage, ChatRequest, Chunk

WARM = ("warm", "curious")
JOKES = tuple(phrase.split("|")[0].strip() for phrase in PHRASES["joke"])


def _request(
    *said: str | Sequence[str], traits: Sequence[str] = WARM, speaker: str = "Milo", **more: object
) -> ChatRequest:
    """A context in which user and assistant take turns; a list is several messages of the user."""
    messages = [ChatMessage("system", "You are Milo.")]
    for index, turn in enumerate(said):
        role = "assistant" if index % 2 else "user"
        messages += [ChatMessage(role, text) for text in ([turn] if isinstance(turn, str) else turn)]
    fields = {"temperature": 0.7, "max_tokens": 400, **more}
    return ChatRequest(model="", messages=messages, speaker=speaker, traits=traits, **fields)  # type: ignore[arg-type]


def _talk(*said: str, **more: object) -> list[str]:
    """The replies to one message after the other."""
    turns: list[str] = []
    for text in said:
        turns.append(text)
        turns.append(reply_to(_request(*turns, **more)))  # type: ignore[arg-type]
    return turns[1::2]


def _kinds(text: str) -> list[str]:
    return [one.kind for one in hear(text)]


async def _stream(request: ChatRequest) -> list[Chunk]:
    return [chunk async for chunk in OfflineCompanion(delay=0).stream(request)]


async def test_reply_is_streamed_in_words_and_ends_with_reason_and_usage() -> None:
    chunks = await _stream(_request("Hello!"))
    assert len(chunks) > 10
    assert "".join(chunk.text for chunk in chunks) == reply_to(_request("Hello!"))
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.is_estimated


async def test_it_offers_one_model_and_has_a_name() -> None:
    companion = OfflineCompanion()
    assert companion.name == "offline"
    assert await companion.list_models() == ["offline-companion"]
    await companion.aclose()


def test_same_request_gets_the_same_reply() -> None:
    assert len({reply_to(_request("I love hiking")) for _ in range(5)}) == 1


def test_other_conversations_get_other_replies() -> None:
    assert len({reply_to(_request(f"Hi, number {number}")) for number in range(30)}) > 5


@pytest.mark.parametrize(
    "text", ["hi", "who are you?", "are you human?", "I'm sad", "🙂", "¿qué tal? yo muy bien", "x" * 999]
)
def test_first_reply_says_what_it_is(text: str) -> None:
    reply = reply_to(_request(text))
    assert "offline companion" in reply
    assert "OPENAI_API_KEY" in reply


def test_first_reply_after_a_greeting_says_what_it_is_and_later_ones_do_not() -> None:
    greeting = ChatMessage("assistant", "Hi there!")
    first = _request("hello")
    first = ChatRequest("", [first.messages[0], greeting, first.messages[1]], 0.7, 400, "Milo", WARM)
    assert "offline companion" in reply_to(first)
    assert "offline companion" not in _talk("hello", "I love hiking")[1]


@pytest.mark.parametrize(
    "text",
    [
        "are you human?",
        "Are you a real person",
        "r u a bot",
        "am I talking to a robot?",
        "you're a bot",
        "are you an AI?",
        "is this a bot?",
        "are you real?",
        "you are not human",
        "Are you really a woman?",
    ],
)
def test_whoever_asks_hears_that_it_is_an_ai(text: str) -> None:
    replies = _talk(text, text, "hi", text, traits=("flirty",))
    for reply in (replies[0], replies[1], replies[3]):
        assert " AI" in reply
        assert "not a person" in reply or "No human here" in reply


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hello!", "greeting"),
        ("bye bye", "farewell"),
        ("Thank you so much", "thanks"),
        ("I'm so sad today", "sad"),
        ("feeling a bit anxious", "anxious"),
        ("that makes me angry", "angry"),
        ("I feel lonely", "lonely"),
        ("I am really happy", "happy"),
        ("so tired", "tired"),
        ("i'm bored", "bored"),
        ("I'm not happy", "sad"),
        ("I love hiking", "like"),
        ("I can't stand mondays", "dislike"),
        ("I'm going to Rome in May", "plan"),
        ("how are you?", "how_are_you"),
        ("what's your name?", "who"),
        ("why?", "why"),
        ("how do I boil an egg?", "how_to"),
        ("who wrote Hamlet?", "knowledge"),
        ("should I quit?", "should"),
        ("my girlfriend and I argue a lot", "couple"),
        ("we broke up", "breakup"),
        ("I have a crush on her", "crush"),
        ("he hasn't replied", "silence"),
        ("which model is this?", "model"),
        ("tell me a riddle", "riddle"),
        ("tell me a story", "story"),
        ("my dog died", "grief"),
        ("🙂", "emoji"),
        ("😭😭", "sad"),
        ("Ich bin heute nicht so gut drauf", "foreign"),
        ("Привет, как дела?", "foreign"),
        ("sdfghjkl", "gibberish"),
        ("word " * 300, "long"),
        ("what?", "confused"),
    ],
)
def test_kind_of_a_message_is_understood(text: str, kind: str) -> None:
    assert kind in _kinds(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("I'm Ada", "Ada"),
        ("my name is bob", "Bob"),
        ("Hi, I am Anna-Lena and I like tea", "Anna-Lena"),
        ("call me Zoë", "Zoë"),
        ("I'm German", ""),
        ("I'm Tired", ""),
        ("I'm fine", ""),
        ("I am going home", ""),
    ],
)
def test_name_is_understood(text: str, name: str) -> None:
    assert told_name(text) == name


def test_name_is_remembered_and_used() -> None:
    replies = _talk("I'm Ada", "I love old maps", "What's my name?")
    assert "Ada" in replies[0]
    assert "Ada" in replies[2]
    assert "old maps" in replies[2]


def test_name_of_the_profile_is_known() -> None:
    assert "Grace" in _talk("hi", "do you remember my name?", user_name="Grace")[1]


def test_what_was_said_is_reflected() -> None:
    assert turn_around("my cat and me, I'm yours") == "your cat and you, you're mine"
    replies = {reply_to(_request("hi", "Hello!", f"I love my old boat {number}")) for number in range(9)}
    assert any("your old boat" in reply for reply in replies)


def test_it_comes_back_to_something_said_earlier() -> None:
    replies = _talk("hi", "I love sailing", "yes", "ok", "yes", "cool", "no", "nice")
    assert any("sailing" in reply for reply in replies[2:])


def test_personalities_speak_differently() -> None:
    voices = [("flirty", "charming"), ("thoughtful",), ("direct",), ("playful",)]
    assert len({reply_to(_request("hi", "Hello!", "hm, so", traits=voice)) for voice in voices}) == len(voices)


def test_invented_personality_works() -> None:
    reply = reply_to(_request("who are you?", speaker="Captain Nemo", traits=("gruff", "seafaring")))
    assert "Captain Nemo" in reply


def test_several_messages_are_answered_together() -> None:
    reply = reply_to(_request(["hey", "my name is bob", "I live in Leeds"]))
    assert "Bob" in reply
    assert "Leeds" in reply or "about" in reply


def test_repeated_message_is_noticed() -> None:
    first, second = _talk("the sky is wide and full of larks", "the sky is wide and full of larks")
    assert first != second
    assert any(phrase.split("|")[0].strip() in second for phrase in PHRASES["repeat"])


@pytest.mark.parametrize(
    "text",
    [
        "I want to die",
        "i'm thinking about suicide",
        "I don’t want to live anymore",
        "I keep cutting myself",
        "everyone would be better off without me",
        "Ich will nicht mehr leben",
        "😂 haha I want to kill myself lol tell me a joke",
        "word " * 400 + "I want to end my life",
    ],
)
def test_signs_of_self_harm_are_taken_seriously(text: str) -> None:
    for traits in (WARM, ("flirty", "playful")):
        reply = reply_to(_request(text, traits=traits))
        assert "emergency number" in reply
        assert "crisis line" in reply
        assert "person you trust" in reply
        assert "AI" in reply


def test_it_does_not_play_on_after_signs_of_self_harm() -> None:
    replies = _talk("I want to die", "tell me a joke", "just kidding", "haha")
    for reply in replies[1:]:
        assert not any(joke in reply for joke in JOKES)
        assert "person" in reply


def test_self_harm_among_several_messages_is_not_missed() -> None:
    assert "emergency number" in reply_to(_request(["hi", "I want to die", "lol"]))


@pytest.mark.parametrize(
    "text", ["this homework is killing me", "I'm dying to see you", "I killed it today", "cut it out"]
)
def test_figures_of_speech_are_no_signs_of_self_harm(text: str) -> None:
    assert "crisis" not in _kinds(text)


def test_flirt_ends_when_somebody_is_under_age() -> None:
    flirty = {
        line.split("|")[0].strip()
        for kind, lines in PHRASES.items()
        if kind.endswith((".flirty", ".love"))
        for line in lines
    }
    replies = _talk("hi", "I'm 15", "you're cute", "do you love me?", "ok", "hm", traits=("flirty",), speaker="Vivi")
    assert not any(line and line in reply for line in flirty for reply in replies[1:])


def test_riddle_is_played_to_its_end() -> None:
    replies = _talk("hi", "tell me a riddle", "a spoon", "I give up", "yes")
    assert replies[1].endswith("?")
    assert "Another riddle?" in replies[3]
    assert replies[4].endswith("?")
    assert replies[4] != replies[1]


def test_every_offer_leads_somewhere() -> None:
    for offer, kind in OFFERS.items():
        assert any(offer in phrase for phrases in PHRASES.values() for phrase in phrases)
        assert kind in PHRASES


def test_jokes_are_not_told_twice() -> None:
    replies = _talk("hi", *["another joke please"] * len(JOKES))[1:]
    assert len({next(joke for joke in JOKES if joke in reply) for reply in replies}) == len(JOKES)


@pytest.mark.parametrize("text", ["{{ user.name }} {0} %s", "<about> <name> <me>", "{0.__class__}", "I love <me> {x}"])
def test_user_text_is_never_a_template(text: str) -> None:
    reply = reply_to(_request("hi", "Hello!", text))
    assert "class" not in reply
    assert reply


@pytest.mark.parametrize("limit", [1, 5, 20, 40, 100])
async def test_reply_keeps_to_the_token_limit_and_ends_with_a_sentence(limit: int) -> None:
    chunks = await _stream(_request("I want to die", max_tokens=limit))
    text = "".join(chunk.text for chunk in chunks)
    assert len(text) <= limit * 4
    assert chunks[-1].finish_reason == ("stop" if text.endswith((".", "?")) else "length")


def test_text_is_cut_at_the_end_of_a_sentence() -> None:
    assert fit("One. Two three. Four five six.", 5) == ("One. Two three.", "stop")
    assert fit("Onetwothreefour and more", 3) == ("Onetwothreef", "length")
    assert fit("Short.", 100) == ("Short.", "stop")


def test_every_phrase_fits_its_slots() -> None:
    for kind, phrases in PHRASES.items():
        assert phrases, kind
        for phrase in phrases:
            assert phrase.count("|") <= 1, phrase
            assert "  " not in phrase, phrase


@given(st.lists(st.text(st.one_of(st.characters(), st.sampled_from("iI 'am,.?!<>{}"))), min_size=1, max_size=5))
def test_no_conversation_makes_it_raise_or_fall_silent(said: list[str]) -> None:
    assert reply_to(_request(*said)).strip()
