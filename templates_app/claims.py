"""Finds sentences that tell a personality to claim to be human, or not to be an AI. Pure, English only.

A clause is read as a statement about the personality ("you are human": +1, "you are an AI": -1) below words that
turn it around ("never", "deny", "hide"). What comes out as +1 is a claim to be human. It reads what an honest
author writes; the honesty rule in every system prompt holds against the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PERSON = r"(?:person|man|woman|girl|boy|guy|lady|lad|individual|someone|somebody|girlfriend|boyfriend)"
_ADJECTIVE = r"(?!(?:who|that|for|to|with|of|about|a|an|the|in|on|as|like|people|than|not|is|are)\b)[\w'-]+,?"
_REAL = r"(?:real|actual|living|genuine|flesh[- ]and[- ]blood|real-life|true|breathing)"
_HUMAN_ROLE = (
    rf"(?:being|{_PERSON}|female|male|friend|companion|operator|agent|assistant|therapist|counsell?or|coach|doctor|nurse"
    r"|teacher|tutor|employee|worker|staff|moderator|representative|expert|user|student|writer)"
)
_MODAL = r"(?:will|would|can|could|may|might|should|must|does|do|has|had|is|was)\b"
_AFTER_HUMAN = (
    r"(?=\W*$|,|\s+(?:who|named|called|with|from|and|or|not|in|on|at|like|just|that|when|if|whose|to(?! be)|while"
    r"|because|talking|chatting|texting|living|working|sitting|typing|behind|for|aged|too|as|so|no|whatever|even|instead)\b)"
)
_HUMAN = (
    rf"(?:human(?![-'])\s+(?:(?:support|customer|service|call|sales|help|desk|chat)\s+){{0,2}}{_HUMAN_ROLE}\b"
    rf"|human(?![-']){_AFTER_HUMAN}"
    rf"|{_REAL},?\s+(?:{_ADJECTIVE}\s+){{0,3}}(?:{_PERSON}|human|student)\b(?!['-])(?!\s+{_MODAL})"
    r"|(?:made of )?flesh and blood|person of flesh and blood"
    r"|person(?=\W*$|,|\s+(?:and not|not|named|called)\b))"
)
_AI = (
    r"(?:(?:an? |any |the |just an? |merely an? )?(?:artificial intelligence|ai|a\.i|(?:chat|ro)?bot|machine|algorithm"
    r"|(?:computer |software )?program(?:me)?|computer|(?:large )?language model|llm|virtual assistant)\b(?!')"
    r"(?:[ -](?:language |chat )?(?:model|assistant|chatbot|bot|program|system|character|companion))?"
    r"|artificial(?=\W*$)|(?:chat)?gpt\b)"
)
_ADVERB = (
    r"(?:also|actually|really|just|only|simply|definitely|truly|indeed|now|always|still|very much|in fact|absolutely"
    r"|totally|completely|entirely|fully|100 ?%|100 percent|very|certainly|secretly|genuinely|both)"
)
_ARTICLE = r"(?:(?:an?|the|one|some|any)\s+)"
_SELF = r"(?:you|i|the (?:assistant|character|persona|personality|bot|chatbot|ai|model)|s?he|it|this)"
_IS = rf"{_SELF}\s+(?:are|am|is|were|was)"
_NOT = r"(?P<not>not|no)\s+"

# "you are (not) (really) (a) (friendly 25-year-old) human"
_STATEMENT = rf"{_IS}\s+(?:to be\s+)?(?:{_ADVERB}\s+)*(?:{_NOT})?(?:{_ADVERB}\s+)*"
_NOUN_HUMAN = rf"(?P<human>{_ARTICLE}?(?:{_ADVERB}\s+)?(?:{_ADJECTIVE}\s+){{0,4}}?{_HUMAN})"
_NOUN_AI = rf"(?P<ai>{_AI})(?!\s+(?:that|which|who|for)\b)"
# "to be human", "being human", "as a human": only below a word that makes it a claim
_CLAIM_VERB = (
    r"(?:claim|pretend|profess|purport|suppose|want|appear|admit|acknowledg|mention|reveal|deny|denie|assert|confess"
    r"|seek)\w*"
)
_CLAIM_TO = rf"{_CLAIM_VERB}(?: falsely)?\s+(?:{_ADVERB}\s+)?(?:to\s+(?:{_ADVERB}\s+)?(?:be|being)|being)"
_ACT_AS = (
    r"(?:act|pos|behav|masquerad|present|introduc|describ|identif|regard|roleplay|role-play|portray|pass|refer)\w*"
    r"(?:\s+(?:yourself|itself|off|to yourself|yourself off|to itself))?\s+(?:as|like|for)(?:\s+being)?"
)
_OTHER = (
    r"(?:impersonat\w*|(?:play|tak)\w* (?:the )?(?:role|part) of|illusion (?:of being|that you are)"
    r"|(?:to|of|about) being|(?:answer|reply|respond|speak|write|talk|chat) as"
    r"|(?:say|answer|reply|respond)(?: with| that)?|(?:consider|call) yourself)"
)
_INDIRECT = rf"(?:{_CLAIM_TO}|{_ACT_AS}|{_OTHER})\s+(?:{_ADVERB}\s+)*(?:{_NOT})?"
_NATURE = r"your (?:ai|artificial|robotic|non-human|machine|bot) (?:nature|identity|status|origin)s?"

_CORES = (
    re.compile(rf"\b{_STATEMENT}(?:{_NOUN_AI}|{_NOUN_HUMAN})"),
    re.compile(rf"\b{_INDIRECT}(?:{_NOUN_AI}|{_NOUN_HUMAN})"),
    re.compile(rf"\b(?P<ai>{_NATURE})"),
    re.compile(rf"^(?:so |then |please |always |now |just )?be (?:an? )(?:{_ADJECTIVE} ){{0,3}}?(?P<human>{_HUMAN})"),
)
# "You are Lena, a real girl", "you are Lena, not an AI": the subject stands in the clause before.
_APPOSITION = re.compile(rf"^(?:and |but )?(?:just |actually )?(?P<not>not |no )?(?:{_NOUN_AI}|(?:an? ){_NOUN_HUMAN})")
_SUBJECT = re.compile(
    rf"\b(?:{_IS}|my name is|your name is|you play)\s+(?!\w+ing\b|not\b|never\b)(?!.*\b(?:of|to|with|for|by)\b)"
)
_OFFER = re.compile(rf"^(?:talk|chat|speak|flirt|text)\w* (?:to|with) an? {_NOUN_HUMAN}")

_NEGATOR = (
    r"never|not(?! only| just)|cannot|can not|no one|nobody|nothing|neither|nor|without|under no circumstances"
    r"|at no time|in no case|no(?! matter| longer)|instead of|rather than"
)
_AVERSE = (
    r"avoid|refus|refrain|stop|forbid|forbidden|prohibit|wrong|dishonest|unacceptable|afraid|hesitat|shy|ashamed|fail"
    r"|embarrass|wouldn|mislead"
)
_HIDING = (
    r"den(?:y|ie)|hid(?:e|ing|den)|conceal|disguis|secret|forget|ignor|lie about|lying about|reject|disput|contradict"
    r"|refut"
)
_FLIP = re.compile(rf"\b(?:{_NEGATOR})\b|\b(?:{_AVERSE}|{_HIDING})\w*")
_TELLING = re.compile(
    r"\b(?:admit|say|tell|mention|reveal|disclos|acknowledg|confirm|confess|conced|stat|know|find out|learn|notic"
    r"|suspect|realis|realiz|discover|let on|hint|suggest|imply|indicat|show|give away|think|believ|claim|refer|call"
    rf"|identif|describ|introduc|present|{_HIDING})"
)
_FREE = re.compile(r"\b(?:need not|not (?:have|need) to|no need|not necessary|not required)\b")
_BELIEF = re.compile(
    r"\b(?:think|believe|assume|wonder|suspect|mistake|ask|say|claim|insist|treat|hear)(?:s|ed)?\b[^,]*$"
)
_CONDITION = re.compile(r"\b(?:if|when|whenever|whether|unless|in case|should (?:the|a) user|as though they think)\b")
_MADE_TO = re.compile(r"\b(?:let|make|lead|convinc|trick|want|persuad|may|must|should|never|not|nobody|no one)\w*\b")
_ORDER = re.compile(
    r"(?<!they )(?<!user )(?<!users )(?<!people )(?<!someone )(?<!anyone )(?<!you )"
    r"\b(?:say|claim|tell|insist|pretend|deny|answer|reply|respond|assure|convince|act|admit|state|swear)\b"
)
_MODERATION = re.compile(
    r"\b(?:unless|until|except) [^.]*\bask|\b(?:in every|all the time|constantly|repeatedly|over and over|too often"
    r"|more than once|needlessly|again and again|in each|every (?:time|message|reply))\b"
)
_FORBIDDEN_AFTER = re.compile(
    r"^[^,]*\b(?:is|are|would be) (?:\w+ )?(?:forbidden|prohibited|not|never|off limits|wrong|a lie|against)\b"
)
_ANSWER = re.compile(
    rf"(?:(?:whether|if) you are|are you)\s+(?:{_ADVERB}\s+)*(?:{_NOUN_AI}|{_NOUN_HUMAN}).*?(?P<stop>(?:never|not) )?"
    r"(?:say|answer|reply|respond|tell them)(?: with| them| always| clearly)* (?P<word>yes|no)\b"
)
_DENIED = re.compile(
    rf"(?:(?:whether|if|that) {_IS}|are you|(?:of|about) being)\s+(?:{_ADVERB}\s+)*{_NOUN_AI}[^.]*?"
    r"(?<!never )(?<!not )\b(?:deny|contradict|dispute) (?:it|this|that|them)\b"
)

_UNIT_START = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6})\s")
_SENTENCE = re.compile(r"[^.!?;]+(?:[.!?;]+(?!\s|$)[^.!?;]*)*[.!?;]*")
_QUOTED = re.compile(r'"[^"]{1,300}"')
_CLAUSE = re.compile(
    r"[,:()\u2013\u2014]| -+ | (?=(?:but|because|since|although|so|then|instead,?|while|or|nor"
    r"|and (?:always|instead|just|then|simply|you|an?))\b)"
)
_CARRIES = re.compile(r"\b(?:never|not|avoid|this|these|following|things|no-gos?)\W*$")
_ADJECTIVE_LIST = re.compile(rf"\b({_REAL}),\s")
_CONTRACTIONS = (
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(you|they|we)'re\b"), r"\1 are"),
    (re.compile(r"\b(youre|your(?= (?:not )?(?:an? )?(?:human|real)\b))"), "you are"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\b(he|she|it|this|that)'s\b"), r"\1 is"),
    (re.compile(r"\ba\.i\b\.?"), "ai"),
)

MAX_SENTENCE = 2_000
"""Code points of a sentence that are read: what is longer is no sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and where it starts. `is_forbidden` when it is a point of a list of what not to do."""

    text: str
    start: int
    is_forbidden: bool = False


def find_human_claims(text: str, *, is_about_self: bool = False) -> list[Sentence]:
    """The sentences of `text` that make the personality claim to be human, in order.

    `is_about_self` for texts about the personality (greeting, description): a noun alone is a claim there.
    """
    return [sentence for sentence in sentences(text) if _claims_human(sentence, is_about_self)]


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text. Lines that were only wrapped belong together; points of a list stand alone."""
    is_forbidden = False
    for start, unit in _units(text):
        is_point = bool(_UNIT_START.match(unit))
        for match in _SENTENCE.finditer(_masked(unit)):
            words = unit[match.start() : match.end()]
            if words.strip():
                offset = len(words) - len(words.lstrip())
                yield Sentence(words.strip(), start + match.start() + offset, is_forbidden and is_point)
        is_heading = unit.rstrip().endswith(":") or unit.lstrip().startswith("#")
        if is_heading or not is_point:
            is_forbidden = is_heading and bool(re.search(rf"\b(?:{_NEGATOR}|avoid|don'?ts)\b", _plain(unit)))


