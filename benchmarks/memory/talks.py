"""Playing the conversations to Chatify, and looking at what its model was given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from benchmarks.memory.house import House
from benchmarks.memory.long_messages import lengthen
from benchmarks.memory.model import Model, Request
from benchmarks.memory.scripts import Conversation, Exchange
from benchmarks.services import BenchmarkError

LAG = 2
"""Turns between two runs of the worker: beat comes every 10 s, a model takes a few more, and people type."""


@dataclass(frozen=True)
class Mode:
    """How conversations are played: who summarises, with what budget, whether people paste long texts."""

    name: str
    budget: int
    is_extractive: bool = False
    has_long_messages: bool = False
    has_recall_checked: bool = True


@dataclass(frozen=True)
class Lost:
    """A fact that was not in the context when it was asked for."""

    conversation: str
    fact: str
    planted: str
    asked: str
    summary: str


@dataclass
class Played:
    """One conversation after it was played."""

    conversation: Conversation
    asked: int = 0
    lost: list[Lost] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)
    over_budget: list[str] = field(default_factory=list)

    @property
    def found(self) -> int:
        """Facts that were in the context when they were asked for."""
        return self.asked - len(self.lost)


def play(
    house: House, model: Model, mode: Mode, conversations: Iterable[Conversation], say: Callable[[str], None]
) -> list[Played]:
    """Play them one after the other: then each request that the model gets belongs to the message that was sent."""
    results = []
    for conversation in conversations:
        results.append(_Talk(house, model, mode, conversation).play())
        say(f"  {conversation.name}: {results[-1].found} of {results[-1].asked} facts")
    return results


class _Talk:
    def __init__(self, house: House, model: Model, mode: Mode, conversation: Conversation) -> None:
        self._house, self._worker = house, house.workers[mode.is_extractive]
        self._model, self._mode = model, mode
        self._conversation, self._played = conversation, Played(conversation)

    def play(self) -> Played:
        user = {"external_id": f"{self._mode.name}: {self._conversation.name}"}
        body = {"template": self._house.slugs[str(self._mode.budget)], "user": user}
        self._session = self._house.post("/sessions/", body)["id"]
        for number, written in enumerate(self._conversation.exchanges):
            exchange = lengthen(written, number) if self._mode.has_long_messages else written
            self._check(exchange, number, self._send(exchange))
            if number % LAG == LAG - 1:
                self._remember()
        return self._played

    def _send(self, exchange: Exchange) -> Request:
        """Say it, and see what the model was given. Raises BenchmarkError."""
        before = len(self._model.requests)
        self._model.replies[exchange.said] = exchange.reply
        if exchange.is_small_talk:
            self._model.small_talk.add(exchange.said.partition("\n\n")[0])
        answer = self._house.post(f"/sessions/{self._session}/messages/", {"content": exchange.said})
        if answer["reply"]["status"] != "complete" or len(self._model.requests) != before + 1:
            raise BenchmarkError(f"A turn went wrong: {answer['reply']}")
        return self._model.requests[-1]

    def _check(self, exchange: Exchange, number: int, request: Request) -> None:
        played, budget = self._played, self._mode.budget
        played.prompt_tokens.append(request.prompt_tokens)
        if request.prompt_tokens > budget:
            played.over_budget.append(f"{self._conversation.name}, turn {number + 1}: {request.prompt_tokens} tokens")
        if exchange.asks is None:
            return
        played.asked += 1
        if not self._conversation.facts[exchange.asks].is_told_by(request.before_question):
            played.lost.append(self._describe_loss(exchange.asks, exchange.said))

    def _describe_loss(self, fact: str, asked: str) -> Lost:
        planted = next(one.said for one in self._conversation.exchanges if fact in one.plants)
        summary = self._worker.call("describe", session=self._session)["text"]
        return Lost(self._conversation.name, fact, planted, asked, summary)

    def _remember(self) -> None:
        """Raises BenchmarkError when memory has not done what it had to."""
        if left := self._worker.call("digest")["left"]:
            state = self._worker.call("describe", session=self._session)
            raise BenchmarkError(f"{left} chat sessions wait for their summaries: {state['error']}")
