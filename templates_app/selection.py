"""Which personality answers when nobody chose one, and which one would fit better. Pure: facts in, a choice out.

The order: who was asked for, who the user prefers, whom they were content with, what it is about, the time of day,
the default one. Personalities for adults are passed over for everybody else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple
from uuid import UUID

from chatify.common.errors import AgeRestricted, InvalidInput, NotFound

AUTO = "auto"
"""Instead of a slug: whoever fits. No personality may be called that."""

PARTS_OF_DAY = ("morning", "afternoon", "evening", "night")
CONTENT = 4.0
"""The mean rating from which on somebody was content with a personality."""

NOTHING_ELSE = "Nothing else decided."
"""The default's reason, unless a preference was passed over."""

MAX_WORDS = 200
MAX_WORD = 60
MAX_MATCHED = 1_000
MAX_FOLDED = 2_000
"""Of a message, in code points: as it was sent, and as it is compared."""

By = Literal["explicit", "preference", "satisfaction", "context", "time", "default"]
_TOKEN = re.compile(r"\w+")
_PARTS = re.compile(r"\w+\*?")
_WITH_STARS = re.compile(r"[\w*]+")


class Offer(NamedTuple):
    """A personality on offer, as far as a choice needs it."""

    id: UUID
    slug: str
    name: str
    is_for_adults: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A text, read once for all rules: as words with a space around each, all of them, and how they begin."""

    line: str
    words: frozenset[str]
    beginnings: frozenset[str]

    @classmethod
    def of(cls, words: Sequence[str]) -> Said:
        """What `tokens` finds."""
        different = frozenset(words)
        beginnings = frozenset(word[:end] for word in different for end in range(1, min(len(word), MAX_WORD) + 1))
        return cls(f" {' '.join(words)} ", different, beginnings)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that have to follow each other."""

    whole: frozenset[str]
    starts: frozenset[str]
    parts: tuple[str, ...]
    as_line: str | None
    """None with stars inside: only a pattern finds it then."""

    @classmethod
    def of(cls, parts: Sequence[str]) -> Phrase:
        """`parts` with a star behind those that stand for all that begin like that."""
        is_plain = not any(part.endswith("*") for part in parts[:-1])
        line = f" {' '.join(parts)} ".replace("* ", "") if is_plain else None
        return cls(*_sorted_out(parts), tuple(parts), line)

    def comes_up(self, text: Said) -> bool:
        """Whether it is in a text. It is searched for only where all of its parts are."""
        if not (self.whole <= text.words and self.starts <= text.beginnings):
            return False
        return self.as_line in text.line if self.as_line else _pattern(self.parts).search(text.line) is not None


