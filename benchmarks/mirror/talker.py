"""People who talk without a model, in Chatify's environment: `python -m benchmarks.mirror.talker 200 25 [--rate 20]`.

Prints as JSON how long the database took for each turn: accepting the message, and ending the reply.
"""

import argparse
import json
import time
from collections.abc import Iterator

import django
import structlog

REPLY = "This is what a model may say to it, in one or two sentences that are neither long nor short. " * 3


def take_turns(sessions: int, turns: int, rate: float, is_alternating: bool) -> list[float]:
    """Everybody in turn, so many turns per second (0: as fast as it goes). Gives the seconds of each.

    `is_alternating`: the mirror is off and on by turns, so that drift of the machine hits both alike.
    """
    from django.conf import settings

    from chatify.accounts.actions import ensure_tenant
    from chatify.accounts.principal import Principal
    from chatify.accounts.profile import UserInput
    from chatify.common.ids import uuid7
    from chatify.llm.types import Usage
    from chatify.turns import ledger
    from chatify.turns.spec import Outcome
    from sessions.actions import start_chat_session

    principal = Principal(ensure_tenant(slug="bench").id)
    chats = [
        start_chat_session(principal=principal, template_slug=None, user=UserInput(external_id=f"person {number}"))
        for number in range(sessions)
    ]

    def take_one(chat_id: object, number: int) -> float:
        if is_alternating:
            settings.FIRESTORE_IS_ON = not settings.FIRESTORE_IS_ON
        begun = time.perf_counter()
        question = {"message_id": uuid7(), "content": f"Question {number}?"}
        accepted = ledger.accept(principal=principal, chat_session_id=chat_id, owner="bench", **question)
        ledger.finish(spec=accepted.reply, owner="bench", outcome=Outcome("complete", REPLY, usage=Usage(200, 60)))
        return time.perf_counter() - begun

    due = paced(rate)
    return [take_one(chat.id, turn) for turn in range(turns) for chat in chats if next(due)]


def paced(rate: float) -> Iterator[bool]:
    """True, so many times a second."""
    begun, number = time.perf_counter(), 0
    while True:
        if rate:
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        yield True
        number += 1


def main() -> None:
    """Talk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", type=int)
    parser.add_argument("turns", type=int)
    parser.add_argument("--rate", type=float, default=0, help="turns per second, of all together")
    parser.add_argument("--alternate", action="store_true", help="with the mirror off and on by turns")
    options = parser.parse_args()
    django.setup()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(json.dumps(take_turns(options.sessions, options.turns, options.rate, options.alternate)))


if __name__ == "__main__":
    main()
