"""What people say about themselves in so many words, as patterns: data. English.

A pattern reads one sentence, without what stands in quotation marks. The first group that is not `w` or, where the
words name it, `y` holds what is kept. What is only likely is not here: a wrong memory is worse than a missing one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chatify.memory.models import Memory

Kind = Memory.Kind


class Rule(NamedTuple):
    """What a pattern that matches tells: a memory of this kind, in these words."""

    kind: str
    words: str
    pattern: re.Pattern[str]


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


def _rule(kind: str, words: str, *alternatives: str) -> Rule:
    return Rule(kind, words, _any(*alternatives))


# Pieces -------------------------------------------------------------------------------------------
_I_AM = r"\b(?:i'?m|i am)"
_WE_ARE = r"\b(?:i'?m|i am|we'?re|we are)"
_VERY = r"(?:(?:so|really|just|also|very|pretty|quite|a bit|a little|kind of|still|feeling|all|totally) )*"
_SURELY = r"(?:(?:really|just|also|absolutely|totally|do|so|always|still|simply|both|honestly) )*"
_PART = r"[^.!?;,:()\"\n]"
_LIST = r"(?P<x>[^.!?;:()\"\n]+)"
_CAPITAL = r"(?-i:[A-Z])"
_CALLED = r"(?-i:[A-Z][^\W\d_]+(?:[-'][A-Z]?[^\W\d_]+)?)"
_IS_CALLED = r"(?:'s name is| is called| is named|,? called|,? named|,)?"
_KIN = (
    r"(?:(?:little|big|best|older|younger|twin|step|late|new|ex)[ -]?)?(?:mother|mum|mom|father|dad|grandmother"
    r"|grandma|grandfather|grandpa|granny|brother|sister|sibling|husband|wife|son|daughter|baby|friend|boyfriend"
    r"|girlfriend|partner|fianc[eé]e?|uncle|aunt|cousin|niece|nephew|boss|colleague|coworker|teacher|neighbou?r"
    r"|roommate|flatmate|therapist|coach)"
)
_PET = r"(?:dog|cat|puppy|kitten|hamster|rabbit|parrot|horse|pony|bird|turtle|tortoise|snake|guinea pig)"
_RELATED = rf"(?:{_PET}|child|kid|brother|sister|son|daughter|twin|fish)(?:s|es|ren)?"
_NUMBER = r"(?:an?|one|two|three|four|five|six|\d{1,2})"
_DAY = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_WHEN = (
    rf"(?:tomorrow|tonight|this (?:weekend|{_DAY}|summer|autumn|winter|spring)|(?:the )?day after tomorrow"
    rf"|next (?:week|weekend|month|year|summer|autumn|fall|winter|spring|{_DAY}|{_MONTH})|on {_DAY}|in {_MONTH}"
    rf"|in {_NUMBER} (?:days?|weeks?|months?|years?))"
)
_NO_PLAN = (
    r"(?!(?:be (?:honest|fine|ok|okay|late|back)|say|ask|tell|need|have to|assume|guess|pretend|go now|talk|think"
    r"|go to (?:bed|sleep)|bed|sleep|stop|explode|scream|cry|lose it|die|miss you|take that|let you|give you|show you"
    r"|you|it|that)\b|try(?: to)?\W*$)"
)
_NO_THING = (
    r"(?!(?:it|that|this|these|those|you|your|him|her|them|when|how|what|where|who|the (?:way|idea|fact|sound)|being"
    r"|chatting with|talking to|one|some|any|more|both|all|everything|anything|nothing|to)\b(?! \w+ing\b))"
)
_TO_DO = r"(?:to (?!think|know|say|ask|hear|see you|talk|be|have|believe))?"
_JOBS = (
    r"nurse|student|doctor|chef|cook|lawyer|vegan|vegetarian|pilot|clerk|judge|parent|(?:grand)?(?:mother|father)|mum"
    r"|mom|dad|twin|widow|widower|freelancer|soldier|nun|priest|monk|apprentice|trainee|intern|volunteer|retiree"
    r"|[a-z]{3,}(?:eer|ist|ian|ant|ctor|tor|sor|cher|cker|iner|nner|igner|iter|eler|river|ayer|eper|ber|ther|per|mer)"
)
_TRAITS = (
    r"vegan|vegetarian|married|divorced|engaged|widowed|retired|left-handed|colou?r-?blind|deaf|pregnant|unemployed"
)
_PLAYED = (
    r"piano|guitar|violin|cello|drums|flute|trumpet|bass|saxophone|chess|tennis|football|soccer|basketball|handball"
    r"|hockey|golf|rugby"
)
_FEELINGS = (
    r"sad|happy|unhappy|depressed|miserable|lonely|anxious|nervous|worried|scared|afraid|stressed|overwhelmed|angry"
    r"|furious|annoyed|frustrated|tired|exhausted|bored|excited|proud|relieved|hopeful|hopeless|grateful|heartbroken"
    r"|homesick|great|wonderful|terrible|awful|calm|relaxed|upset|jealous|ashamed|guilty|cheerful|content"
)
_TELLING = r"(?:keep (?:it|things|your (?:answers|replies|messages)))"
_SHORT = r"(?:short|brief|simple|casual|formal|light)"

# What is said -------------------------------------------------------------------------------------
NAMES = (
    re.compile(r"\b[Mm]y name(?:'s| is)\s+(?P<x>[^\W\d_][\w'-]*(?: [A-Z][\w'-]+)?)"),
    re.compile(r"\b(?:[Cc]all me|[Ii] go by)\s+(?P<x>[A-Z][\w'-]*(?: [A-Z][\w'-]+)?)"),
    re.compile(
        r"^(?:(?:[Hh]i|[Hh]ello|[Hh]ey|[Yy]es|[Ww]ell|[Oo]h)\b(?: there| again)?[ ,!-]*)*"
        r"(?:[Ii]'?m|[Ii] am|[Tt]his is)\s+(?P<x>[A-Z][^\W\d_]+(?:[-'][A-Z]?\w+)?)"
        r"(?:\W*$|,? (?:and i|and I|by the way|btw|from|but)\b)"
    ),
)
LIKES = (
    _any(rf"\bi {_SURELY}(?:love|like|enjoy|adore) {_TO_DO}{_NO_THING}{_LIST}"),
    _any(rf"{_I_AM} {_VERY}(?:into|fond of|obsessed with|crazy about|an? (?:\w+ )?fan of) {_NO_THING}{_LIST}"),
)
DISLIKES = (
    _any(
        rf"\bi {_SURELY}(?:hate|dislike|can'?t stand|cannot stand|detest|loathe"
        rf"|do(?:n'?t| not) (?:really |actually )?(?:like|enjoy)) {_NO_THING}{_LIST}"
    ),
)
MOOD = _any(
    rf"(?:{_I_AM}|\bi feel|\bi(?:'ve| have) been feeling) {_VERY}(?P<x>(?:not {_VERY})?(?:{_FEELINGS}))\b"
    r"(?! (?:of you|with you|at you|idea|at \w+ing))"
)
RULES: tuple[Rule, ...] = (
    # Others
    _rule(
        Kind.LIKE, "{x} (favourite {y})", rf"\bmy favou?rite (?P<y>\w+(?: \w+)?) (?:is|are) {_NO_THING}(?P<x>{_PART}+)"
    ),
    _rule(Kind.FACT, "has a {y} called {x}", rf"\bmy (?P<y>{_PET}){_IS_CALLED} (?P<x>{_CALLED})"),
    _rule(
        Kind.FACT,
        "has {x}",
        rf"\bi(?:'ve got| have got| have| got| own) (?P<x>{_NUMBER} (?:\w+ )?{_RELATED}\b"
        rf"(?:,? (?:called|named) {_CALLED}(?: and {_CALLED})?)?)",
    ),
    _rule(Kind.PERSON, "{y} {x}", rf"\bmy (?P<y>{_KIN}){_IS_CALLED} (?P<x>{_CALLED})"),
    _rule(Kind.PERSON, "{y} {x}", rf"\b(?P<x>{_CALLED}) is my (?P<y>{_KIN})\b(?!')"),
    _rule(
        Kind.PERSON,
        "{y} {x}",
        rf"\bmy (?P<y>{_KIN}) (?P<x>(?:is an?|lives in|works (?:as|at|for|in)|comes from) {_PART}+)",
    ),
    # Themself
    _rule(Kind.FACT, "lives in {x}", rf"(?:\bi (?:now |currently |still )?live|{_I_AM} living) in (?P<x>{_PART}+)"),
    _rule(Kind.FACT, "is from {x}", rf"(?:{_I_AM} (?:originally )?|\bi come )from (?P<x>{_CAPITAL}{_PART}*)"),
    _rule(Kind.FACT, "moved to {x}", rf"\bi(?:'ve| have)? (?:just |recently )?moved to (?P<x>{_CAPITAL}{_PART}*)"),
    _rule(Kind.FACT, "works {x}", rf"\bi work (?P<x>(?:as|at|for|in) (?!an hour|the moment|peace){_PART}+)"),
    _rule(
        Kind.FACT,
        "is {x}",
        rf"{_I_AM} (?:(?:also|just|still|actually) )*(?P<x>an? (?:[a-z-]+ ){{0,2}}(?:{_JOBS}))(?= |\W|$)",
        rf"{_I_AM} (?P<y>(?:{_TRAITS})\b|allergic to {_PART}+)",
    ),
    _rule(
        Kind.FACT,
        "is {x} years old",
        rf"{_I_AM} (?:only |just )?(?P<x>[1-9]\d) (?:years? old|yo\b|y/o)",
        r"\bi (?:just )?turned (?P<y>[1-9]\d)\b",
    ),
    _rule(
        Kind.FACT,
        "birthday: {x}",
        rf"\bmy birthday(?:'s| is) (?:on )?(?:the )?(?P<x>{_PART}*(?:\d|\b{_MONTH}\b){_PART}*)",
    ),
    _rule(Kind.FACT, "studies {x}", rf"(?:\bi study|{_I_AM} studying) (?!hard|a lot|all|for)(?P<x>{_PART}+)"),
    _rule(Kind.FACT, "speaks {x}", rf"\bi speak (?P<x>{_CAPITAL}{_PART}*)"),
    _rule(Kind.FACT, "plays {x}", rf"\bi play (?P<x>(?:the )?(?:{_PLAYED})\b)"),
    _rule(
        Kind.FACT,
        "is learning {x}",
        rf"{_I_AM} (?:currently |now )?learning (?!about|from|that)(?:how )?(?:to )?(?P<x>{_PART}+)",
    ),
    # Plans
    _rule(
        Kind.PLAN,
        "{x}{w}",
        rf"^(?:and |but |so )?(?P<w>{_WHEN}),? (?:i|we)(?:'m| am|'re| are|'ll| will)? (?:going to |gonna )?"
        rf"{_NO_PLAN}(?P<x>{_PART}+)",
        rf"{_WE_ARE} (?:\w+ly )?(?:going to|gonna|planning to|planning on) {_NO_PLAN}(?P<y>{_PART}+)",
        rf"\b(?:i|we) (?:plan|intend|have decided|'ve decided) to {_NO_PLAN}(?P<z>{_PART}+)",
        rf"\b(?:i'll|i will|we'll|we will) {_NO_PLAN}(?P<v>{_PART}*\b{_WHEN}\b)",
        rf"{_WE_ARE} (?P<u>\w+ing {_PART}*\b{_WHEN}\b)",
        rf"\b(?:i|we) (?P<t>have an? {_PART}*\b{_WHEN}\b)",
    ),
    # How they like to be talked to
    _rule(
        Kind.STYLE,
        "{x}",
        rf"\b(?P<x>{_TELLING} (?:very |really |more )?{_SHORT})\b",
        rf"\b(?P<y>(?:talk|speak|write) to me (?:like|as if|as though) {_PART}+)",
        r"\b(?P<z>(?:don'?t|do not|stop) us(?:e|ing) (?:so many |any )?(?:emojis?|smileys|slang|exclamation marks))\b",
        r"(?:^|\bplease )(?P<v>be (?:brief|blunt|direct|honest with me"
        r"|more (?:formal|casual|direct|patient|funny|serious|gentle)))\b",
        r"\b(?:i (?:prefer|like)|give me|please use) (?P<u>(?:short|long|brief|simple|detailed|honest|direct)"
        r" (?:answers|replies|messages|words|sentences))\b",
        r"\b(?P<t>explain (?:it|things|everything)(?: to me)? like i'?m (?:five|5|a child))\b",
        rf"\b(?P<s>(?:talk|speak|write|answer|reply)(?: to me| with me)? in {_CAPITAL}[a-z]+)\b(?= please|\W*$)",
    ),
)

# How it is kept -----------------------------------------------------------------------------------
END = _any(
    r"\s[-\u2013\u2014]\s|\b(?:because|but|so (?:i|we|that|much)|cause|cuz|since|which|although|though|while|whenever"
    r"|when|if|too\b|as well|very much|a lot(?! of)|right now|at the moment|these days|lately|recently|lol|haha|btw"
    r"|by the way|please|thanks"
    r"|and (?:i|i'm|i've|we|it|my|then|you|what|how|that|he|she|they|his|her|their|is|was|so))\b"
)
"""Where the words that are kept end, at the latest."""

UNSURE = _any(
    r"\b(?:if (?:i|we)|imagine|pretend|suppose|let'?s say|would|wouldn'?t|could|might|maybe|perhaps|used to|wish"
    r"|joking|kidding|not sure (?:if|whether)|\w+ (?:said|says|told me|thinks|claims?) (?:that )?i|in (?:a|my) dream"
    r"|dreamt|dreamed|role ?play)\b"
)
"""A sentence with this says nothing for sure."""

QUOTED = re.compile(
    r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb|```.*?(?:```|\Z)|^>[^\n]*", re.DOTALL | re.MULTILINE
)
SENTENCE = re.compile(r"[^.!?;\n]+(?:\.(?=\d)[^.!?;\n]+)*[.!?;]*")

PRIVATE = _any(r"\d[\d -]{5,}\d|@|https?:|www\.|\b(?:password|passcode|pin code|iban|cvv)\b")
"""What is not remembered, whoever found it: numbers of cards and accounts, addresses, secrets."""

NO_JOB = _any(
    r"\b(?:loser|lover|hater|never|fan|idiot|mess|believer|member|number|beginner|winner|killer|bother|other|another"
    r"|super|sinner|person|human|instant|want|giant|assist|exist|moment|panther|monster|cucumber|hamster)\b"
)

NO_CALLED = _any(
    rf"(?:{_DAY}|{_MONTH}|and|but|is|was|has|had|said|says|who|that|the|this|yes|no|it|he|she|they|we|i|then|so|here"
    r"|there|what|when|where|why|how|today|later|back|maybe|also|not|ok|okay|please|thanks|god|lol|sorry|catholic"
    r"|christian|buddhist|hindu|atheist|protestant|nobody|someone|both|all|his|her|their|with|for|my|tomorrow"
    r"|yesterday|tonight|now|because|if|or|well|just|still|only)"
)
"""Words that begin with a capital letter and are nobody's name."""

