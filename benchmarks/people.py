"""How a simulated person talks to each of the systems."""

import asyncio
import uuid
from typing import Any

import aiohttp

from benchmarks.sockets import JsonSocket, Refused
from benchmarks.turns import Turn

QUESTION = "Question {number}: what would you take along for a day by the sea, and why that and nothing else?"
CONNECT_SECONDS = 30
TURN_SECONDS = 30


class Person(JsonSocket):
    """One open conversation with a system. Subclasses know the system's frames."""

    def __init__(self, host: str, path: str, headers: dict[str, str]) -> None:
        super().__init__(host, path, headers)
        self.turn: Turn | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def arrive(cls, port: int, path: str, headers: dict[str, str]) -> "Person":
        """Connect, and wait until the system can take a message.

        Raises:
            Refused: the system did not open the conversation.
        """
        loop, host = asyncio.get_running_loop(), "127.0.0.1"
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, person = await loop.create_connection(lambda: cls(f"{host}:{port}", path, headers), host, port)
                await person.ready
        except (OSError, TimeoutError) as error:
            raise Refused(f"{type(error).__name__} {error}".rstrip()) from error
        return person

    async def take_turn(self, number: int, tokens: int, model_seconds: float) -> Turn:
        """Ask a question and wait for the end of its reply, whichever it is."""
        self.turn = turn = Turn(tokens)
        if self.is_closed:
            turn.fail("the socket is closed")
        else:
            self.ask(QUESTION.format(number=number))
        try:
            async with asyncio.timeout(TURN_SECONDS + model_seconds):
                await turn.ended.wait()
        except TimeoutError:
            turn.fail(f"timeout after {turn.tokens} tokens")
        return turn

    def become_ready(self) -> None:
        """Messages can be sent from now on."""
        if not self.ready.done():
            self.ready.set_result(None)

    def closed(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(Refused(reason))
        if self.turn:
            self.turn.fail(reason)

    def ask(self, question: str) -> None:
        """Send the message that starts a turn."""
        raise NotImplementedError


class RelayPerson(Person):
    """Talks to the bare relay."""

    def upgraded(self) -> None:
        self.become_ready()

    def ask(self, question: str) -> None:
        self.send({"text": question})

    def received(self, frame: dict[str, Any]) -> None:
        if self.turn is None:
            return
        if "delta" in frame:
            self.turn.take(frame["delta"])
        elif "end" in frame:
            self.turn.complete()


class ChatifyPerson(Person):
    """Talks to Chatify's `/ws/v1/sessions/{id}/`."""

    def ask(self, question: str) -> None:
        self.send({"type": "message.send", "content": question, "client_message_id": str(uuid.uuid4())})

    def received(self, frame: dict[str, Any]) -> None:
        kind, turn = frame["type"], self.turn
        if kind == "session.ready":
            self.become_ready()
        elif kind == "error" and turn is None:
            self.end(describe(frame))
        elif turn is None:
            return
        elif kind == "reply.delta":
            turn.take(frame["text"], frame["offset"])
        elif kind == "reply.completed":
            turn.complete(frame["message"]["content"])
        elif kind in ("reply.failed", "reply.cancelled", "session.ended", "error"):
            turn.fail(describe(frame))


def describe(frame: dict[str, Any]) -> str:
    """A frame that tells of trouble, in one line."""
    words = [frame["type"], frame.get("code"), frame.get("reason"), frame.get("message")]
    return " ".join(word for word in words if isinstance(word, str))


async def join_relay(port: int, _key: str, _name: str) -> Person:
    """A person connected to the relay."""
    return await RelayPerson.arrive(port, "/", {})


async def join_chatify(port: int, key: str, name: str) -> Person:
    """A person in a new chat session of Chatify.

    Raises:
        Refused: Chatify did not start the chat session or closed its socket.
    """
    headers = {"Authorization": f"Bearer {key}"}
    body = {"template": "casual_chat", "user": {"external_id": name, "name": "Robin", "age": 30}}
    url = f"http://127.0.0.1:{port}/api/v1/sessions/"
    timeout = aiohttp.ClientTimeout(total=CONNECT_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
        try:
            async with client.post(url, json=body, allow_redirects=False) as response:
                if response.status != 201:
                    raise Refused(f"POST /api/v1/sessions/ answered {response.status}: {await response.text():.200}")
                session_id = (await response.json())["id"]
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refused(f"POST /api/v1/sessions/: {type(error).__name__} {error}") from error
    return await ChatifyPerson.arrive(port, f"/ws/v1/sessions/{session_id}/", headers)


JOIN = {"relay": join_relay, "chatify": join_chatify}
