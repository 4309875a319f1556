"""Sentences, what they are about, and how much each tells. Pure rules: quick, and for many languages rough."""

from __future__ import annotations

import re

from chatify.memory.signals import is_about_self, signals_in
from chatify.memory.words import plain

MAX_SENTENCE = 200
"""Code points. What is longer is taken apart where it has a comma or a conjunction."""

MAX_JOINED = 180

_ENDS = re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+|(?<=[\u3002\uff01\uff1f\uff0e])|[\r\n\u2028\u2029]+")
_ABBREVIATION = re.compile(
    r"(?:[^\W\d_]|\d{1,2}|mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|z\.b|no|nr|approx|ca)\.", re.IGNORECASE
)
_JOINTS = re.compile(
    r"(?<=[,;:\u3001\uff0c\uff1b])\s*|\s+(?=(?:and|but|und|aber|et|mais|y|pero|e|ma|\u2013|-)\s)", re.IGNORECASE
)
_DEPENDENT = re.compile(
    r"(?:and|but|so|he|she|it|they|that|this|his|her|their|er|sie|es|das|die|der|il|elle|ça|él|ella)\b", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_QUESTION = re.compile(r"[?\uff1f\u061f][\s\"'\u201d)]*$")
_CHATTER = re.compile(
    r"^(?:(?:ok|okay|yes|yeah|yep|no|nope|sure|thanks?|thank\s+you|thx|lol|haha\w*|hi|hello|hey|bye|cool|nice|great|wow|hmm+"
    r"|right|exactly|i\s+see|got\s+it|good\s+(?:morning|night|evening)|ja|nein|danke|hallo|genau|oui|non|merci|sí|gracias"
    r"|hola)\b[\s\W]*)+",
    re.IGNORECASE,
)
_PROMISE = re.compile(
    r"\b(?:i\s+will|i'll|i\s+promise|let's|we\s+agreed|ich\s+werde|je\s+vais|voy\s+a)\b", re.IGNORECASE
)
_EMPTY_WORDS = """
    a about again all also am an and any are as at be been being but by can could did do does don't for from get got
    had has have he her here hers him his how i i'd i'll i'm i've if in into is isn't it it's its just me mine my
    myself no not now of off oh on one or our out over really she should so some than that that's the their them then
    there these they thing this those to too up us very was we well were what when where which who why will with would
    yes you your yours user said says say der die das ein eine ich bin ist und zu mein meine le la les un une je suis
    est et mon ma el los una yo soy es y mi por way actually think know
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())


def split(text: str) -> list[str]:
    """The sentences of a text, each on one line: long ones in parts, what tells little alone with the one before."""
    found: list[str] = []
    for piece in _ENDS.split(text):
        sentence = " ".join(piece.split())
        if found and sentence and _belongs(sentence, found[-1]):
            found[-1] += f" {sentence}"
        elif sentence:
            found.append(sentence)
    return [part for sentence in found for part in _parts(sentence)]


def terms_of(sentence: str) -> frozenset[str]:
    """The words that tell what it is about; pairs of signs where a language has no spaces."""
    words = {word.casefold().removesuffix("'s") for word in _WORD.findall(plain(sentence)) if not _WIDE.search(word)}
    wide = "".join(_WIDE.findall(sentence))
    pairs = {wide[at : at + 2] for at in range(len(wide) - 1)} or {wide} - {""}
    return frozenset(words - _EMPTY | pairs)


def weight_of(sentence: str) -> float:
    """How much a sentence is worth to be kept: 0 for chatter, about 10 at the most."""
    told = _CHATTER.sub("", sentence)
    size = len(_WORD.findall(told)) + len(_WIDE.findall(told)) / 2
    if not size:
        return 0.0
    weight = signals_in(sentence)
    if is_question(sentence):
        weight = weight * 0.5 - 0.5
    return max(weight - (size < 3), 0.1)


def is_question(sentence: str) -> bool:
    """Whether it asks something."""
    return _QUESTION.search(sentence) is not None


def is_short_answer(sentence: str) -> bool:
    """Whether it tells little without the question before it."""
    is_short = len(_WORD.findall(sentence)) <= 4 and len(sentence) <= 40
    return is_short and not is_question(sentence) and not is_about_self(sentence)


def is_chatter(sentence: str) -> bool:
    """Whether nothing is left of it without words of politeness."""
    return not _WORD.search(_CHATTER.sub("", sentence))


def is_promise(sentence: str) -> bool:
    """Whether who says it will do something."""
    return _PROMISE.search(plain(sentence)) is not None


def _belongs(sentence: str, before: str) -> bool:
    if _ABBREVIATION.fullmatch(before, before.rfind(" ") + 1):
        return True
    if len(before) + len(sentence) >= MAX_JOINED or is_question(before) or is_question(sentence):
        return False
    if _WIDE.search(sentence):
        return False
    return len(_WORD.findall(sentence)) <= 3 or _DEPENDENT.match(sentence) is not None


def _parts(sentence: str) -> list[str]:
    if len(sentence) <= MAX_SENTENCE:
        return [sentence]
    found = [""]
    for joint in _JOINTS.split(sentence):
        for piece in _hard_split(joint):
            if len(found[-1]) + len(piece) + 1 <= MAX_SENTENCE:
                found[-1] = f"{found[-1]} {piece}".strip()
            else:
                found.append(piece)
    return [part for part in found if part]


def _hard_split(text: str) -> list[str]:
    found = []
    while len(text) > MAX_SENTENCE:
        at = text.rfind(" ", MAX_SENTENCE // 2, MAX_SENTENCE)
        at = at if at > 0 else MAX_SENTENCE
        found.append(text[:at].strip())
        text = text[at:].strip()
    return [*found, text] if text else found