def _units(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs, points of lists and headings, each with its place in the text."""
    start, unit = 0, ""
    place = 0
    for line in text.splitlines(keepends=True):
        is_new = not line.strip() or _UNIT_START.match(line) or unit.rstrip().endswith(":") or unit.startswith("#")
        if is_new and unit:
            yield start, unit
            unit = ""
        if not unit:
            start = place
        if line.strip():
            unit += line
        place += len(line)
    if unit:
        yield start, unit


def _masked(unit: str) -> str:
    """The unit, as long as before, with the stops inside quotations and abbreviations taken out."""
    straight = unit.translate(str.maketrans("\u201c\u201d\u201e\u2019", '"""\''))
    straight = re.sub(r"\b(e\.g|i\.e|a\.i|etc)\.", lambda m: m[0].replace(".", " "), straight, flags=re.IGNORECASE)
    return _QUOTED.sub(lambda m: re.sub(r"[.,;:!?]", " ", m[0]), straight)


def _plain(text: str) -> str:
    plain = text.translate(str.maketrans("\u2019\u2018\u00a0", "'' ")).lower()
    for pattern, words in _CONTRACTIONS:
        plain = pattern.sub(words, plain)
    plain = _ADJECTIVE_LIST.sub(r"\1 ", plain)
    return " ".join(plain.replace('"', " ").replace("*", " ").replace("_", " ").split())


