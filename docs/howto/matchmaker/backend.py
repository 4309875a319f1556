"""An application's backend: a socket to each user, which leads to Chatify's chatbot or to another person."""

import asyncio
import json
import os
import time

import aiohttp
import redis.asyncio as redis
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

VERIFIER = Webhook(os.environ["CHATIFY_ENDPOINT_SECRET"])
store = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
people = {}  # user: Person


class Person:
    """Somebody whose page is open. They talk to a partner, to the chatbot, or wait."""

    def __init__(self, user, name, socket):
        self.user, self.name, self.socket = user, name, socket
        self.partner = self.chatbot = self.bridge = self.meeting = None

    async def tell(self, kind, **more):
        """Send a frame to their page, if it is still open."""
        if not self.socket.closed:
            await self.socket.send_json({"type": kind, **more})

    async def wait(self):
        """Queue up: the matchmaker looks at this sorted set."""
        self.partner = None
        await self.tell("waiting")
        await store.zadd("waiting", {self.user: time.time()})

    async def say(self, text):
        """Something that they typed, for whom they talk to."""
        if self.partner in people:
            await people[self.partner].tell("message", sender=self.name, text=text)
        elif self.chatbot is not None:
            await self.chatbot.send_json({"type": "message.send", "content": text})

    async def talk_to_chatbot(self, session, token):
        """The bridge: what Chatify's socket says goes to the page, until the chat session ends."""
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as http, http.ws_connect(session["ws_url"], headers=headers) as self.chatbot:
            await self.tell("chatbot", disclosure=session["disclosure"], text=session["greeting"])
            async for frame in self.chatbot:
                event = frame.json()
                message = event.get("message", {})
                if event["type"] in ("reply.completed", "message.created") and message["role"] == "assistant":
                    await self.tell("message", sender=message["sender"]["name"], text=message["content"])
                elif event["type"] == "session.ended":
                    await self.tell("chatbot_left", reason=event["reason"])
        self.chatbot = None

    async def meet(self, partner):
        """A person came. The chatbot may finish its goodbye first."""
        if self.bridge is not None:
            await asyncio.wait([self.bridge], timeout=5)
        self.partner = partner
        await self.tell("matched", partner=people[partner].name if partner in people else partner)


async def open_page(request):
    """GET /meet?user=...&name=...: the socket of a page. A real backend knows who it is by its own sign-in."""
    socket = web.WebSocketResponse(heartbeat=20)
    await socket.prepare(request)
    me = people[request.query["user"]] = Person(request.query["user"], request.query["name"], socket)
    await store.hset("profiles", me.user, json.dumps({"name": me.name}))
    await me.wait()
    try:
        async for frame in socket:
            await me.say(frame.json()["text"])
    finally:
        people.pop(me.user, None)
        await store.pipeline().zrem("waiting", me.user).sadd("user_left", me.user).execute()
        if me.partner in people:
            await people[me.partner].tell("partner_left")
            await people[me.partner].wait()
    return socket


async def hear_news():
    """What the matchmaker has decided."""
    async with store.pubsub() as news:
        await news.subscribe("news")
        async for item in news.listen():
            told = json.loads(item["data"]) if item["type"] == "message" else {}
            me = people.get(told.get("user"))
            if me is not None and told["type"] == "chatbot":
                me.bridge = asyncio.create_task(me.talk_to_chatbot(told["session"], told["token"]))
            elif me is not None:
                me.meeting = asyncio.create_task(me.meet(told["partner"]))


async def hear_chatify(request):
    """POST /chatify: Chatify's webhooks. Here they go to a log; yours may count, bill or alert."""
    body = await request.text()
    try:
        event = VERIFIER.verify(body, dict(request.headers))
    except (WebhookVerificationError, ValueError):  # the library raises the second for headers that are garbage
        return web.Response(status=401)
    seen, user = f"seen:{request.headers['webhook-id']}", event["data"].get("user", "nobody")  # as in webhook.test
    if not await store.exists(seen):  # it may come again; marked in one go with the work, neither is there alone
        await store.pipeline().rpush(f"log:{user}", event["type"]).set(seen, 1, ex=172_800).execute()
    return web.Response(status=204)


async def run(app):
    """Hear the news as long as it serves."""
    listener = asyncio.create_task(hear_news())
    yield
    listener.cancel()


app = web.Application()
app.add_routes([web.get("/meet", open_page), web.post("/chatify", hear_chatify)])
app.cleanup_ctx.append(run)
web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8002")))
