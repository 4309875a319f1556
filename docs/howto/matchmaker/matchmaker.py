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
        for look in (make_pairs, take_back, fall_back):
            try:
                look()
            except httpx.HTTPError as error:  # Chatify is away: people go on meeting without it
                logging.warning("%s: %s", look.__name__, error)
        time.sleep(0.1)


# People: nothing is taken from Redis before Chatify knows, so that nothing is lost when this program is killed ------
def make_pairs():
    """Pair the two who wait longest, as long as there are two."""
    while store.transaction(_pair_two, "waiting", value_from_callable=True):
        pass


def _pair_two(pipe):
    """In one transaction, so that nobody is paired who leaves in this moment."""
    waiting = pipe.zrange("waiting", 0, 1)
    pipe.multi()
    if len(waiting) < 2:
        return False
    pipe.zrem("waiting", *waiting)
    pipe.sadd("human_found", *waiting)
    for user, partner in (waiting, waiting[::-1]):
        tell_backend(pipe, user, "matched", partner=partner)
    return True


def take_back():
    """The chatbot loses whom a person was found for, and who has left, as the backend says."""
    for kind in ("human_found", "user_left"):
        for user in store.smembers(kind):
            if store.sismember("with_chatbot", user) and tell_chatify(kind, user) is None:
                continue
            store.srem("with_chatbot", user)
            store.srem(kind, user)


def fall_back():
    """The timer: who has waited long enough gets the chatbot. Whoever Chatify refuses waits no more."""
    for user in store.zrangebyscore("waiting", "-inf", time.time() - WAIT_SECONDS):
        if store.sismember("with_chatbot", user):
            continue
        answer = tell_chatify("chatbot_fallback_triggered", user, **json.loads(store.hget("profiles", user) or "{}"))
        with store.pipeline() as pipe:
            if answer:
                pipe.sadd("with_chatbot", user)
                tell_backend(pipe, user, "chatbot", session=answer["session"], token=answer["token"])
            elif answer is not None:
                pipe.zrem("waiting", user)
            pipe.execute()


# Who is told --------------------------------------------------------------------------------------
def tell_backend(pipe, user, kind, **more):
    """News for a user's socket."""
    pipe.publish("news", json.dumps({"user": user, "type": kind, **more}))


def tell_chatify(kind, user, **profile):
    """Send an event. Gives the answer; {} if it is refused for good, None if it is to be sent again after the others.

    Under the same id it is done once, however often it is sent. Each sending is signed anew: the very same signature
    twice is refused as a replay.
    """
    body = json.dumps({"type": kind, "data": {"user": {"external_id": user, **profile}}})
    webhook_id = f"msg_{uuid4()}"
    for pause in (1, 0):
        try:
            answer = http.post(CHATIFY_URL, content=body, headers=signed(webhook_id, body))
            if answer.is_success:
                return answer.json()
            logging.warning("%s of %s: %s %s", kind, user, answer.status_code, answer.text)
            if answer.status_code in (400, 403, 409):
                return {}
        except httpx.TransportError:
            if not pause:
                raise
        time.sleep(pause)
    return None


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
