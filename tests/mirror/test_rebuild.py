"""`firestore_sync --rebuild`: Firestore becomes what the database says, and nothing that people wrote is lost."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import AuditEntry, EndUser
from chatify.common.ids import uuid7
from chatify.events.leases import Lease
from chatify.events.models import OutboxRow
from chatify.mirror import rebuilding, walking
from chatify.mirror.models import InboundReport, MirrorCursor
from chatify.mirror.rebuilding import Delivery, Stalled
from chatify.mirror.relay import Relay
from chatify.mirror.scopes import left_behind, moved_tenants
from chatify.mirror.sink import NAME
from sessions.actions import rename_chat_session
from sessions.models import ChatSession, Message
from templates_app.actions import Draft, save_personality
from templates_app.models import PromptTemplate
from tests.mirror.relaying import deliver, document, session_document
from tests.mirror.syncing import conversation, messages_of, move, paths, sync
from tests.services.firestore import Firestore
from tests.services.server import ROOT, Prepared, base_env, copy_sqlite, run_python
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("small_lots")


@pytest.fixture
def chats(mirror: Client, chat: ChatSession) -> list[ChatSession]:
    """Four conversations of two tenants, in Firestore."""
    deliver()
    return [conversation("acme" if number % 2 else "demo", f"user-{number}") for number in range(4)]


def _is_right() -> bool:
    return sync("--verify")[0] == 0


# What it sets right -------------------------------------------------------------------------------
@pytest.mark.django_db
def test_empty_project_is_filled(mirror: Client, chats: list[ChatSession]) -> None:
    before = paths(mirror)
    for path in before:
        mirror.document(path).delete()
    status, said = sync("--rebuild")
    assert (status, said) == (0, "22 documents compared: 22 written, 0 removed.\n")
    assert (paths(mirror), _is_right()) == (before, True)


@pytest.mark.django_db
def test_what_differs_is_written_and_what_is_extra_removed(mirror: Client, chats: list[ChatSession]) -> None:
    before = paths(mirror)
    message = Message.objects.filter(chat_session=chats[0])[0]
    mirror.document(f"chatbot_sessions/{chats[3].id}").update({"title": "Theirs", "extra": 1})
    mirror.document(f"{messages_of(chats[0])}/{message.id}").delete()
    lost = Message.objects.filter(chat_session=chats[2])[0]
    said = document(mirror, f"{messages_of(chats[2])}/{lost.id}") or {}
    for path in (f"chatbot_sessions/{uuid4()}", "chatbot_sessions/x"):
        mirror.document(path).set(session_document(mirror, chats[0]) or {})
    mirror.document(f"conversation_history/{uuid4()}/messages/x").set(said)
    status, said = sync("--rebuild")
    assert (status, "2 written, 3 removed" in said) == (0, True)
    assert (paths(mirror), _is_right()) == (before, True)
    assert "extra" not in (session_document(mirror, chats[3]) or {})


@pytest.mark.django_db
def test_second_rebuild_writes_nothing(mirror: Client, chats: list[ChatSession]) -> None:
    times = {path: mirror.document(path).get().update_time for path in paths(mirror)}
    assert "0 written, 0 removed" in sync("--rebuild")[1]
    assert {path: mirror.document(path).get().update_time for path in paths(mirror)} == times


@pytest.mark.django_db
def test_only_the_tenants_documents_are_touched(mirror: Client, chats: list[ChatSession]) -> None:
    foreign = [f"chatbot_sessions/{uuid7()}", "prompt_templates/demo.lost"]
    for path in foreign:
        mirror.document(path).set({"tenant": "demo"})
    mirror.document(f"chatbot_sessions/{chats[0].id}").update({"title": "demo's"})
    mirror.document(f"chatbot_sessions/{chats[1].id}").update({"title": "acme's"})
    assert sync("--rebuild", "--verify", "--tenant", "acme")[0] == 0
    assert (session_document(mirror, chats[0]) or {})["title"] == "demo's"
    assert set(foreign) <= set(paths(mirror))


@pytest.mark.django_db
def test_what_waits_is_delivered_too(mirror: Client, chats: list[ChatSession]) -> None:
    rename_chat_session(chat_session=chats[0], title="Another")
    assert sync("--rebuild")[0] == 0
    assert not OutboxRow.objects.exists()
    assert (session_document(mirror, chats[0]) or {})["title"] == "Another"


@pytest.mark.django_db
def test_no_more_waits_at_once_than_others_can_bear(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "ROWS_AHEAD", 3)
    for path in paths(mirror):
        mirror.document(path).delete()
    until, waiting = Delivery.until, []

    def counted(self: Delivery, most: int, *arguments: Any) -> None:
        until(self, most, *arguments)
        waiting.append(OutboxRow.objects.count())

    monkeypatch.setattr(Delivery, "until", counted)
    assert sync("--rebuild", "--verify")[0] == 0
    assert max(waiting) <= 3


@pytest.mark.django_db
def test_what_chatify_has_not_written_stays_and_is_told(mirror: Client, chats: list[ChatSession]) -> None:
    foreign = ["chatbot_sessions/x", f"chatbot_sessions/{uuid4()}", f"conversation_history/{uuid4()}/messages/x"]
    for path in foreign:
        mirror.document(path).set({"a": 1, "tenant": "demo"})
    mirror.document(f"{messages_of(chats[0])}/x").set({"a": 1})  # a transcript of ours is ours as a whole
    for arguments in (["--rebuild", "--verify"], ["--rebuild", "--tenant", "demo"]):
        status, said = sync(*arguments)
        assert status == 0
        assert all(f"{path}: not written by Chatify" in said for path in foreign[:2])
    assert set(foreign) <= set(paths(mirror))
    assert f"{messages_of(chats[0])}/x" not in paths(mirror)


@pytest.mark.django_db
def test_refused_edit_that_is_overwritten_is_settled(mirror: Client, chats: list[ChatSession]) -> None:
    for path in ("prompt_templates/plain", "prompt_templates/ina"):
        mirror.document(path).set({"name": "Ina", "system_prompt": ""})
    assert sync("--rebuild", "--verify")[0] == 0
    reports = InboundReport.objects.all()
    assert {(one.path, one.settled_at is None) for one in reports} == {
        ("prompt_templates/plain", False), ("prompt_templates/ina", False),
    }  # fmt: skip
    assert AuditEntry.objects.filter(action="firestore.settled").count() == 2


# Nothing is lost, nothing comes back --------------------------------------------------------------
@pytest.mark.django_db
def test_new_personality_that_somebody_wrote_there_is_taken(mirror: Client, chats: list[ChatSession]) -> None:
    mirror.document("prompt_templates/ina").set({"name": "Ina", "system_prompt": "You are Ina, who sails."})
    assert sync("--rebuild")[0] == 0
    assert PromptTemplate.objects.get(slug="ina").name == "Ina"
    assert (document(mirror, "prompt_templates/ina") or {})["version"] == 1
    assert _is_right()


@pytest.mark.django_db
def test_edit_there_is_taken_and_not_overwritten(mirror: Client, chats: list[ChatSession]) -> None:
    mirror.document("prompt_templates/plain").update({"name": "Better"})
    assert sync("--rebuild", "--verify")[0] == 0
    assert PromptTemplate.objects.get(slug="plain").name == "Better"


@pytest.mark.django_db
def test_refused_personality_is_removed_and_kept_in_the_report(mirror: Client, chats: list[ChatSession]) -> None:
    mirror.document("prompt_templates/ina").set({"name": "Ina", "system_prompt": ""})
    assert sync("--rebuild")[0] == 0
    assert document(mirror, "prompt_templates/ina") is None
    assert InboundReport.objects.get().content == {"name": "Ina", "system_prompt": ""}


@pytest.mark.django_db
def test_what_nobody_could_take_stays_and_is_told(mirror: Client, chats: list[ChatSession]) -> None:
    """Another relay has the lease: what comes in is its business."""
    mirror.document("prompt_templates/ina").set({"name": "Ina", "system_prompt": "You are Ina, who sails."})
    other = Lease(NAME)
    assert other.take()
    status, said = sync("--rebuild")
    assert status == 1
    assert "prompt_templates/ina: kept, nobody has taken it" in said
    assert document(mirror, "prompt_templates/ina") is not None


@pytest.mark.django_db
def test_document_that_changes_while_it_is_removed_stays(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = rebuilding._remove
    extra = [f"chatbot_sessions/{uuid7()}" for _ in range(3)]
    for path in extra:
        mirror.document(path).set(session_document(mirror, chats[0]) or {})

    def late(*arguments: Any) -> int:
        mirror.document(extra[1]).update({"a": str(uuid4())})
        return remove(*arguments)

    monkeypatch.setattr(rebuilding, "_remove", late)
    assert "0 written, 2 removed" in sync("--rebuild")[1]
    assert [document(mirror, path) is None for path in extra] == [True, False, True]


@pytest.mark.django_db
def test_erased_while_it_is_rebuilt_does_not_come_back(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in paths(mirror):
        mirror.document(path).delete()
    put = rebuilding._put

    def erasing(*arguments: Any) -> int:
        written = put(*arguments)
        for end_user in EndUser.objects.filter(external_id="user-2"):
            erase_end_user(end_user_id=end_user.id, who=None)
        return written

    monkeypatch.setattr(rebuilding, "_put", erasing)
    assert sync("--rebuild", "--verify")[0] == 0
    assert not [path for path in paths(mirror) if str(chats[2].id) in path]


# Dead letters -------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_dead_letters_are_tried_again(mirror: Client, chats: list[ChatSession]) -> None:
    mirror.document(f"chatbot_sessions/{chats[0].id}").delete()
    OutboxRow.objects.create(
        sink=NAME, event="session.renamed", tenant_id=chats[0].tenant_id, chat_session_id=chats[0].id,
        state=OutboxRow.State.DEAD, error="it was away",
    )  # fmt: skip
    assert sync("--rebuild", "--verify")[0] == 0
    assert not OutboxRow.objects.exists()


@pytest.mark.django_db
def test_what_firestore_refuses_is_told_once_however_often(mirror: Client, chats: list[ChatSession]) -> None:
    Message.objects.filter(chat_session=chats[0], seq=2).update(content="x" * 1_100_000)
    for _ in range(2):
        status, said = sync("--rebuild")
        assert status == 1
        assert "Refused: conversation_history/" in said
    assert OutboxRow.objects.filter(state=OutboxRow.State.DEAD).count() == 1
    assert "dead letter: InvalidArgument" in sync("--verify")[1]


# Another prefix -----------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize(("first", "second"), [("", "tenants/acme"), ("a/b", "tenants/acme"), ("a/b", "")])
@pytest.mark.parametrize("arguments", [(), ("--tenant", "acme")])
def test_rebuild_moves_a_tenant_to_its_new_place(
    mirror: Client, chats: list[ChatSession], first: str, second: str, arguments: tuple[str, ...]
) -> None:
    template = PromptTemplate(slug="ada", name="Ada", tenant=ensure_tenant(slug="acme"))
    save_personality(template=template, draft=Draft("You are Ada, who likes engines."))
    places = ["", "a/b/", "tenants/acme/"]
    move("acme", first)
    sync("--rebuild")
    total = len(paths(mirror, places))
    acme = move("acme", second)
    assert (left_behind(acme.id), moved_tenants()) == ([first], ["acme"])
    assert sync("--verify", *arguments)[0] == 1
    assert sync("--rebuild", "--verify", *arguments)[0] == 0
    found = paths(mirror, places)
    assert len(found) == total
    assert f"{second and f'{second}/'}chatbot_sessions/{chats[1].id}" in found
    assert f"chatbot_sessions/{chats[0].id}" in found
    assert moved_tenants() == []


@pytest.mark.django_db
def test_back_and_forth_leaves_one_place_behind(mirror: Client, chats: list[ChatSession]) -> None:
    for prefix in ("a/b", "c/d", "a/b"):
        acme = move("acme", prefix)
    assert left_behind(acme.id) == ["", "c/d"]


@pytest.mark.django_db
def test_erased_people_are_gone_from_the_old_place_after_the_rebuild(mirror: Client, chats: list[ChatSession]) -> None:
    move("acme", "a/b")
    erase_end_user(end_user_id=EndUser.objects.get(external_id="user-1").id, who=None)
    assert sync("--rebuild")[0] == 0
    assert not [path for path in paths(mirror, ["", "a/b/"]) if str(chats[1].id) in path]


@pytest.mark.django_db
def test_erased_people_are_gone_from_the_old_place_without_a_rebuild(mirror: Client, chats: list[ChatSession]) -> None:
    sync("--rebuild")
    theirs = [path for path in paths(mirror, [""]) if str(chats[1].id) in path]
    move("acme", "a/b")
    erase_end_user(end_user_id=EndUser.objects.get(external_id="user-1").id, who=None)
    deliver()
    assert len(theirs) > 1
    assert not [path for path in paths(mirror, ["", "a/b/"]) if str(chats[1].id) in path]
    assert [path for path in paths(mirror, [""]) if str(chats[3].id) in path]  # the others wait for the rebuild
    assert left_behind(chats[1].tenant_id) == [""]


# Away, and in the way -----------------------------------------------------------------------------
@pytest.mark.django_db
def test_relay_that_is_at_work_delivers(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.document(f"chatbot_sessions/{chats[0].id}").delete()
    other = Relay()
    assert other.lease.take()

    def deliver_there(seconds: float) -> None:
        assert seconds > 0
        other.run_once()

    monkeypatch.setattr(rebuilding, "sleep", deliver_there)
    assert sync("--rebuild")[0] == 0
    assert session_document(mirror, chats[0]) is not None


@pytest.mark.django_db
def test_relay_that_delivers_nothing_is_told(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "STALL_SECONDS", 0.5)
    mirror.document(f"chatbot_sessions/{chats[0].id}").delete()
    assert Lease(NAME).take()
    status, said = sync("--rebuild")
    assert (status, Stalled.__name__ in said) == (1, True)
    assert MirrorCursor.objects.get().name == "rebuild everything"


@pytest.mark.django_db
def test_firestore_away_is_one_line_and_exit_status_1(
    mirror: Client, chats: list[ChatSession], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatify.mirror import client as connection_to_firestore

    connection_to_firestore.close()
    monkeypatch.setattr(walking, "RETRY", None)
    settings.FIRESTORE_EMULATOR_HOST = "127.0.0.1:9"
    status, said = sync("--rebuild")
    assert status == 1
    assert "ServiceUnavailable" in said
    assert "The same command takes it up again." in said


# Killed -------------------------------------------------------------------------------------------
def test_killed_rebuild_is_taken_up_where_it_was(
    firestore: Firestore, prepared_sqlite: Prepared, tmp_path: Path
) -> None:
    file = tmp_path / "chatify.sqlite3"
    env = base_env(
        DATABASE_URL=copy_sqlite(prepared_sqlite, tmp_path),
        FIREBASE_PROJECT_ID=f"killed-{uuid4().hex[:8]}",
        FIRESTORE_EMULATOR_HOST=firestore.host,
    )
    run_python("manage.py", "shell", "-c", _FILL, env=env)
    command = [sys.executable, "manage.py", "firestore_sync", "--rebuild"]
    with subprocess.Popen(command, cwd=ROOT, env=env) as killed:
        wait_until(lambda: _position(file), timeout=60)
        killed.send_signal(signal.SIGKILL)
    assert _position(file)
    _ask(file, "UPDATE events_sinklease SET expires_at = '2000-01-01'")  # instead of waiting for half a minute
    done = run_python(*command[1:], "--verify", env=env)
    assert "Taken up after" in done.stdout
    assert done.stdout.rstrip().endswith("0 differ.")
    assert "\r" not in done.stderr
    assert not _position(file)


_FILL = """
from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import EndUser
from django.utils import timezone
from sessions.models import ChatSession, Message
from templates_app.models import PromptTemplate
tenant = ensure_tenant(slug="demo")
template = PromptTemplate.objects.select_related("current_version").get(slug="casual_chat")
user = EndUser.objects.create(tenant=tenant, external_id="many")
now = timezone.now()
chats = [
    ChatSession(tenant=tenant, end_user=user, template=template, version=template.current_version, last_seq=4,
                created_at=now, last_activity=now)
    for _ in range(400)
]
ChatSession.objects.bulk_create(chats)
Message.objects.bulk_create(
    Message(tenant=tenant, chat_session=chat, seq=seq, role="user", content=f"text {seq}", created_at=now)
    for chat in chats for seq in range(1, 5)
)
"""


def _position(file: Path) -> list[Any]:
    return _ask(file, "SELECT position FROM mirror_mirrorcursor WHERE name = 'rebuild everything'")


def _ask(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        return connection.execute(sql).fetchall()