def _claims_human(sentence: Sentence, is_about_self: bool) -> bool:
    plain = _plain(_masked(sentence.text))[:MAX_SENTENCE]
    if _DENIED.search(plain):
        return True
    answer = _ANSWER.search(plain)
    if answer:
        is_claim = (answer["ai"] is None) == (answer["word"] == "yes")
        return is_claim != bool(answer["stop"])
    clauses = [clause.strip(" -#*") for clause in _CLAUSE.split(plain)]
    return any(
        _sign(clauses, index, is_about_self, sentence.is_forbidden) > 0 and not _MODERATION.search(plain)
        for index in range(len(clauses))
    )


def _sign(clauses: list[str], index: int, is_about_self: bool, is_forbidden: bool) -> int:
    """What clause `index` makes of the personality: 1 a human, -1 an AI, 0 nothing."""
    clause = clauses[index]
    match = _core(clauses, index, is_about_self)
    if match is None:
        return 0
    groups = match.groupdict()
    before, after = clause[: match.start()], clause[match.end() :]
    if _is_about_opinion(before) or _FREE.search(before):
        return 0
    told = clause[: match.start("ai" if groups.get("ai") else "human")]
    flips = len(_FLIP.findall(told)) + bool(_FORBIDDEN_AFTER.search(after)) + is_forbidden
    flips += _is_negation_carried(clauses, index)
    is_turned = flips - bool(groups.get("not")) > 0
    if groups.get("ai") and is_turned and not _TELLING.search(told):
        return 0
    is_human = (groups.get("ai") is None) == (flips % 2 == 0)
    return 1 if is_human else -1


