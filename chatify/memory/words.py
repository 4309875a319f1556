"""Words of a text as far as they tell what it is about. Pure, and made for English."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_ENDING = re.compile(r"(?:'s|ies|es|s)$")
_VERB_ENDING = re.compile(r"(?:(?<=([^\Waeiou]))(?:\1ing|\1ed)|ing|ed)$")
_VOWEL_ENDING = re.compile(r"[ey]$")
_QUOTATION_MARKS = str.maketrans("\u2018\u2019\u02bc\u00b4\u201c\u201d\u201e", "''''\"\"\"")
_EMPTY_WORDS = """
    a about again all also am an and any are as at be been being but by can can't could did didn't do
    does doesn't don't for from get got had has have he her here hers him his how i i'd i'll i'm i've if
    in into is isn't it it's its just let let's me mine more most my myself no not now of off oh ok okay
    on one or our out over please really right she should so some than that that's the their theirs them
    then there these they they're thing things this those to too up us very was wasn't we well were what
    what's when where which who whom why will with won't would yeah yes you you're your yours user
    remember tell know known said say
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())


def words_of(text: str) -> frozenset[str]:
    """The words that carry meaning, without their endings: "My sisters are hiking" is sister and hik."""
    found = (word.casefold() for word in _WORD.findall(plain(text)))
    return frozenset(stem(word) for word in found if word not in _EMPTY)


def plain(text: str) -> str:
    """The text on one line, with quotation marks and apostrophes as typewriters have them."""
    return " ".join(text.translate(_QUOTATION_MARKS).split())


def stem(word: str) -> str:
    """A word without its endings, as long as three letters stay."""
    for ending in (_ENDING, _VERB_ENDING, _VOWEL_ENDING):
        short = ending.sub("", word)
        word = short if len(short) >= 3 else word
    return word
