"""What fits into a personality's token budget: estimated before the call, corrected by what providers measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chatify.common.tokens import estimate_tokens, most_tokens
from templates_app.checks import ROOM_FOR_TALK

PER_MESSAGE = 6
"""Tokens that formats put around each message."""

LEAST = 100
"""What waits for an answer gets so many in any case, however wrong an estimate turned out to be."""

MOST_CORRECTION = 1.6
MARGIN = 1.05
FADING = 0.9
_CUT = " […] "


class Corrections:
    """How much more tokens models count than we do, by model: never less, as a budget is not to be exceeded.

    It fades as contexts turn out to be smaller: one text that no estimate fits must not narrow all others for good.
    """

    def __init__(self) -> None:
        self._factors: dict[str, float] = {}

    def factor(self, model: str) -> float:
        """What estimates for this model are multiplied with."""
        return self._factors.get(model, 1.0)

    def observe(self, model: str, *, estimated: int, measured: int) -> None:
        """A provider has counted `measured` tokens where `estimated` were expected, uncorrected; 0: not estimated."""
        if estimated <= 0:
            return
        wanted = min(measured / estimated * MARGIN, MOST_CORRECTION)
        present = self.factor(model)
        self._factors[model] = max(1.0, wanted, present * FADING)


corrections = Corrections()


@dataclass(frozen=True, slots=True)
class Material:
    """What a context is made of. `latest` are (role, content) pairs, oldest first; the last ones wait for an answer.

    `leaner` gives the system prompt with less and less of what is known about the person, at last with nothing.
    """

    system: str
    memories: str
    summary: str
    latest: Sequence[tuple[str, str]]
    leaner: Callable[[], Iterable[str]] = tuple

    @property
    def texts(self) -> list[str]:
        """All that is sent."""
        return [self.system, self.memories, self.summary, *(content for _, content in self.latest)]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What of it fits. `estimated` is 0 when it was plain without counting that all does."""

    system: str
    latest: Sequence[tuple[str, str]]
    estimated: int = 0


def fit(material: Material, budget: int, factor: float = 1.0) -> Fitted:
    """What fits into `budget` tokens, the oldest out first and the personality's own words never.

    What waits for an answer stays, too, shortened in its middle if it would take more than two thirds of the room that
    others need. Of the rest the summary gets at most half and what is remembered at most a quarter of what the messages
    before would need.
    """
    around = PER_MESSAGE * (len(material.latest) + 2)
    if (sum(map(most_tokens, material.texts)) + around) * factor <= budget:
        return Fitted(_joined(material.system, material.memories, material.summary), material.latest)
    limit = int(budget / factor) - PER_MESSAGE * 2
    system = _system(material, limit - ROOM_FOR_TALK)
    left = limit - estimate_tokens(system)
    known = estimate_tokens(material.memories) + estimate_tokens(material.summary)
    waiting, left = _waiting(material.latest, left, max(left - min(known, left // 3), LEAST))
    earlier = material.latest[: len(material.latest) - len(waiting)]
    wanted = sum(estimate_tokens(content) + PER_MESSAGE for _, content in earlier)
    memories, left = _lines(material.memories, max(left - wanted, left // 4), left)
    summary, left = _lines(material.summary, max(left - wanted, left // 2), left)
    fitting, left = _newest(earlier, left)
    return Fitted(_joined(system, memories, summary), [*fitting, *waiting], limit - left + PER_MESSAGE * 2)


def _system(material: Material, most: int) -> str:
    """The richest system prompt that leaves room for what is said; the leanest, if none does."""
    system = material.system
    if estimate_tokens(system) > most:
        for system in material.leaner():
            if estimate_tokens(system) <= most:
                break
    return system


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _waiting(latest: Sequence[tuple[str, str]], left: int, share: int) -> tuple[list[tuple[str, str]], int]:
    """The messages at the end that wait for an answer, newest first in line for their share of what is left."""
    first = len(latest)
    while first and latest[first - 1][0] != "assistant":
        first -= 1
    found: list[tuple[str, str]] = []
    for role, content in reversed(latest[first:]):
        room = share - PER_MESSAGE
        if found and room < estimate_tokens(content):
            break
        text = shorten(content, room)
        size = estimate_tokens(text) + PER_MESSAGE
        share, left = share - size, left - size
        found.append((role, text))
    return found[::-1], left


def _lines(block: str, share: int, left: int) -> tuple[str, int]:
    """As much of a block as fits into its share: between its first and its last line, the first of the others.

    What was said first has been kept longest, and what is remembered comes by how much it matters.
    """
    share = min(share, left)
    if not block or estimate_tokens(block) <= share:
        return block, left - estimate_tokens(block)
    head, *lines = block.split("\n")
    tail = [lines.pop()] if lines and not lines[-1].startswith(('"', "-")) else []
    share -= estimate_tokens("\n".join([head, *tail])) + 1
    kept: list[str] = []
    for line in lines:
        size = estimate_tokens(line) + 1
        if size <= share:
            kept.append(line)
            share -= size
    shown = "\n".join([head, *kept, *tail]) if kept else ""
    return shown, left - estimate_tokens(shown)


def _newest(earlier: Sequence[tuple[str, str]], left: int) -> tuple[list[tuple[str, str]], int]:
    found: list[tuple[str, str]] = []
    for role, content in reversed(earlier):
        size = estimate_tokens(content) + PER_MESSAGE
        if size > left:
            break
        found.append((role, content))
        left -= size
    return found[::-1], left


def shorten(text: str, tokens: int) -> str:
    """The text, with its middle left out as far as it has more tokens: people put what matters first or last."""
    present = estimate_tokens(text)
    if present <= tokens:
        return text
    length = max(1, len(text) * max(tokens, 0) // present)
    while length > 1 and estimate_tokens(_ends(text, length)) > tokens:
        length = length * 31 // 32
    return _ends(text, length)


def _ends(text: str, length: int) -> str:
    tail = length // 3
    return text[: length - tail] + _CUT + text[len(text) - tail :] if tail else text[:1]
