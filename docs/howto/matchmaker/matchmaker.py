"""A matchmaker on Redis with a timer of its own.

People wait in the sorted set `waiting`, by the time at which they came. Two of them make a pair. Whoever is alone for
WAIT_SECONDS gets Chatify's chatbot meanwhile, and goes on waiting: when somebody comes, the chatbot says goodbye.
"""

import json
import logging
import os
import time
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import redis
from standardwebhooks import Webhook

CHATIFY_URL = os.environ["CHATIFY_SOURCE_URL"]  # with the id of the source in it
SIGNER = Webhook(os.environ["CHATIFY_SOURCE_SECRET"])
WAIT_SECONDS = float(os.environ.get("WAIT_SECONDS", "10"))

store = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
http = httpx.Client(timeout=5)


def run():
    """Look ten times a second, for ever."""
    while True:
        for look in (hear_who_left, make_pairs, fall_back):
            try:
                look()
            except httpx.HTTPError as error:  # Chatify is away, or refuses: the others do not wait for that
                logging.warning("%s: %s", look.__name__, error)
        time.sleep(0.1)


# People -------------------------------------------------------------------------------------------
def make_pairs():
    """Pair the two who wait longest, as long as there are two."""
    while pair := store.transaction(_take_two, "waiting", value_from_callable=True):
        for user, partner in (pair, pair[::-1]):
            tell_backend(user, "matched", partner=partner)
        for user in pair:
            if store.srem("with_chatbot", user):
                tell_chatify("human_found", {"external_id": user})


def _take_two(pipe):
    """In one transaction, so that nobody is paired who leaves in this moment."""
    waiting = pipe.zrange("waiting", 0, 1)
    pipe.multi()
    if len(waiting) < 2:
        return None
    pipe.zrem("waiting", *waiting)
    return waiting


def fall_back():
    """The timer: who has waited long enough gets the chatbot."""
    for user in store.zrangebyscore("waiting", "-inf", time.time() - WAIT_SECONDS):
        if store.sismember("with_chatbot", user):
            continue
        profile = json.loads(store.hget("profiles", user) or "{}")
        answer = tell_chatify("chatbot_fallback_triggered", {"external_id": user, **profile})
        store.sadd("with_chatbot", user)
        tell_backend(user, "chatbot", session=answer["session"], token=answer["token"])


def hear_who_left():
    """The backend says who has closed the page. Nobody waits for them any more."""
    while user := store.lpop("left"):
        store.zrem("waiting", user)
        if store.srem("with_chatbot", user):
            tell_chatify("user_left", {"external_id": user})


# Who is told --------------------------------------------------------------------------------------
def tell_backend(user, kind, **more):
    """News for a user's socket."""
    store.publish("news", json.dumps({"user": user, "type": kind, **more}))


def tell_chatify(kind, user):
    """Send an event, and give Chatify's answer. Under the same id it is done once, however often it is sent.

    Each sending is signed anew: the very same signature twice is refused as a replay.
    """
    body = json.dumps({"type": kind, "data": {"user": user}})
    webhook_id = f"msg_{uuid4()}"
    for attempt in range(4):
        time.sleep(attempt)
        try:
            answer = http.post(CHATIFY_URL, content=body, headers=signed(webhook_id, body))
        except httpx.TransportError:
            continue
        if answer.status_code not in (429, 500, 502, 503, 504):
            return answer.raise_for_status().json()
    raise httpx.TransportError("Chatify does not answer.")


def signed(webhook_id, body):
    """The headers of Standard Webhooks."""
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": SIGNER.sign(webhook_id, now, body),
    }


if __name__ == "__main__":
    run()
