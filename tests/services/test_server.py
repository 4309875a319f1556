"""The fixtures around Chatify itself: servers start, people talk through every transport, servers come back."""

import signal

from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.services.provider import Provider
from tests.services.server import Server


def test_people_talk_over_rest(alice: ApiClient):
    turn = alice.send(alice.start(name="Alice")["id"], "hello")
    assert turn["reply"]["content"] == "You said: hello"


def test_people_talk_over_sse(alice: ApiClient):
    events = list(alice.sse(alice.start()["id"], "hello"))
    assert "".join(event.data["text"] for event in events if event.name == "reply.delta") == "You said: hello"
    assert events[-1].name == "reply.completed"


def test_people_talk_over_a_socket(alice: ApiClient):
    with alice.socket(alice.start()["id"]) as socket:
        end = socket.say("[[n=5,gap=10]]")
        assert end["type"] == "reply.completed"
        assert socket.text_of(end["message_id"]) == "t0 t1 t2 t3 t4 " == end["message"]["content"]


def test_tenants_have_keys_of_their_own(alice: ApiClient, mallory: ApiClient):
    path = f"/api/v1/sessions/{alice.start()['id']}/"
    assert alice.get(path).status_code == 200
    assert mallory.get(path).status_code == 404


def test_two_servers_share_their_data(grown_servers: tuple[Server, Server], make_client: MakeClient):
    first, second = (make_client(server, external_id="both") for server in grown_servers)
    chat = first.start()["id"]
    first.send(chat, "hello")
    assert [message["content"] for message in second.messages(chat)] == ["hello", "You said: hello"]


def test_killed_server_starts_again(make_server: MakeServer, make_client: MakeClient):
    server = make_server()
    client = make_client(server)
    chat = client.start()["id"]
    client.send(chat, "hello")
    server.kill()
    assert not server.is_running
    server.start()
    assert len(client.messages(chat)) == 2


def test_server_ends_when_asked(make_server: MakeServer):
    server = make_server(grown=True)
    assert server.terminate(timeout=10) == -signal.SIGTERM  # uvicorn ends by the signal, when all is done
    assert '"server_stopped"' in server.log_text()


def test_model_is_asked_with_the_key_of_the_server(alice: ApiClient, provider: Provider):
    said = f"from {alice.external_id}"
    alice.send(alice.start()["id"], said)
    assert provider.wait_for_call(said).headers["Authorization"] == "Bearer test-provider-key"
