"""One turn as a client sees it: whether every token came, in order, and when."""

import asyncio
from dataclasses import dataclass, field

from benchmarks.tokens import clock, elapsed, read_tokens


@dataclass
class Turn:
    """Collects a reply. `failure` is None once the turn has ended well; times in microseconds."""

    tokens_expected: int
    failure: str | None = "not ended"
    text: str = ""
    tokens: int = 0
    first_token_added: int = 0
    lags: list[int] = field(default_factory=list)
    asked: int = field(default_factory=clock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, delta: str, offset: int | None = None) -> None:
        """Add a piece of the reply; `offset`, where the protocol has it, says how much came before."""
        now = clock()
        if offset is not None and offset != len(self.text):
            self.fail(f"delta at offset {offset} after {len(self.text)} characters")
        self.text += delta
        for token in read_tokens(delta):
            if token.place != self.tokens:
                self.fail(f"token {token.place} came where {self.tokens} was due")
            if token.request_arrived is not None:
                model_took = elapsed(token.request_arrived, token.sent)
                self.first_token_added = elapsed(self.asked, now) - model_took
            self.tokens += 1
            self.lags.append(elapsed(token.sent, now))

    def complete(self, whole: str | None = None) -> None:
        """The end event came; `whole` is the reply's text as the server has it, where it tells."""
        if self.tokens != self.tokens_expected:
            self.fail(f"{self.tokens} tokens of {self.tokens_expected}")
        elif whole is not None and whole != self.text:
            self.fail("the completed reply differs from its deltas")
        elif not self.ended.is_set():
            self.failure = None
            self.ended.set()

    def fail(self, reason: str) -> None:
        """The turn is lost; the first reason counts."""
        if not self.ended.is_set():
            self.failure = reason
            self.ended.set()
