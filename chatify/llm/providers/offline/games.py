"""Little games. Pure: the state of a game is what the companion said before."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Riddle:
    """A riddle; `pattern` finds the answer in a guess."""

    question: str
    answer: str
    hint: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A would-you-rather with what to say to either choice."""

    question: str
    first: tuple[str, str]
    second: tuple[str, str]


RIDDLES = (
    Riddle("What has keys but opens no door?", "a piano", "It likes to be played.", r"piano|keyboard"),
    Riddle("The more you take, the more you leave behind: what?", "footsteps", "Ask your shoes.", r"steps?\b|foot"),
    Riddle("What gets wetter the more it dries?", "a towel", "It hangs in the bathroom.", r"towel"),
    Riddle("What speaks without a mouth and answers without ears?", "an echo", "Mountains know it.", r"echo"),
    Riddle("What has a neck but no head?", "a bottle", "Somebody put a cork in it.", r"bottle"),
    Riddle("What can you break without touching it?", "a promise", "You give it first.", r"promise|silence|vow"),
    Riddle("What goes up and never comes down?", "your age", "It has candles.", r"\bage|years?\b"),
    Riddle("What has hands but cannot clap?", "a clock", "It has a face, too.", r"clock|watch"),
)

CHOICES = (
    Choice(
        "Would you rather talk with every animal, or speak every human language?",
        (r"animal|first|cat|dog", "Animals it is. The first week would be mostly complaints from cats."),
        (r"language|human|second", "Every language: you'd finally know what the taxi driver sings along to."),
    ),
    Choice(
        "Would you rather always be ten minutes late, or always twenty minutes early?",
        (r"late|first|ten\b|10", "Late and unhurried. Everybody else gets to finish their coffee thanks to you."),
        (r"early|second|twenty|20", "Early! Over a life that makes months of sitting on benches, looking prepared."),
    ),
    Choice(
        "Would you rather have a cabin deep in the woods, or a room above a bakery?",
        (r"cabin|wood|first", "The cabin. Silence, trees, and one owl with opinions."),
        (r"baker|room|second", "The bakery! Waking up at five never smelled so forgivable."),
    ),
    Choice(
        "Would you rather be able to pause time, or to rewind it by one minute?",
        (r"pause|stop|first", "Pause. Naps in the middle of meetings, and nobody any the wiser."),
        (r"rewind|back|minute|second", "Rewind. One minute is just long enough to unsay it."),
    ),
    Choice(
        "Would you rather dance badly in front of everyone, or sing badly at a friend's wedding?",
        (r"danc|first", "Dance! Bad dancing looks like joy from far enough away."),
        (r"sing|song|wedding|second", "Sing! They'd talk about it at every anniversary, and you'd be in the story."),
    ),
    Choice(
        "Would you rather get a love letter by hand, or a song written for you?",
        (r"letter|hand|first", "The letter. Folded small, read in kitchens, never thrown away."),
        (r"song|second|music", "The song. Dangerous, though: it might be catchy, and then everyone knows."),
    ),
)

_GIVE_UP = re.compile(
    r"\b(?:give up|no idea|don'?t know|dunno|idk|tell me|what is it|the answer|solution|not sure)", re.IGNORECASE
)
_HINT = re.compile(r"\bhint|\bclue|\bhelp", re.IGNORECASE)


def open_riddle(last_reply: str, replies: str) -> Riddle | None:
    """The riddle that the last reply asked, or gave a hint to."""
    for riddle in RIDDLES:
        is_asked = riddle.question in last_reply or (riddle.hint in last_reply and riddle.question in replies)
        if is_asked and riddle.answer not in last_reply:
            return riddle
    return None


def judge(riddle: Riddle, guess: str) -> tuple[str, str]:
    """The kind of reaction to a guess, and the sentence with the answer or the hint."""
    if re.search(rf"\b(?:{riddle.pattern})", guess, re.IGNORECASE):
        return "riddle_right", f"It was {riddle.answer}."
    if _GIVE_UP.search(guess):
        return "riddle_told", f"It is {riddle.answer}."
    return "riddle_hint" if _HINT.search(guess) else "riddle_wrong", riddle.hint


def settle(last_reply: str, answer: str) -> str:
    """What to say to the answer of a would-you-rather that the last reply asked; empty if it is none."""
    choice = next((choice for choice in CHOICES if choice.question in last_reply), None)
    if choice is None:
        return ""
    for pattern, reaction in (choice.first, choice.second):
        if re.search(pattern, answer, re.IGNORECASE):
            return reaction
    return ""


def guess_the_lie(text: str) -> str:
    """Which of two statements is the lie, by nothing but length: liars explain too much. Empty if there are not two."""
    parts = [
        part.strip(" .!?\n") for part in re.split(r"[.!?\n;]+|,? and (?=i\b)|, (?=i\b)", text, flags=re.IGNORECASE)
    ]
    statements = [part for part in parts if len(part.split()) > 2]
    longest = max(statements, key=len) if len(statements) == 2 else ""
    return re.sub(r"[^\w\s',%&+-]", "", longest)[:80]