@dataclass(frozen=True, slots=True)
class Words:
    """Words and phrases to look for; `relation*` stands for all that begin like that.

    They are compared where Python is fast, in sets and strings: this is done on event loops, for texts that people
    may have made to be slow.
    """

    whole: frozenset[str]
    starts: frozenset[str]
    phrases: tuple[Phrase, ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> Words:
        """Made for looking up."""
        found = [parts for word in words if (parts := _PARTS.findall(_folded(word)))]
        single = [parts[0] for parts in found if len(parts) == 1]
        return cls(*_sorted_out(single), tuple(Phrase.of(parts) for parts in found if len(parts) > 1))

    def come_up(self, text: Said) -> bool:
        """Whether one of them is in a text."""
        if not self.whole.isdisjoint(text.words) or not self.starts.isdisjoint(text.beginnings):
            return True
        return any(phrase.comes_up(text) for phrase in self.phrases)


@dataclass(frozen=True, slots=True)
class Rule:
    """When which personality answers. All conditions have to hold, and an empty one does."""

    name: str
    slug: str
    words: Words | None = None
    parts_of_day: frozenset[str] = frozenset()

    def holds(self, text: Said, part_of_day: str) -> bool:
        """Whether its conditions do."""
        is_time = not self.parts_of_day or part_of_day in self.parts_of_day
        return is_time and (self.words is None or self.words.come_up(text))


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a chat session starts. `satisfied` has mean ratings of at least two chat sessions each."""

    slug_asked: str | None = None
    preferred: str = ""
    satisfied: Mapping[UUID, float] = field(default_factory=dict)
    text: str = ""
    part_of_day: str = ""
    is_adult: bool = False


class Choice(NamedTuple):
    """The personality, what decided on it, and why. `skipped` says who would have come before, and why not."""

    template_id: UUID
    by: By
    reason: str
    skipped: tuple[str, ...] = ()


class Suggestion(NamedTuple):
    """Another personality, that would fit better."""

    offer: Offer
    reason: str


def choose(situation: Situation, offers: Mapping[str, Offer], rules: Sequence[Rule]) -> Choice:
    """Choose among the offers (by slug, the default one first) by these rules (in their order).

    Raises NotFound (`unknown_template`) or AgeRestricted, when somebody was asked for or nobody is left.
    """
    if situation.slug_asked is not None:
        return _asked(situation, offers)
    skipped: list[str] = []
    passed_over = ""
    for slug, by, reason in _candidates(situation, offers, rules):
        offer = offers.get(slug)
        if offer is not None and _may_have(situation, offer):
            told = passed_over if passed_over and reason == NOTHING_ELSE else reason
            return Choice(offer.id, by, told, tuple(skipped))
        why = "for adults" if offer is not None else "not on offer"
        skipped.append(f"{by}: {slug or 'a personality'} is {why}")
        if by == "preference":
            passed_over = f"The preferred one, {slug}, is {why}."
    if not offers:
        raise NotFound("There is no personality yet: run manage.py seed_templates.", code="unknown_template")
    raise AgeRestricted


def suggest(
    text: str,
    part_of_day: str,
    current: str,
    offers: Mapping[str, Offer],
    rules: Sequence[Rule],
    *,
    is_adult: bool,
    before: Collection[str] = (),
) -> Suggestion | None:
    """Who would fit better to a message than the `current` personality (its slug); None if nobody, or it does well.

    Those that were suggested `before` are not suggested again.
    """
    fitting = [rule for rule in matching(text, part_of_day, rules) if rule.slug not in before or rule.slug == current]
    if any(rule.slug == current for rule in fitting):
        return None
    for rule in fitting:
        offer = offers.get(rule.slug)
        if offer is not None and (is_adult or not offer.is_for_adults):
            return Suggestion(offer, rule.name)
    return None


def matching(text: str, part_of_day: str, rules: Sequence[Rule]) -> list[Rule]:
    """The rules with words that hold for a message, of which the beginning counts."""
    words = tokens(text[:MAX_MATCHED], MAX_FOLDED)
    found = Said.of(words[:-1] if len(text) > MAX_MATCHED else words)  # the last one may be cut
    return [rule for rule in rules if rule.words is not None and rule.holds(found, part_of_day)]


def tokens(text: str, most: int | None = None) -> list[str]:
    """The words of a text, as they are compared: letters in one case and one form, nothing but letters and digits.

    At most the words in the first `most` code points of that form, which may be many times as long as the text.
    """
    return _TOKEN.findall(_folded(text)[:most])


def checked_words(words: object) -> list[str]:
    """Words of a rule as they are stored, each once. Raises InvalidInput (`bad_word`, `too_long`)."""
    if not isinstance(words, list | tuple):
        raise InvalidInput.at("words", "bad_word", "This is no list of words.")
    if len(words) > MAX_WORDS:
        raise InvalidInput.at("words", "too_long", f"At most {MAX_WORDS} words.")
    return list(dict.fromkeys(_checked_word(word) for word in words))


def checked_parts_of_day(parts: object) -> list[str]:
    """Parts of the day of a rule, in their order. Raises InvalidInput (`unknown_part_of_day`)."""
    if not isinstance(parts, list | tuple) or any(part not in PARTS_OF_DAY for part in parts):
        raise InvalidInput.at("parts_of_day", "unknown_part_of_day", f"There are: {', '.join(PARTS_OF_DAY)}.")
    return [part for part in PARTS_OF_DAY if part in parts]


def _asked(situation: Situation, offers: Mapping[str, Offer]) -> Choice:
    offer = offers.get(situation.slug_asked or "")
    if offer is None:
        raise NotFound("There is no personality of this name.", code="unknown_template")
    if not _may_have(situation, offer):
        raise AgeRestricted
    return Choice(offer.id, "explicit", "It was asked for.")


def _candidates(
    situation: Situation, offers: Mapping[str, Offer], rules: Sequence[Rule]
) -> Iterator[tuple[str, By, str]]:
    """(slug, by, reason) in the order in which they are asked."""
    if situation.preferred:
        yield situation.preferred, "preference", "It is the preferred one."
    yield from _liked(situation, offers)
    found = Said.of(tokens(situation.text))
    for rule in rules:
        if rule.words is not None and rule.holds(found, situation.part_of_day):
            yield rule.slug, "context", rule.name
    for rule in rules:
        if rule.words is None and rule.holds(found, situation.part_of_day):
            yield rule.slug, "time" if rule.parts_of_day else "default", rule.name
    for slug in offers:
        yield slug, "default", NOTHING_ELSE


def _liked(situation: Situation, offers: Mapping[str, Offer]) -> Iterator[tuple[str, By, str]]:
    slugs = {offer.id: offer.slug for offer in offers.values()}
    liked = [(rating, id_) for id_, rating in situation.satisfied.items() if rating >= CONTENT]
    for rating, id_ in sorted(liked, key=lambda one: -one[0]):
        yield slugs.get(id_, ""), "satisfaction", f"Earlier conversations with it were rated {rating:.1f} of 5."


def _may_have(situation: Situation, offer: Offer) -> bool:
    return situation.is_adult or not offer.is_for_adults


def _sorted_out(parts: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Those without and those with a star, which is left out."""
    found = set(parts)
    starts = {part for part in found if part.endswith("*")}
    return frozenset(found - starts), frozenset(part[:-1] for part in starts)


@lru_cache(maxsize=4096)
def _pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    """For a phrase with stars inside."""
    found = (rf"{part[:-1]}\w*+" if part.endswith("*") else part for part in parts)
    return re.compile(f" {' '.join(found)} ")


def _checked_word(word: object) -> str:
    text = " ".join(_folded(word).split()) if isinstance(word, str) else ""
    parts = _WITH_STARS.findall(text)
    if not parts or len(text) > MAX_WORD or not all(_PARTS.fullmatch(part) for part in parts):
        message = f"“{text[:MAX_WORD]}” is no word: letters, with * behind them for all that begin like that."
        raise InvalidInput.at("words", "bad_word", message)
    return text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
