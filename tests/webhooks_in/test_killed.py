"""kill -9 in the middle of an event: sent again, it is done once."""

from contextlib import suppress

import httpx
import pytest

from tests.api.checks import SESSIONS
from tests.conftest import MakeClient, MakeServer
from tests.webhooks_in.matchmakers import FALLBACK, at, event, make_matchmaker

_DYING = """
import os, signal, sys
import django
from django.core.management import execute_from_command_line

django.setup()
from chatify.webhooks.api import inbound

right = inbound.{name}

def die(*args):
    {before}
    os.kill(os.getpid(), signal.SIGKILL)

inbound.{name} = die
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
MOMENTS = {
    "after the work, before its commit": _DYING.format(name="carry_out", before="right(*args)"),
    "after the commit, before the answer": _DYING.format(name="_answer", before="pass"),
}


@pytest.mark.parametrize("program", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("is_grown", [False, True], ids=["embedded", "grown"])
def test_killed_server_does_it_once(make_server: MakeServer, make_client: MakeClient, program: str, is_grown: bool):
    server = make_server(grown=is_grown)
    ada = make_client(server)
    matchmaker = make_matchmaker(ada)
    server.kill()
    server.program = ("-c", program)
    server.start()
    body = event(FALLBACK, ada.external_id)
    with suppress(httpx.TransportError):
        pytest.fail(matchmaker.send(body, "msg_1").text)
    server.kill()
    server.program = ("manage.py",)
    server.start()
    before = ada.get(SESSIONS).json()["results"]
    answer = matchmaker.send(body, "msg_1", at(5)).json()
    chats = ada.get(SESSIONS).json()["results"]
    assert [chat["id"] for chat in chats] == [answer["session"]["id"]]
    assert before in ([], chats)
