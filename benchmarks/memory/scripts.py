"""The scripted conversations: reading their files, filling their middles with small talk, checking that they are fair.

A file's format is told in README.md. The same files always give the same conversations.
"""

import random
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SPAN = 240
"""So many code points apart at most are the words of a fact, where it counts as said."""

LEAST_DISTANCE = 30
"""So many messages lie at least between saying and asking: more than any window holds."""

_SENTENCE_END = re.compile(r"[.!?。\n]")
_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")


class ScriptError(Exception):
    """A file is not in the format, or a conversation is not fair."""


@dataclass(frozen=True)
class Fact:
    """What is planted. It counts as known where a text has one word of each group close together.

    `stale` are the words of what it corrects: where they come after those of the correction, it is not known.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    stale: tuple[str, ...] = ()

    def is_told_by(self, texts: Sequence[str]) -> bool:
        """Whether these texts, in their order, could answer the question for it."""
        told = [self._end_in(text) for text in texts]
        if all(end is None for end in told):
            return False
        number = max(number for number, end in enumerate(told) if end is not None)
        rest = _SENTENCE_END.split(texts[number][told[number] :], maxsplit=1)[1:]  # "ten now, not nine" tells of ten
        later = [*rest, *texts[number + 1 :]]
        return not any(_find(word, text) for text in later for word in self.stale)

    def _end_in(self, text: str) -> int | None:
        """Where the last telling of it ends in a text."""
        places = [sorted(match for word in group for match in _find(word, text)) for group in self.groups]
        for start, end in reversed(places[0]):
            around = [[e for s, e in found if start - SPAN <= s and e <= end + SPAN] for found in places]
            if all(around):
                return max(map(max, around))
        return None


@dataclass(frozen=True)
class Exchange:
    """One message of a person and the reply to it."""

    said: str
    reply: str
    plants: tuple[str, ...] = ()
    asks: str | None = None
    is_small_talk: bool = False


@dataclass(frozen=True)
class Conversation:
    """All that is said in one chat session, and what has to be remembered of it."""

    name: str
    title: str
    exchanges: tuple[Exchange, ...]
    facts: dict[str, Fact]

    @property
    def messages(self) -> int:
        """How many: two to an exchange."""
        return 2 * len(self.exchanges)


@dataclass
class _Draft:
    """A file as it is read. A number among the parts stands for so many exchanges of small talk, -1 for a share."""

    head: dict[str, str]
    parts: list[Exchange | int]
    facts: dict[str, Fact]


def read_conversations() -> list[Conversation]:
    """All of them, the shortest first. Raises ScriptError."""
    found = [read_conversation(path) for path in sorted((FOLDER / "conversations").glob("*.txt"))]
    return sorted(found, key=lambda one: one.messages)


def read_conversation(path: Path) -> Conversation:
    """One of them, filled up with small talk. Raises ScriptError."""
    draft = _read(path)
    filler = _Filler(path.stem, draft)
    exchanges: list[Exchange] = []
    for part in draft.parts:
        exchanges += [part] if isinstance(part, Exchange) else filler.take(part)
    conversation = Conversation(path.stem, draft.head["title"], tuple(exchanges), draft.facts)
    if faults := find_faults(conversation, int(draft.head["messages"])):
        raise ScriptError(f"{path.name}: " + "; ".join(faults))
    return conversation


# Reading ------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(mark, text) of each line that says something. What stands in braces is drawn, the same each time."""

    def draw(match: re.Match[str]) -> str:
        options = match[1].split("|")
        return options[zlib.crc32(f"{path.stem}{match[1]}".encode()) % len(options)]

    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            mark, _, text = line.partition(" ")
            yield mark, _CHOICE.sub(draw, text) if mark in (">", ">>", "<") else text


def _read(path: Path) -> _Draft:
    draft, plants, asks, said = _Draft({}, [], {}), [], None, None
    for mark, text in _lines(path):
        if mark == "=":
            fact = _read_fact(text)
            plants.append(fact.name)
            if draft.facts.setdefault(fact.name, fact) is not fact:
                raise ScriptError(f"{path.name}: {fact.name} is planted twice")
        elif mark == "?":
            asks = text.strip()
        elif mark == ">":
            said = text
        elif mark == "<" and said is not None:
            draft.parts.append(Exchange(said, text, tuple(plants), asks))
            plants, asks, said = [], None, None
        elif mark == "~":
            draft.parts.append(-1 if text == "*" else int(text))
        elif mark.endswith(":"):
            draft.head[mark[:-1]] = text
        else:
            raise ScriptError(f"{path.name}: what is this? {mark} {text}")
    return draft


