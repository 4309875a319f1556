"""The reply of the offline companion: what was heard, answered in a personality's voice. Pure and deterministic."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from chatify.llm.providers.offline.games import CHOICES, RIDDLES, guess_the_lie, judge, open_riddle, settle
from chatify.llm.providers.offline.memory import Memory, recall
from chatify.llm.providers.offline.phrases import OFFERS, PHRASES, TONES
from chatify.llm.providers.offline.remembered import a_few, answer_to, as_plan
from chatify.llm.providers.offline.understand import Heard, hear, short_answer, topic_of
from chatify.llm.types import ChatRequest

_ALONE = ("crisis", "abuse", "threat")
_SOCIAL = ("greeting", "thanks", "name", "how_are_you", "laugh", "farewell")
_TOPICAL = ("like", "event", "plan", "doing", "identity", "opinion", "wish", "life")
_GAME_MOVES = (  # kinds that may be an answer in a game; everything else ends it
    "yes", "no", "dunno", "praise", "topic", "default", "opinion", "knowledge", "laugh", "abilities", "like", "event",
    "plan", "doing", "life", "identity", "someone", "advice", "duty", "struggle", "wish", "number",
)  # fmt: skip
_NO_QUESTION = ("grief", "confused", "sexual")
_LOVE = ("dating", "relationship", "flirt", "love", "romance")
_IN_VOICE = ("opener", "default")
_MAX_ANSWERED = 3
_WEAK = ("default", "yes", "no", "praise", "dunno")  # not worth an answer of their own beside something social
_SLOT = re.compile(r"<(, ?)?(\w+)>")


@dataclass(slots=True)
class Voice:
    """Chooses phrases for a personality: by hash of the conversation, and not what it has said before."""

    request: ChatRequest
    memory: Memory
    tones: tuple[str, ...]
    chosen: list[str] = field(default_factory=list)

    def draw(self, count: int) -> int:
        """A number below `count` that depends on the conversation and on how often was drawn before."""
        digest = blake2b(digest_size=8)
        said = [f"{message.role}\0{message.content}\0" for message in self.request.messages if message.role != "system"]
        for text in (self.request.speaker, str(len(self.chosen)), *said):
            digest.update(text.encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest()) % count

    def say(self, kind: str, about: str = "") -> tuple[str, str]:
        """A phrase of this kind as what it says and what it asks, with the slots filled."""
        own = [phrase for tone in self.tones for phrase in PHRASES.get(f"{kind}.{tone}", ())]
        general = PHRASES.get(kind, ())
        options = own if own and kind in _IN_VOICE else [*own, *own, *general]
        phrase = self.choose([option for option in options if about or "<about>" not in option] or options)
        says, _, asks = phrase.partition("|")
        return self._fill(says, about), self._fill(asks, about)

    def choose(self, options: Sequence[str]) -> str:
        """One of the options, a fresh one if there is any."""
        heard = self.memory.said + "\n".join(self.chosen)
        fresh = [option for option in options if _mark(option) not in heard]
        chosen = (fresh or options)[self.draw(len(fresh or options))]
        self.chosen.append(chosen)
        return chosen

    def _fill(self, phrase: str, about: str) -> str:
        is_worn = bool(self.memory.name) and self.memory.name in self.memory.last_reply
        values = {
            "about": about,
            "name": "" if is_worn else self.memory.name,
            "earlier": self.memory.earlier,
            "me": self.request.speaker.split(",")[0].strip() or "your companion",
        }

        def value_of(match: re.Match[str]) -> str:
            value = values.get(match[2].lower(), "")
            value = value[:1].upper() + value[1:] if match[2][0].isupper() else value
            return (match[1] or "") + value if value else ""

        return _SLOT.sub(value_of, phrase).strip()


def reply_to(request: ChatRequest) -> str:
    """The reply to the last messages of a request."""
    memory = recall(request)
    voice = Voice(request, memory, _tones(request, memory))
    heard = [one for text in memory.new for one in _hear(text, memory)] or [Heard("default")]
    grave = next((one for one in heard if one.kind in _ALONE), None)
    if grave:
        return voice.say(grave.kind)[0]
    if memory.is_grave:
        return " ".join(filter(None, voice.say("aftercare_end" if _ends(heard) else "aftercare")))
    says, asks = _play(voice, heard) or _answer(voice, heard)
    disclosure = voice.say("disclosure")[0] if memory.is_first and not _is_disclosed(heard) else ""
    paragraphs = [says, disclosure, asks] if disclosure else [f"{says} {asks}"]
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs if paragraph.strip())


def _hear(text: str, memory: Memory) -> list[Heard]:
    """What a message says; a question about somebody or something that is remembered is heard as that."""
    heard = list(hear(text))
    answer = None if any(one.kind in _ALONE for one in heard) else answer_to(text, (*memory.people, *memory.known))
    if answer is None:
        return heard
    asked = Heard("recalled", answer) if answer else Heard("recall_unknown")
    return [*(one for one in heard if one.kind in _SOCIAL), asked]


def _answer(voice: Voice, heard: list[Heard]) -> tuple[str, str]:
    kinds = [one.kind for one in heard]
    if voice.memory.is_repeated and not set(kinds) & {"greeting", "human", "recalled", *OFFERS.values()}:
        return voice.say("repeat")
    socials = [kind for kind in _SOCIAL if kind in kinds and not (kind == "greeting" and "name" in kinds)]
    mains = _unlike([one for one in heard if one.kind not in _SOCIAL and not (socials and one.kind in _WEAK)])
    parts = [voice.say(kind, _about(heard, kind))[0] for kind in socials]
    answers = [_react(voice, one) for one in mains[:_MAX_ANSWERED]]
    if len(voice.memory.new) > 1 and len(answers) > 1:
        parts.append(voice.say("several")[0])
    says = " ".join(part for part in [*parts, *(says for says, _ in answers)] if part)
    if "farewell" in kinds or kinds == ["thanks"]:
        return says, ""
    return says, next((asks for _, asks in reversed(answers) if asks), "") or _ask(voice, mains)


def _react(voice: Voice, one: Heard) -> tuple[str, str]:
    """What is said and asked to one main thing that was heard."""
    kind, text = one.kind, " ".join(voice.memory.new)
    offered = next((offer for phrase, offer in OFFERS.items() if phrase in voice.memory.last_reply), "")
    if kind == "yes" and offered:
        kind = offered
    if kind in _GAMES:
        return _GAMES[kind](voice)
    if kind == "recall":
        return _remember(voice)
    answer = short_answer(text) if voice.memory.last_reply.endswith("?") else ""
    if kind in ("default", "topic") and answer:
        return voice.say("short_answer", answer)
    if kind in ("yes", "no", "praise", "default") and _can_come_back(voice):
        return voice.say(kind)[0], voice.say("callback")[1]
    if kind == "age" and voice.memory.is_minor:
        return voice.say("age_minor")
    if kind == "topic":
        return voice.say(f"topic_{topic_of(text)}")
    says, asks = voice.say(f"foreign_{one.about}" if kind == "foreign" else kind, one.about)
    topic = topic_of(one.about or text) if kind in _TOPICAL else ""
    return says, voice.say(f"topic_{topic}")[1] if topic else asks


def _ask(voice: Voice, mains: Sequence[Heard]) -> str:
    if any(one.kind in _NO_QUESTION for one in mains):
        return ""
    if _can_come_back(voice):
        return voice.say("callback")[1]
    if voice.memory.is_first and not mains:
        taken_up = _take_up(voice)
        if taken_up:
            return taken_up
    asks = voice.say("opener")[1]
    return asks if voice.memory.is_first else f"{voice.say('segue')[0]} {asks}"


def _take_up(voice: Voice) -> str:
    """A question about something that another conversation left: a plan, else something the user likes."""
    for kind, words_of in (("plan", as_plan), ("like", str)):
        text = next((text for known, text in voice.memory.known if known == kind), "")
        if text:
            return voice.say(f"last_time_{kind}", words_of(text))[1]
    return ""


def _can_come_back(voice: Voice) -> bool:
    """Whether something said earlier can be taken up, and was not taken up just now."""
    earlier = voice.memory.earlier
    return bool(earlier) and earlier not in voice.memory.last_reply and voice.draw(3) > 0


def _play(voice: Voice, heard: Sequence[Heard]) -> tuple[str, str] | None:
    """The next move in a game that is on, if the message is one."""
    last, text = voice.memory.last_reply, " ".join(voice.memory.new)
    if "I say the lie is" in last and heard[0].kind in ("yes", "no", "laugh", "insult", "praise", "default"):
        is_caught = heard[0].kind in ("yes", "praise") or " right" in text.lower()
        return voice.say("guess_right" if is_caught else "guess_wrong")
    if any(one.kind not in _GAME_MOVES for one in heard):
        return None
    riddle = open_riddle(last, voice.memory.said)
    if riddle:
        kind, words = judge(riddle, text)
        says, asks = voice.say(kind)
        return f"{says} {words}", asks
    lie = guess_the_lie(text) if "one lie" in last else ""
    if lie:
        return voice.say("guess", lie)
    settled = settle(last, text)
    return (settled, voice.say("rather_on")[1]) if settled else None


def _remember(voice: Voice) -> tuple[str, str]:
    memory = voice.memory
    facts = [f"your name is {memory.name}"] if memory.name else []
    facts += [f"you like {like}" for like in dict.fromkeys(memory.likes[-2:])]
    if memory.earlier and memory.earlier not in memory.likes:
        facts.append(f"we spoke of {memory.earlier}")
    earlier = [words for words in a_few((*memory.people, *memory.known)) if words not in facts]
    facts += earlier
    if not memory.name and "name" in " ".join(memory.new).lower():
        return voice.say("recall_no_name")
    if not facts:
        return voice.say("recall_nothing")
    kind = "recall_earlier" if earlier else "recall"
    return voice.say(kind, " and ".join([", ".join(facts[:-1]), facts[-1]] if facts[1:] else facts))


def _riddle(voice: Voice) -> tuple[str, str]:
    return voice.say("riddle")[0], voice.choose([riddle.question for riddle in RIDDLES])


def _rather(voice: Voice) -> tuple[str, str]:
    return voice.say("rather")[0], voice.choose([choice.question for choice in CHOICES])


def _bored(voice: Voice) -> tuple[str, str]:
    return voice.say("bored")[0], _rather(voice)[1]


_GAMES: dict[str, Callable[[Voice], tuple[str, str]]] = {
    "riddle": _riddle,
    "rather": _rather,
    "game": _rather,
    "bored": _bored,
}


def _tones(request: ChatRequest, memory: Memory) -> tuple[str, ...]:
    """The tones that traits stand for, and `love` for a personality that is about it."""
    words = [trait.lower().strip() for trait in request.traits]
    tones = [tone for word in words for tone, names in TONES.items() if word in names]
    if any(stem in text for stem in _LOVE for text in (*words, request.speaker.lower())):
        tones.append("love")
    if memory.is_minor:
        tones = [tone for tone in tones if tone not in ("flirty", "love")]
    return tuple(dict.fromkeys(tones)) or ("warm", "curious")


def _about(heard: Sequence[Heard], kind: str) -> str:
    return next((one.about for one in heard if one.kind == kind), "")


def _unlike(heard: Sequence[Heard]) -> list[Heard]:
    return list(dict.fromkeys(heard))


def _ends(heard: Sequence[Heard]) -> bool:
    return any(one.kind in ("farewell", "thanks") for one in heard)


def _is_disclosed(heard: Sequence[Heard]) -> bool:
    return any(one.kind in ("human", "model", "who") for one in heard)


def _mark(phrase: str) -> str:
    """What one recognises a phrase by once its slots are filled: its longest fixed part."""
    return max(re.split(r"<[^>]*>|\|", phrase), key=len).strip()
