"""People who look for somebody, each with a mind of their own."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.matchmaking_soak.lines import Frame, Line, MatchSocket
from tests.matchmaking_soak.world import Told, World

TICKETS = "/api/v1/match/tickets/"
SESSIONS = "/api/v1/sessions/"
LANGUAGES = (None, "en", "en", "en-GB", "en-US", "de", "de-AT", "fr")
INTERESTS = ("sailing", "chess", "films", "cooking", "football", "knitting", "history", "gardening", "jazz", "anime")
AGES = (None, 15, 17, 18, 25, 31, 44, 60)
OVER = (404, 409)
"""Refusals of who comes too late: what they are about has ended, in the same moment or long ago."""


@dataclass(frozen=True)
class Nature:
    """Who somebody is, and how they behave."""

    name: str
    arrives: float
    is_other_tenant: bool
    is_key: bool
    is_socket: bool
    is_patient: bool
    """They stay to the end."""
    age: int | None
    preferences: Frame

    @classmethod
    def draw(cls, rng: random.Random, number: int, arrives: float, patient: float) -> Nature:
        """Somebody. Of four people one looks for what nobody else likes, and meets nobody."""
        name = f"person {number}"
        interests = rng.sample(INTERESTS, rng.randint(0, 3))
        strict = [what for what in ("language", "interests") if rng.random() < 0.15]
        if rng.random() < 0.25:
            interests, strict = [f"only of {name}"], ["interests"]
        return cls(
            name=name,
            arrives=arrives,
            is_other_tenant=rng.random() < 0.1,
            is_key=rng.random() < 0.5,
            is_socket=rng.random() < 0.6,
            is_patient=rng.random() < patient,
            age=rng.choices(AGES, (3, 1, 2, 2, 4, 4, 2, 2))[0],
            preferences={"language": rng.choice(LANGUAGES), "interests": interests, "strict": strict},
        )


class Person:
    """One person, from their arrival to their end."""

    def __init__(self, world: World, http: aiohttp.ClientSession, nature: Nature, rng: random.Random) -> None:
        server = world.servers[0]
        key = server.other_key if nature.is_other_tenant else server.key
        self._world, self._rng, self._nature = world, rng, nature
        self._line = Line(world, http, rng, nature.name, key)
        self._socket: MatchSocket | None = None
        self._news = asyncio.Event()
        self._is_gone = False
        self._cancels: dict[str, bool] = {}
        self.told = Told(nature.name, nature.is_socket)
        world.told.append(self.told)

    async def live(self) -> None:
        """Come, look for people, talk, and go; or stay until the end."""
        await asyncio.sleep(self._nature.arrives)
        try:
            await self._enter()
            while not (self._is_gone or self._world.closing.is_set()):
                await self._step()
            if not self._is_gone:
                self.told.has_stayed = True
                await self._linger()
            self.told.is_gone = not self.told.has_stayed
        finally:
            if self._socket is not None:
                await self._socket.close()

    # What they are told -------------------------------------------------------------------------------

    def _hear(self, frame: Frame) -> None:
        """A frame came over the match socket."""
        if "ticket" in frame:
            self._know(frame["ticket"])

    def _know(self, ticket: dict[str, Any] | None) -> None:
        self.told.ticket = ticket
        if ticket is not None:
            self.told.acknowledged.add(ticket["id"])
        self._news.set()

    async def _look(self, seconds: float) -> None:
        """Wait for news: over the socket, or by asking."""
        if self._socket is not None:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            return
        await asyncio.sleep(seconds)
        if self.told.ticket is not None:
            await self._ask("GET", f"{TICKETS}{self.told.ticket['id']}/")

    async def _ask(self, method: str, path: str, body: Any = None, *, may: tuple[int, ...] = ()) -> None:
        """A call that answers with the ticket."""
        status, answer = await self._line.call(method, path, body, may=may)
        if status in (200, 201):
            self._know(answer)

    # What they do -------------------------------------------------------------------------------------

    async def _enter(self) -> None:
        if not self._nature.is_key:
            await self._take_token()
        if self._nature.is_socket:
            self._socket = MatchSocket(self._line, self._hear)

    async def _take_token(self) -> None:
        """However long it takes: a server under load lets people wait."""
        status, answer = 0, None
        while status not in (200, 201):
            status, answer = await self._line.call("POST", "/api/v1/tokens/", {"user": self._profile()})
        self._line.headers, self._line.is_key = {"Authorization": f"Bearer {answer['token']}"}, False

    def _profile(self) -> Frame:
        age = {} if self._nature.age is None else {"age": self._nature.age}
        return {"external_id": self._nature.name, "name": self._nature.name.title(), **age}

    async def _step(self) -> None:
        ticket = self.told.ticket
        if ticket is None or ticket["closed_at"]:
            if ticket is not None and not self._nature.is_patient and self._rng.random() < 0.4:
                self._is_gone = True
            else:
                await self._join()
        elif _question(ticket):
            await self._think()
            await self._answer(ticket, self._rng.choices(("accept", "stay", ""), (75, 20, 5))[0])
        elif ticket["status"] == "waiting":
            await self._wait(ticket)
        elif ticket["status"] == "with_chatbot":
            await self._be_with_personality(ticket)
        else:
            await self._be_in_room(ticket)

    async def _think(self) -> None:
        """Until they have thought, or all are to come to rest."""
        pace = self._world.scale.pace
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._rng.expovariate(1 / pace), 4 * pace)):
                await self._world.closing.wait()

    async def _join(self, *, is_next: bool = False) -> None:
        """Look for somebody; over a socket they say so again if they hear nothing."""
        self._world.counts["next" if is_next else "joins"] += 1
        whose = {"user": self._profile()} if self._line.is_key else {}
        if self._socket is None:
            body = {**whose, "preferences": self._nature.preferences, "next": is_next}
            await self._ask("POST", TICKETS, body)
            return
        before = self.told.ticket
        await self._socket.send("match.join", preferences=self._nature.preferences, next=is_next, **whose)
        for _ in range(20):
            await self._look(0.5)
            if self.told.ticket is not before and self.told.ticket is not None and not self.told.ticket["closed_at"]:
                return

    async def _answer(self, ticket: dict[str, Any], answer: str) -> None:
        proposal = ticket["proposal"]["id"]
        self._world.counts[f"said {answer or 'nothing'}"] += 1
        if not answer:
            await self._look(self._world.scale.pace)
        elif self._socket is not None:
            await self._socket.send(f"match.{answer}", proposal=proposal)
            await self._look(2)
        else:
            await self._ask("POST", f"{TICKETS}{ticket['id']}/{answer}/", {"proposal": proposal}, may=OVER)
            await self._look(0.2)

    async def _wait(self, ticket: dict[str, Any]) -> None:
        if self._cancels.setdefault(ticket["id"], self._rng.random() < 0.08):
            await self._think()
            await self._cancel(ticket)
        elif self._rng.random() < 0.02:
            self._vanish()
        else:
            await self._look(0.3 + self._world.scale.pace / 2)

    async def _cancel(self, ticket: dict[str, Any]) -> None:
        self._world.counts["cancelled"] += 1
        if self._socket is not None:
            await self._socket.send("match.cancel")
            await self._look(2)
        else:
            await self._ask("DELETE", f"{TICKETS}{ticket['id']}/", may=OVER)
            await self._look(0.1)

    async def _be_with_personality(self, ticket: dict[str, Any]) -> None:
        doing = self._rng.choices(("say", "listen", "next", "cancel", "end", "vanish"), (40, 40, 6, 5, 4, 5))[0]
        await self._think()
        if doing == "say":
            await self._say(ticket["session"])
        elif doing == "listen":
            await self._look(self._world.scale.pace)
        elif doing == "next":
            await self._join(is_next=True)
        elif doing == "cancel":
            await self._cancel(ticket)
        elif doing == "end":
            await self._line.call("POST", f"{SESSIONS}{ticket['session']}/end/", {}, may=OVER)
            await self._look(1)
        else:
            self._vanish()

    async def _be_in_room(self, ticket: dict[str, Any]) -> None:
        choices = ("say", "listen", "leave", "next", "block", "report", "vanish")
        doing = self._rng.choices(choices, (45, 20, 9, 12, 6, 3, 5))[0]
        await self._think()
        room = f"{SESSIONS}{ticket['session']}/"
        if doing == "say":
            await self._say(ticket["session"])
        elif doing == "listen":
            await self._look(self._world.scale.pace)
        elif doing == "next":
            await self._join(is_next=True)
        elif doing == "report":
            await self._line.call("POST", f"{room}report/", {**self._line.acting, "reason": "spam"})
        elif doing == "vanish":
            self._vanish()
        else:
            self._world.counts[doing] += 1
            await self._line.call("POST", f"{room}{doing}/", self._line.acting)
            await self._look(1)

    async def _say(self, chat_session_id: str) -> None:
        content = f"hello from {self._nature.name}"
        if self._socket is not None and self._rng.random() < 0.5:
            await self._line.say(chat_session_id, content)
            return
        body = {"content": content, "client_message_id": f"{self._rng.getrandbits(64):x}", **self._line.acting}
        status, _ = await self._line.call("POST", f"{SESSIONS}{chat_session_id}/messages/", body, may=OVER)
        self._world.counts["said"] += status in (200, 202)

    def _vanish(self) -> None:
        """Without a word."""
        if not self._nature.is_patient:
            self._world.counts["vanished"] += 1
            self._is_gone = True

    # The end ------------------------------------------------------------------------------------------

    async def _linger(self) -> None:
        """Begin nothing new, and stay where they are."""
        while not self._world.over.is_set():
            ticket = self.told.ticket
            if ticket is not None and not ticket["closed_at"] and _question(ticket):
                await self._answer(ticket, "stay")
            else:
                await self._look(0.3 + self._world.scale.pace / 2)


def _question(ticket: dict[str, Any]) -> bool:
    """Whether they are asked something."""
    proposal = ticket["proposal"]
    return proposal is not None and proposal["state"] == "open" and bool(proposal["must_answer"])
