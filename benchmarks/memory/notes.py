"""A stand-in for the model that writes summaries: notes of what sounds as if it mattered, in telegraphic style.

It has no idea which facts are asked later, knows only what it is given, loses what does not fit, and obeys its limit.
One thing that every language model can do it could not by itself: tell small talk when it sees some. It is told.
"""

import json
import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.memory.counting import count_tokens

MOST_WORDS = 300
"""What Chatify's built-in prompt allows."""

MERGED = 3
"""A sentence of so many words at most belongs to the one before it."""

NOTHING = "Small talk."
_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\d\.)\s+|\n+|(?<=[。！？])")
_WORD = re.compile(r"[\w'’&%€$/:,.-]*\w[\w'’%€$/-]*")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_IDLE = frozenset(
    """
    a an the and or so but that this these those it it's its is are was were be been being i'm i've i'd i'll am have
    has had do does did done will would could should can to in at for with as by from there here then than just really
    very quite rather perhaps maybe ok okay oh well yes like also too even still now only what which who how you you're
    your me we're we've we he's she's they they're get got go goes going thing things some any all one
    ich du er sie es wir ihr der die das den dem des ein eine einen einem einer und oder aber ist sind war bin hat habe
    haben wird werden zu im in am an auf mit von für so dann da noch auch nur schon mal ja doch gut also
    """.split()  # noqa: SIM905 - one word a line would fill pages
)
_PERSONAL = frozenset({"i", "i'm", "i've", "my", "we", "our", "mine", "ich", "mein", "meine", "wir", "unser", "mir"})
_WEIGHTY = re.compile(
    r"allerg|doctor|pain|mother|mum\b|father|dad\b|sister|brother|wife|husband|daughter|\bson\b|grand|friend|"
    r"colleague|neighbour|called|name|deadline|birthday|appointment|interview|wedding|died|always|never|every|must|"
    r"mustn't|can't|not allowed|changed|decided|moved|actually|instead|promise|works? |lives? |starts?|job|school|"
    r"afraid|Mutter|Vater|Schwester|Bruder|Freund|heißt|Arbeit|ziehe|muss|母|父|友達|仕事|名前|変わ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Note:
    """A statement, in full and in short."""

    full: str
    short: str
    weight: float

    @classmethod
    def of(cls, sentence: str, bonus: float = 0.0) -> "_Note":
        """Weighed."""
        short = _shorten(sentence)
        return cls(sentence.strip(), short, _weight(sentence, short) + bonus)


def summarize(text: str, max_tokens: int, small_talk: Container[str]) -> str:
    """The summary that this stand-in writes for Chatify's request. It passes over messages of `small_talk`."""
    previous, said = _read(text)
    notes = [_Note.of(line, bonus=1.0) for line in previous]
    for role, content in said:
        if role == "user" and content.partition("\n\n")[0] not in small_talk:  # whatever is pasted behind it
            notes += [_Note.of(statement) for statement in _statements(content)]
    return "\n".join(_fit(list({note.short: note for note in notes}.values()), max_tokens)) or NOTHING


def _read(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The lines of the summary before, and (who, what) of each message."""
    previous: list[str] = []
    said: list[tuple[str, str]] = []
    for data in _data(text.splitlines()):
        if isinstance(data, str):
            previous = data.splitlines()
        elif isinstance(data, dict):
            said.append((str(data.get("from")), str(data.get("text"))))
    return [line for line in previous if line != NOTHING], said


def _data(lines: Iterable[str]) -> Iterator[object]:
    for line in lines:
        if line[:1] in ('"', "{"):
            yield json.loads(line)


def _statements(content: str) -> list[str]:
    """The sentences of a message that say something. Short ones go with the one before."""
    found: list[str] = []
    for sentence in _SENTENCE_END.split(content):
        words = _shorten(sentence).split()
        if not words or "?" in sentence:
            continue
        if found and len(words) <= MERGED and not _JAPANESE.search(sentence):
            found[-1] = f"{found[-1]} {sentence}"
        else:
            found.append(sentence)
    return found


def _shorten(sentence: str) -> str:
    """The sentence without the words that carry little."""
    if _JAPANESE.search(sentence):
        return sentence.strip()
    words = [word for word in _WORD.findall(sentence) if word.lower() not in _IDLE]
    return " ".join(words)


def _weight(sentence: str, note: str) -> float:
    words = note.split()
    named = sum(word[0].isupper() for word in words[1:]) + sum(word.istitle() for word in words[:1]) * 0.3
    numbers = sum(any(sign.isdigit() for sign in word) for word in words)
    personal = 1.0 if _PERSONAL & {word.lower() for word in sentence.split()} else 0.0
    weighty = min(len(_WEIGHTY.findall(sentence)), 3)
    return 1.2 * min(named, 3) + 1.2 * min(numbers, 2) + personal + 1.3 * weighty - 0.06 * len(words)


def _fit(notes: list[_Note], max_tokens: int) -> list[str]:
    """The weightiest ones that the limit has room for, in the order of their saying; in full as far as it goes."""
    left = [MOST_WORDS, max_tokens]
    chosen: dict[_Note, str] = {}

    def put(note: _Note, text: str) -> None:
        before = chosen.get(note, "")
        more = [_size(text) - _size(before), count_tokens(text) + 1 - (count_tokens(before) + 1 if before else 0)]
        if all(wanted <= room for wanted, room in zip(more, left, strict=True)):
            left[:] = [room - wanted for wanted, room in zip(more, left, strict=True)]
            chosen[note] = text

    ranked = sorted(notes, key=lambda note: -note.weight)
    for note in ranked:
        put(note, note.short)
    for note in ranked:
        if note in chosen:
            put(note, note.full)
    return [chosen[note] for note in notes if note in chosen]


def _size(note: str) -> int:
    """Words; scripts without spaces have about two letters to a word."""
    return len(note.split()) + len(_JAPANESE.findall(note)) // 2