def _read_fact(text: str) -> Fact:
    name, _, rest = text.partition(":")
    wanted, _, stale = rest.partition("!")
    return Fact(name.strip(), tuple(map(_words, wanted.split(" & "))), _words(stale) if stale else ())


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip().strip('()"').strip() for word in text.split("|"))


def _find(word: str, text: str) -> list[tuple[int, int]]:
    """Where a word, or several, stand in a text; whole ones, if the script has spaces between words."""
    edge = r"(?<!\w)%s(?!\w)" if word.isascii() or not re.search(r"[\u3040-\u9fff]", word) else "%s"
    return [match.span() for match in re.finditer(edge % re.escape(word), text, re.IGNORECASE)]


# Small talk ---------------------------------------------------------------------------------------


class _Filler:
    """Gives each conversation its own order of the small talk, nothing twice and nothing that it asks for."""

    def __init__(self, name: str, draft: _Draft) -> None:
        self._chats = [
            chat
            for chat in _read_small_talk(draft.head.get("language", "en"), name)
            if not any(_is_about(fact, one) for fact in draft.facts.values() for one in chat)
        ]
        random.Random(zlib.crc32(name.encode())).shuffle(self._chats)
        shares = draft.parts.count(-1)
        written = sum(1 if isinstance(part, Exchange) else max(part, 0) for part in draft.parts)
        left = int(draft.head["messages"]) // 2 - written
        self._shares = [left // shares + (number < left % shares) for number in range(shares)]

    def take(self, count: int) -> list[Exchange]:
        """So many exchanges, or the next share for -1. Raises ScriptError when there are no more."""
        count = self._shares.pop(0) if count < 0 else count
        found: list[Exchange] = []
        while len(found) < count:
            chat = next((chat for chat in self._chats if len(chat) <= count - len(found)), None)
            if chat is None:
                raise ScriptError(f"there is not enough small talk for {count} exchanges")
            self._chats.remove(chat)
            found += chat
        return found


def _read_small_talk(language: str, name: str) -> list[list[Exchange]]:
    """The small talk of a language: chats of one exchange or several."""
    path, said = FOLDER / "small_talk" / f"{language}.txt", ""
    chats: list[list[Exchange]] = []
    if not path.exists():
        return []
    for mark, text in _lines(path):
        if mark in (">", ">>"):
            said = text
            chats += [[]] if mark == ">" else []
        elif mark == "<":
            chats[-1].append(Exchange(said, text, is_small_talk=True))
    return chats


def _is_about(fact: Fact, exchange: Exchange) -> bool:
    texts = (exchange.said, exchange.reply)
    rarest = max(fact.groups, key=lambda group: max(map(len, group)))
    return any(_find(word, text) for text in texts for word in (*rarest, *fact.stale))


# Fairness -----------------------------------------------------------------------------------------


def find_faults(conversation: Conversation, messages: int) -> list[str]:
    """What makes a conversation unfair, or easier than it looks."""
    faults = [] if conversation.messages == messages else [f"{conversation.messages} messages, not {messages}"]
    if not 60 <= messages <= 400 or not 6 <= len(conversation.facts) <= 15:
        faults.append(f"{messages} messages with {len(conversation.facts)} facts")
    for fact in conversation.facts.values():
        faults += [f"{fact.name}: {fault}" for fault in _faults_of(fact, conversation.exchanges)]
    return faults


def _faults_of(fact: Fact, exchanges: Sequence[Exchange]) -> Iterable[str]:
    planted = next(number for number, one in enumerate(exchanges) if fact.name in one.plants)
    asked = [number for number, one in enumerate(exchanges) if one.asks == fact.name]
    if len(asked) != 1:
        yield f"asked {len(asked)} times"
        return
    if not fact.is_told_by([exchanges[planted].said]):
        yield "not told where it is planted"
    if planted * 3 > len(exchanges):
        yield "planted too late"
    if asked[0] * 2 < len(exchanges) or (asked[0] - planted) * 2 < LEAST_DISTANCE:
        yield "asked too early"
    between = [
        text for one in exchanges[max(planted + 1, len(exchanges) // 3) : asked[0]] for text in (one.said, one.reply)
    ]
    for text in [*between, exchanges[asked[0]].said]:
        if fact.is_told_by([text]):
            yield f"told again before it is asked: {text}"