LOSS = re.compile(r"\b(?:died|dies|dead|passed away|killed|funeral|buried|miscarriage|late)\b", re.IGNORECASE)
"""Whoever is gone is nobody to ask about."""

SOMEBODY = re.compile(rf"(?:my|their) (?:\w+ )?{_KIN}\b", re.IGNORECASE)
"""People are no tastes."""

THEIRS = {
    "i": "they", "i'm": "they're", "i've": "they've", "i'll": "they'll", "i'd": "they'd", "me": "them", "my": "their",
    "mine": "theirs", "myself": "themself", "am": "are", "we": "they", "us": "them", "our": "their", "ours": "theirs",
}  # fmt: skip
"""Words as they are said about somebody."""

TOPICS = {
    topic: re.compile(rf"\b(?:{words})", re.IGNORECASE)
    for topic, words in {
        "pets": r"dogs?\b|cats?\b|pupp|kitten|hamster|parrot|pets?\b",
        "music": r"music|songs?\b|guitar|piano|singing|concert|album|playlist|drums|violin|jazz",
        "films": r"films?\b|movies?\b|netflix|episode|cinema|anime",
        "books": r"books?\b|novel|reading\b|poetry|library",
        "food": r"cook|bak(?:e|ing)\b|pizza|pasta|dinner|lunch|breakfast|recipe|restaurant|sushi",
        "the outdoors": r"hik(?:e|ing)|mountain|forest|camping|beach|garden",
        "travel": r"travel|trips?\b|holiday|vacation|flights?\b|abroad",
        "dancing": r"danc(?:e|ing)|salsa|tango|ballet",
        "sport": r"sports?\b|football|soccer|basketball|tennis|running\b|gym\b|yoga|swimming|cycling|marathon",
        "games": r"video ?games?|gaming|minecraft|zelda|playstation|xbox|nintendo|chess|board games?",
        "art": r"painting|drawing|photograph|art\b|knitting|pottery|sculpt",
        "computers": r"coding\b|programm|python|computers?\b|software",
        "work": r"work\b|job\b|boss\b|office|meetings?\b|colleague|deadline|interview",
        "school": r"school|exams?\b|study|studies|studying|homework|university|college|thesis",
        "family": r"my (?:\w+ )?(?:mother|mum|mom|father|dad|parents|sister|brother|family|son|daughter|kids)\b",
        "relationships": r"relationship|boyfriend|girlfriend|dating|marriage|wedding|break-?up|in love",
        "health": r"doctor|hospital|headache|therapy|diet|sleep\b|insomnia",
    }.items()
}
