"""The yardstick: the least that a Python service can do for a turn. A raw ASGI application, run by uvicorn.

A client sends `{"text": ...}` on a WebSocket, gets one `{"delta": ...}` per token and then `{"end": true}`.
The two messages of the turn are rows in PostgreSQL before the model is asked and before the end is told;
there are no accounts, no checks, no chat sessions, no logs. Reads `DATABASE_URL` and `OPENAI_BASE_URL`.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import asyncpg
import orjson

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS message (
    id bigserial PRIMARY KEY,
    role text NOT NULL,
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)
"""
INSERT = "INSERT INTO message (role, content) VALUES ($1, $2)"
END = '{"end":true}'


class Relay:
    """The application; its clients are made when the server starts."""

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        elif scope["type"] == "websocket":
            await self.converse(receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ready"})

    async def live(self, receive: Receive, send: Send) -> None:
        """Open the clients, wait for the server's end, close them."""
        await receive()
        self.url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.database = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=4, max_size=8)
        await self.database.execute(CREATE_TABLE)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.http.close()
        self.database.terminate()
        await send({"type": "lifespan.shutdown.complete"})

    async def converse(self, receive: Receive, send: Send) -> None:
        """Answer turn after turn until the client leaves."""
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await self.take_turn(orjson.loads(event["text"])["text"], send)

    async def take_turn(self, text: str, send: Send) -> None:
        """Store the message, pass the reply on, store the reply, say that it has ended."""
        await self.database.execute(INSERT, "user", text)
        reply = []
        async for delta in self.ask_model(text):
            reply.append(delta)
            await send({"type": "websocket.send", "text": orjson.dumps({"delta": delta}).decode()})
        await self.database.execute(INSERT, "assistant", "".join(reply))
        await send({"type": "websocket.send", "text": END})

    async def ask_model(self, text: str) -> AsyncIterator[str]:
        """The reply's deltas, as they come from the model server."""
        body = {"model": "stub", "stream": True, "messages": [{"role": "user", "content": text}]}
        headers = {"content-type": "application/json"}
        async with self.http.post(self.url, data=orjson.dumps(body), headers=headers) as response:
            response.raise_for_status()
            async for line in response.content:
                if not line.startswith(b"data: {"):
                    continue
                choices = orjson.loads(line[6:])["choices"]
                if choices and (delta := choices[0]["delta"].get("content")):
                    yield delta


app = Relay()