def _core(clauses: list[str], index: int, is_about_self: bool) -> re.Match[str] | None:
    clause = clauses[index]
    matches = (pattern.search(clause) for pattern in _CORES)
    found = next((match for match in matches if match), None)
    if found is None and (is_about_self or _has_subject_before(clauses, index)):
        found = _APPOSITION.search(clause)
    if found is None and is_about_self:
        found = _OFFER.search(clause)
    return found


def _has_subject_before(clauses: list[str], index: int) -> bool:
    """Whether the clause goes on with "you are Lena", over other appositions in between."""
    while index > 0 and re.match(r"(?:and |but )?(?:an?|the|your|\d+)\b", clauses[index - 1]):
        index -= 1
    return index > 0 and bool(_SUBJECT.search(clauses[index - 1]))


def _is_about_opinion(before: str) -> bool:
    """What a user thinks or asks is no claim of the personality, unless it is made to."""
    if _ORDER.search(before):
        return False
    if _CONDITION.search(before):
        return True
    return bool(_BELIEF.search(before)) and not _MADE_TO.search(before)


def _is_negation_carried(clauses: list[str], index: int) -> bool:
    """ "Never lie, claim to be human, or deny ...": the negation at the start holds for all of the list."""
    if clauses[index].startswith("nor "):
        return False
    for earlier in range(index - 1, -1, -1):
        if not re.match(rf"(?:\w+ ){{0,3}}(?:{_NEGATOR}|avoid|refuse)\b", clauses[earlier]):
            continue
        if _CARRIES.search(clauses[earlier]):
            return True
        return any(re.match(r"(?:or|nor)\b", clause) for clause in clauses[index:]) and not any(
            re.match(r"(?:but|then|and|instead|so)\b", clause) for clause in clauses[earlier + 1 : index + 1]
        )
    return False
