"""A summary without a model: the sentences that tell most, in the words of those who said them.

It is honest in that it invents nothing, and it chains: the sentences of the summary before it compete with what was
said since, and what is said about oneself by name, number and date wins over chatter, however old it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

from chatify.memory import sentences
from chatify.memory.texts import without_marks, without_recalled
from chatify.memory.window import Said

MAX_SUMMARY = 3_200
"""Code points: about 800 tokens."""

MOST_COMPARED = 400
"""Sentences that are compared with one another, which takes the square of their number."""

NOTHING = "Nothing was said that could be kept."

HEADING = "The user said, in these words (what others said is marked):"
_USER, _COMPANION, _OTHER, _NOTED = "User", "Companion", "Other person", "Noted before"
_SPEAKERS = {"user": _USER, "assistant": _COMPANION, "human": _OTHER}
_LINE = re.compile(rf"^(?:({_COMPANION}|{_OTHER}|{_NOTED}): |\(asked: (.{{1,200}}?)\) )?(.+)$")

_NEW = 1_000_000
"""What is new has places from here on: after whatever a summary holds."""

_KEPT = 2.5
"""What was worth keeping once gives way only to what is worth much more: or chatter would wash it away bit by bit."""

_BY_ANOTHER_HAND, _PROMISE, _BY_COMPANION, _ANSWER = 2.0, 1.2, 0.05, 3.0
_SAMENESS = 1.5

_FEW_WORDS = 2
"""Fewer are part of many sentences that are about something else."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One sentence, with who said it, or that a summary has it which we did not make, and the question it answers."""

    place: int
    speaker: str
    asked: str
    text: str
    words: frozenset[str]

    @property
    def line(self) -> str:
        """As it stands in the summary."""
        if self.asked:
            return f"(asked: {self.asked}) {self.text}"
        if self.speaker != _USER:
            return f"{self.speaker}: {self.text}"
        looks_marked = (match := _LINE.match(self.text)) is not None and match[3] != self.text
        return f'"{self.text}"' if looks_marked else self.text


def extract(previous: str, said: Sequence[Said], limit: int = MAX_SUMMARY) -> str:
    """The summary of a summary and what was said after it, at most `limit` code points, in the order of saying.

    Never empty. The same input gives the same text.
    """
    items = _without_doubles([*_of_summary(previous), *_of_messages(said)])
    weights = _heaviest(items)
    chosen = _choose(_without_repetition(weights), weights, limit - len(HEADING)) or items[:1]
    lines = [item.line for item in sorted(chosen, key=_place)]
    return "\n".join([HEADING, *lines])[:limit] if lines else NOTHING


# What there is ------------------------------------------------------------------------------------


def _of_summary(previous: str) -> list[_Item]:
    """Its sentences. One that a model or a person wrote speaks of the user, not as them."""
    is_ours, found = previous.startswith(HEADING), list[_Item]()
    if previous == NOTHING:
        return found
    for line in previous.removeprefix(HEADING).splitlines():
        if is_ours and (match := _LINE.match(line)):
            found.append(_item(len(found), match[1] or _USER, match[2] or "", match[3]))
        elif not is_ours:
            texts = sentences.split(line.strip().removeprefix("- "))
            found += [_item(len(found) + number, _NOTED, "", text) for number, text in enumerate(texts)]
    return found


def _of_messages(said: Sequence[Said]) -> Iterable[_Item]:
    asked, place = "", _NEW
    for message in said:
        texts = sentences.split(without_marks(without_recalled(message.content)))
        speaker = _SPEAKERS.get(message.role, _OTHER)
        for number, text in enumerate(texts):
            place += 1
            is_answer = speaker == _USER and not number and sentences.is_short_answer(text)
            yield _item(place, speaker, asked if is_answer else "", text)
        asked = texts[-1] if texts and speaker != _USER and sentences.is_question(texts[-1]) else ""


def _item(place: int, speaker: str, asked: str, text: str) -> _Item:
    return _Item(place, speaker, asked, text, sentences.terms_of(f"{asked} {text}"))


def _without_doubles(items: Iterable[_Item]) -> list[_Item]:
    """Of sentences with the same words the first stays, if it can be one that the companion has not only repeated."""
    ranked = sorted(items, key=lambda item: (item.speaker == _COMPANION, item.place))
    kept: dict[frozenset[str], _Item] = {}
    for item in ranked:
        kept.setdefault(item.words, item)
    return sorted(kept.values(), key=_place)


def _without_repetition(items: Iterable[_Item]) -> list[_Item]:
    """Of sentences of which one has only some of the other one's words, the fullest and first stays."""
    kept: list[_Item] = []
    for item in sorted(items, key=lambda item: (item.speaker == _COMPANION, -len(item.words), item.place)):
        if len(item.words) < _FEW_WORDS or not any(item.words <= other.words for other in kept):
            kept.append(item)
    return sorted(kept, key=_place)


# What is chosen -----------------------------------------------------------------------------------


def _heaviest(items: Iterable[_Item]) -> dict[_Item, float]:
    """What may be chosen, with its weight."""
    told = (item for item in items if item.asked or not sentences.is_chatter(item.text))
    weighed = ((item, _weight(item)) for item in told)
    return dict(nlargest(MOST_COMPARED, weighed, key=lambda one: (one[1], -one[0].place)))


def _choose(items: Iterable[_Item], weights: Mapping[_Item, float], limit: int) -> list[_Item]:
    """The best ones that fit; what says much the same as one that is chosen already is worth less."""
    waiting = {item: weights[item] for item in items}
    chosen: list[_Item] = []
    left = limit
    while waiting:
        best = max(waiting, key=lambda item: (waiting[item], -item.place))
        weight = waiting.pop(best)
        if weight <= 0:
            break
        if len(best.line) + 1 > left:
            continue
        chosen.append(best)
        left -= len(best.line) + 1
        for item in waiting:
            if shared := item.words & best.words:
                waiting[item] -= _SAMENESS * (len(shared) / len(item.words)) ** 3
    return chosen


def _weight(item: _Item) -> float:
    weight = sentences.weight_of(item.text)
    if item.asked:
        weight = _ANSWER - sentences.is_chatter(item.text)
    elif item.speaker == _NOTED:
        weight += _BY_ANOTHER_HAND
    elif item.speaker == _COMPANION:
        weight = _PROMISE if sentences.is_promise(item.text) else _BY_COMPANION
    return weight + _KEPT * (item.place < _NEW)


def _place(item: _Item) -> int:
    return item.place
