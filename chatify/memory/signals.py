"""What shows that a sentence tells something worth keeping: words about oneself, names, numbers, dates, decisions.

The words are those of some dozen languages; where none of them comes up, numbers and names still do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chatify.memory.words import plain


class Signal(NamedTuple):
    """Words, what a sentence with one of them is worth more, and how many of them count."""

    pattern: re.Pattern[str]
    weight: float
    most: int = 1


def _any(words: str, also: str = "") -> re.Pattern[str]:
    """One of the words, as a whole: `_` is a space, `*` any ending. `also` is a pattern without spaces around it."""
    found = "|".join(re.escape(word).replace("_", r"\s+").replace(r"\*", r"\w*") for word in words.split())
    return re.compile(rf"\b(?:{found})(?!\w)" + (f"|{also}" if also else ""), re.IGNORECASE)


_SELF = _any(
    """
    i i'm im i've i'll i'd me my mine myself we we're our us ich mir mich mein* wir unser* je j'ai j'aime j'habite
    moi mon ma mes nous notre nos yo soy estoy tengo mi mis nosotros nuestr* eu sou estou tenho meu* minha* io sono
    ho mio mia miei ik mijn wij ons onze jag min mitt mina jeg mit mine ja moj* mój moja mam jestem я мой моя моё
    мои меня мне ben benim أنا اسمي אני שלי
    """,
    "[我俺僕私]|나는|저는|제가|내가",
)
_PLAIN = re.compile(
    r"""^(?:(?:and|but|so|well|oh|ok|also|by\sthe\sway|btw|actually),?\s+)*
    (?:(?:i|we)(?:\s+(?:also|really|just|still|always|never|usually))?
       (?:'(?:m|re|ve|d)\b|\s+(?:am|are|have|had|live|work|study|play|love|like|hate|prefer|collect|speak|own|was\sborn
          |grew|moved|married|decided|quit|can't|cannot|don't|come\sfrom|plan|want|need)\b)
    |(?:my|our)\s+(?:[\w'-]+\s+){1,4}?(?:is|are|was|were|has|have|lives?|works?)\b|(?:my|our)\s+[\w-]+'s\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_POSSESSION = re.compile(
    r"\b(?:my|our|mein\w{0,2}|unser\w{0,2}|mon|ma|mes|notre|nos|mis?|nuestr[oa]s?|meus?|minhas?|mi[oae]|miei|mijn|onze)"
    r"\s+[^\W\d_]{2,}|[我私僕][的の]",
    re.IGNORECASE,
)
_NAMES = _any(
    """
    name names named called call_me nickname heiße heisse heißt heisst genannt appelle appellent prénom llamo llama
    nombre chamo nome chiamo chiama heet heter hedder nazywam imię зовут adım
    """,
    "名前|名字|我叫|이름",
)
_LASTING = _any(
    """
    am 'm was were have 've had has is are live* work* study studied born grew married engaged divorced allergic
    vegan vegetarian love loves like likes enjoy hate hates prefer favourite favorite adore afraid plan planning
    going_to will want wants hope decided booked bought sold adopted started quit learning teach own drive speak
    play collect birthday anniversary deadline appointment exam interview wedding surgery trip flight code address
    bin habe hatte war wohne arbeite studiere geboren verheiratet mag liebe hasse lieblings* plane möchte werde
    geburtstag suis ai habite travaille aime déteste préfère veux vais soy tengo vivo trabajo gusta encanta odio
    prefiero quiero voy sou tenho moro trabalho gosto quero sono ho abito lavoro piace voglio woon werk hou haat
    """
)
_TO_KEEP = _any(
    """
    remember don't_forget important keep_in_mind note_that by_the_way fyi for_the_record so_you_know
    so_that_you_know secret* password one_thing last_thing first_thing heads_up to_be_clear merk_dir merke_dir
    vergiss wichtig übrigens rappelle-toi n'oublie important* recuerda no_olvides ricorda lembra
    """,
    "大事|大切|重要|覚えて|记住|기억",
)
_DECISIONS = _any(
    """
    decided correction instead changed moved booked cancelled canceled confirmed agreed allergic allergy terrified
    afraid scared always never any_more anymore doch_nicht entschieden gebucht verschoben décidé réservé decidido
    reservado deciso
    """
)
_DUTIES = _any(
    """
    must mustn't need needs has_to have_to should want wants wish wishes 'd_like can't cannot will won't muss soll
    darf doit debe
    """
)
_KIN = _any(
    """
    mother mum mom father dad parent* sister* brother* son daughter wife husband girlfriend boyfriend partner fiancé
    fiancée fiance fiancee uncle aunt cousin* niece nephew grand* mother-in-law father-in-law sister-in-law
    brother-in-law in-laws friend boss neighbour neighbor colleague doctor gp teacher professor supervisor flatmate
    roommate landlord dog cat kid kids child children baby mutter vater eltern schwester bruder sohn tochter frau
    mann freund* oma opa chef* hund katze kater kind kinder mère père soeur sœur frère fils fille hermana hermano
    madre padre hijo hija
    """,
    "[父母姉妹兄弟夫妻猫犬]|友達|祖母|祖父",
)
_NUMBERS = _any(
    "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand",
    r"\d[\d.,:/-]*|[一二三四五六七八九十百千]+[歳月日時年人]",
)
_TIMES = _any(
    """
    january february march april may june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday tomorrow tonight next_week next_month next_year years_old year_old januar
    februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag morgen
    janvier février mars avril juin juillet août lundi mardi mercredi jeudi vendredi samedi dimanche demain enero
    febrero marzo mayo junio julio lunes martes miércoles jueves viernes sábado domingo mañana
    """,
    "[一二三四五六七八九十0-9]+月",
)
_PROPER_NAMES = re.compile(r"(?<![.!?\u2026\"']\s)(?<!^)\b(?!I\b|I')[A-ZÀ-ÞА-Я][^\W\d_]+")
_TITLES = re.compile(r"[\"\u00ab\u300c\u300e][^\"\u00bb\u300d\u300f]{3,80}[\"\u00bb\u300d\u300f]")

# The weights were tried on benchmarks/memory, and none of them matters much alone.
SIGNALS = (
    Signal(_SELF, 0.4),
    Signal(_PLAIN, 0.7),
    Signal(_POSSESSION, 1.0),
    Signal(_NAMES, 2.0),
    Signal(_LASTING, 0.6),
    Signal(_TO_KEEP, 2.5),
    Signal(_DECISIONS, 1.0),
    Signal(_DUTIES, 0.6),
    Signal(_KIN, 1.0),
    Signal(_NUMBERS, 1.0, 2),
    Signal(_TIMES, 1.0),
    Signal(_PROPER_NAMES, 1.0, 3),
    Signal(_TITLES, 0.8),
)


def signals_in(sentence: str) -> float:
    """What all signals in it are worth together."""
    text, total = plain(sentence), 0.0
    for pattern, weight, most in SIGNALS:
        if most == 1:
            total += weight * (pattern.search(text) is not None)
        else:
            total += weight * min(len(pattern.findall(text)), most)
    return total


def is_about_self(sentence: str) -> bool:
    """Whether who says it speaks of themself."""
    return _SELF.search(plain(sentence)) is not None
