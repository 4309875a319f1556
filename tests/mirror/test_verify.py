"""`firestore_sync --verify`: everything that differs is found, nothing else is, and Firestore stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.principal import Principal
from chatify.common.ids import uuid7
from chatify.events.models import OutboxRow
from chatify.mirror import verifying
from chatify.mirror.models import InboundReport, MirrorCursor
from chatify.mirror.runs import Run
from chatify.mirror.scopes import scopes
from chatify.mirror.verifying import Verdict, verify
from sessions.actions import delete_chat_sessions, rename_chat_session
from sessions.models import ChatSession, Message
from templates_app.actions import Draft, save_personality
from templates_app.models import PromptTemplate
from tests.memory.talking import ask, talk
from tests.mirror.relaying import deliver, session_document
from tests.mirror.syncing import conversation, messages_of, move, paths, sync, verified
from tests.services.server import base_env, run_python

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_lots")]
Lots = Callable[..., Any]


@pytest.fixture
def chats(mirror: Client, chat: ChatSession) -> list[ChatSession]:
    """Five conversations of two tenants, in Firestore."""
    deliver()
    return [conversation("acme" if number % 2 else "demo", f"user-{number}") for number in range(5)]


def _own(tenant: str, slug: str = "ada") -> PromptTemplate:
    """A personality of a tenant's own."""
    template = PromptTemplate(slug=slug, name="Ada", tenant=ensure_tenant(slug=tenant))
    return save_personality(template=template, draft=Draft("You are Ada, who likes engines."))


# What is as it should be --------------------------------------------------------------------------
def test_nothing_differs_after_everything_is_delivered(mirror: Client, chats: list[ChatSession]) -> None:
    _own("acme")
    delete_chat_sessions(chat_session_ids=[chats[1].id])
    deliver()
    status, said = sync("--verify")
    # The chat session of the fixture, four more with four messages each, and two personalities.
    assert (status, said) == (0, "23 documents compared: 0 differ.\n")


def test_reply_that_is_being_written_is_not_missing(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    ask(principal, chat, "Hi")
    deliver()
    assert sync("--verify")[0] == 0


def test_tenants_with_places_of_their_own_are_compared_there(mirror: Client, chats: list[ChatSession]) -> None:
    move("acme", "tenants/acme")
    sync("--rebuild")
    status, said = sync("--verify")
    assert (status, said) == (0, "27 documents compared: 0 differ.\n")
    assert f"tenants/acme/chatbot_sessions/{chats[1].id}" in paths(mirror, ["tenants/acme/"])


# What differs -------------------------------------------------------------------------------------
def test_field_is_named_with_both_values(mirror: Client, chats: list[ChatSession]) -> None:
    path = f"chatbot_sessions/{chats[3].id}"
    mirror.document(path).update({"title": "Theirs", "extra": True, "status": DELETE_FIELD})
    status, said = sync("--verify")
    assert status == 1
    assert said.splitlines() == [
        f"{path}: differs",
        "    extra: only in Firestore, True",
        "    status: missing in Firestore, database 'active'",
        "    title: Firestore 'Theirs', database 'question 1'",
        "27 documents compared: 1 differs.",
        "1 document differs; --rebuild sets it right.",
    ]


@pytest.mark.parametrize("number", range(5))
def test_missing_documents_are_found_wherever_they_are(mirror: Client, chats: list[ChatSession], number: int) -> None:
    message = Message.objects.filter(chat_session=chats[number]).order_by("-seq")[0]
    wanted = [f"chatbot_sessions/{chats[number].id}", f"{messages_of(chats[number])}/{message.id}"]
    for path in wanted:
        mirror.document(path).delete()
    assert sorted(verified()) == sorted(f"{path}: missing in Firestore" for path in wanted)


def test_empty_project_misses_everything(mirror: Client, chats: list[ChatSession]) -> None:
    before = paths(mirror)
    for path in before:
        mirror.document(path).delete()
    assert sorted(verified()) == [f"{path}: missing in Firestore" for path in before]


def said_in(mirror: Client, chat: ChatSession) -> dict[str, Any]:
    """A message of a chat session, as we wrote it."""
    return next(one.to_dict() for one in mirror.collection(messages_of(chat)).stream())


@pytest.mark.parametrize(
    "path",
    [
        "prompt_templates/nobody",
        "prompt_templates/acme.nobody",
        "chatbot_sessions/3ecb2261-25e5-413e-a53f-0e13b38aeb80",
        "chatbot_sessions/00000000-0000-0000-0000-000000000000",
        "chatbot_sessions/ffffffff-ffff-ffff-ffff-ffffffffffff",
        "chatbot_sessions/no id of ours",
        "chatbot_sessions/é",
        "conversation_history/a0c43ebd-00ad-4510-b6c3-61e6df14cdbf/messages/9e80ba50-5ac4-464e-b4c7-1426408477fa",
        "conversation_history/somebody else's/messages/1",
        "conversation_history/é/messages/é",
    ],
)
def test_documents_that_the_database_lacks_are_found(mirror: Client, chats: list[ChatSession], path: str) -> None:
    ours = {"c": session_document(mirror, chats[0]), "conversation": said_in(mirror, chats[0]), "p": {"name": "?"}}
    kind = "conversation" if path.startswith("conversation") else path[0]
    mirror.document(path).set(ours[kind] or {})
    [found] = verified()
    assert found.startswith(f"{path}: only in Firestore")


@pytest.mark.parametrize(
    "path", ["chatbot_sessions/3ecb2261-25e5-413e-a53f-0e13b38aeb80", "conversation_history/é/messages/é"]
)
@pytest.mark.parametrize("fields", [{"name": "?"}, {"tenant": "nobody"}])
def test_documents_of_others_are_told_and_are_no_difference(
    mirror: Client, chats: list[ChatSession], path: str, fields: dict[str, str]
) -> None:
    shape = {**(session_document(mirror, chats[0]) or {}), **said_in(mirror, chats[0])}
    mirror.document(path).set({**shape, **fields} if "tenant" in fields else fields)
    status, said = sync("--verify")
    assert (status, f"{path}: not written by Chatify" in said, "0 differ." in said) == (0, True, True)
    assert "1 document that Chatify has neither written nor imported: a rebuild leaves them." in said


def test_message_in_another_conversation_is_found(mirror: Client, chats: list[ChatSession]) -> None:
    message = Message.objects.filter(chat_session=chats[0])[0]
    path = f"{messages_of(chats[2])}/{message.id}"
    mirror.document(path).set({"seq": 1})
    assert verified() == [f"{path}: only in Firestore"]


def test_what_others_keep_in_the_project_is_left_out(mirror: Client, chats: list[ChatSession]) -> None:
    message = Message.objects.filter(chat_session=chats[0])[0]
    for path in (
        "users/alice",
        "forum/a/messages/1",
        "zoo/conversation_history/x/y",
        f"{messages_of(chats[0])}/{message.id}/reactions/a/messages/1",
        "tenants/x/conversation_history/a/messages/1",
    ):
        mirror.document(path).set({"a": 1})
    assert sync("--verify")[0] == 0


def test_deleted_conversation_that_stayed_is_found(mirror: Client, chats: list[ChatSession]) -> None:
    delete_chat_sessions(chat_session_ids=[chats[2].id])
    OutboxRow.objects.all().delete()
    assert len(verified()) == 5


def test_edited_personality_is_found_with_the_reason(mirror: Client, chats: list[ChatSession]) -> None:
    mirror.document("prompt_templates/plain").update({"name": "Theirs"})
    assert verified()[0] == "prompt_templates/plain: differs (edited there, not taken yet)"
    InboundReport.objects.create(kind="refused", path="prompt_templates/plain", digest="x", detail="Too long.")
    assert "see Edits in Firestore" in verified()[0]


def test_dead_letter_is_told_with_the_document(mirror: Client, chats: list[ChatSession]) -> None:
    path = f"chatbot_sessions/{chats[0].id}"
    mirror.document(path).update({"title": "Old"})
    OutboxRow.objects.create(
        sink="firestore", event="session.renamed", tenant_id=chats[0].tenant_id, chat_session_id=chats[0].id,
        state=OutboxRow.State.DEAD, error=f"{path}: InvalidArgument: 400 too large",
    )  # fmt: skip
    assert verified()[0] == f"{path}: differs (dead letter: InvalidArgument: 400 too large)"


# While the relay is at work -----------------------------------------------------------------------
def test_what_waits_is_not_there_yet_and_does_not_differ(mirror: Client, chats: list[ChatSession]) -> None:
    talk(Principal(chats[0].tenant_id), chats[0], 1, first=3)
    rename_chat_session(chat_session=chats[1], title="Another")
    _own("demo")
    status, said = sync("--verify")
    assert status == 0
    assert "0 differ" in said
    assert "5 documents not yet as the database says" in said


def test_deletion_that_waits_is_not_there_yet(mirror: Client, chats: list[ChatSession]) -> None:
    delete_chat_sessions(chat_session_ids=[chats[2].id])
    status, said = sync("--verify")
    assert (status, "5 documents not yet" in said) == (0, True)


def test_one_message_that_waits_excuses_no_other(mirror: Client, chats: list[ChatSession]) -> None:
    lost = Message.objects.filter(chat_session=chats[0]).order_by("seq")[0]
    mirror.document(f"{messages_of(chats[0])}/{lost.id}").delete()
    talk(Principal(chats[0].tenant_id), chats[0], 1, first=3)
    assert verified() == [f"{messages_of(chats[0])}/{lost.id}: missing in Firestore"]


def test_change_while_it_is_looked_at_is_no_difference(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, titles = verifying._read, iter(range(100))

    def changing(*arguments: Any) -> Any:
        found = read(*arguments)
        rename_chat_session(chat_session=chats[0], title=f"Title {next(titles)}")
        deliver()
        return found

    mirror.document(f"chatbot_sessions/{chats[0].id}").update({"title": "Old"})
    monkeypatch.setattr(verifying, "_read", changing)
    [scope] = scopes()
    verdicts = list(verify(mirror, scope))
    assert [one for verdict in verdicts for one in verdict.findings] == []
    assert sum(verdict.not_yet for verdict in verdicts) == 1


def test_backlog_that_nobody_delivers_is_stuck(mirror: Client, chats: list[ChatSession]) -> None:
    rename_chat_session(chat_session=chats[0], title="Another")
    status, said = sync("--verify", wait=0.3)
    assert status == 1
    assert "1 change could not be delivered within 0.3 s" in said


def test_it_waits_for_the_backlog_to_drain(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename_chat_session(chat_session=chats[0], title="Another")
    monkeypatch.setattr(verifying, "sleep", lambda seconds: deliver())
    assert sync("--verify", wait=30) == (0, "27 documents compared: 0 differ.\n")


# One tenant ---------------------------------------------------------------------------------------
def test_only_the_tenants_own_is_compared(mirror: Client, chats: list[ChatSession]) -> None:
    _own("acme")
    deliver()
    mirror.document(f"chatbot_sessions/{chats[0].id}").update({"title": "demo's"})
    mirror.document(f"chatbot_sessions/{chats[1].id}").update({"title": "acme's"})
    lost = Message.objects.filter(chat_session=chats[3])[0]
    mirror.document(f"{messages_of(chats[3])}/{lost.id}").delete()
    mirror.document("prompt_templates/acme.ada").update({"name": "Bob"})
    mirror.document("prompt_templates/plain").update({"name": "Bob"})
    said = [line for line in verified("--tenant", "acme") if not line.startswith(" ")]
    assert sorted(said) == [
        f"chatbot_sessions/{chats[1].id}: differs",
        f"{messages_of(chats[3])}/{lost.id}: missing in Firestore",
        "prompt_templates/acme.ada: differs (edited there, not taken yet)",
    ]


def test_document_that_says_another_tenant_is_found(mirror: Client, chats: list[ChatSession]) -> None:
    mirror.document(f"chatbot_sessions/{chats[1].id}").update({"tenant": "demo"})
    assert verified("--tenant", "acme")[0] == f"chatbot_sessions/{chats[1].id}: differs"


def test_lost_documents_of_the_tenant_are_found(mirror: Client, chats: list[ChatSession]) -> None:
    lost = uuid7()
    mirror.document(f"chatbot_sessions/{lost}").set({"tenant": "acme"})
    mirror.document(f"conversation_history/{lost}/messages/1").set({"seq": 1})
    mirror.document(f"chatbot_sessions/{uuid7()}").set({"tenant": "demo"})
    mirror.document("prompt_templates/acme.lost").set({"name": "Lost", "tenant": "acme"})
    mirror.document("prompt_templates/says-no-tenant").set({"name": "Foreign"})
    assert len(verified("--tenant", "acme")) == 3


# Killed, and taken up again -----------------------------------------------------------------------
def test_run_that_was_stopped_goes_on_and_forgets_nothing(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.document(f"chatbot_sessions/{chats[0].id}").update({"title": "Early"})
    mirror.document(f"chatbot_sessions/{chats[4].id}").update({"title": "Late"})
    confirm, seen = verifying.confirm, iter(range(3))

    def dying(*arguments: Any) -> Verdict:
        if next(seen, None) is None:
            raise KeyboardInterrupt
        return confirm(*arguments)

    monkeypatch.setattr(verifying, "confirm", dying)
    with pytest.raises(KeyboardInterrupt):
        sync("--verify")
    monkeypatch.setattr(verifying, "confirm", confirm)
    status, said = sync("--verify")
    assert status == 1
    assert "Taken up after" in said
    assert "Differences that were printed before it was stopped: 1." in said
    assert (str(chats[0].id) in said, str(chats[4].id) in said) == (False, True)
    assert "27 documents compared: 2 differ." in said
    assert not MirrorCursor.objects.exists()


@pytest.mark.parametrize("how", ["restart", "old"])
def test_run_begins_anew_when_asked_or_when_it_is_old(mirror: Client, chats: list[ChatSession], how: str) -> None:
    position = {"prefix": "", "after": "", "is_last": True, "totals": {"compared": 99}}
    MirrorCursor.objects.create(name="verify everything", position=position)
    if how == "old":
        MirrorCursor.objects.update(updated_at="2026-01-01T00:00:00Z")
    said = sync("--verify", *(["--restart"] if how == "restart" else []))[1]
    assert said == "27 documents compared: 0 differ.\n"


def test_tenant_called_everything_is_not_everything(
    mirror: Client, chats: list[ChatSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation("everything")
    wrong = f"chatbot_sessions/{chats[0].id}"
    mirror.document(wrong).update({"title": "Theirs"})
    with monkeypatch.context() as patched:
        patched.setattr(Run, "end", lambda run: None)  # as if it was stopped there
        assert sync("--verify", "--tenant", "everything")[0] == 0
    status, said = sync("--verify")
    assert (status, "Taken up" in said) == (1, False)
    assert f"{wrong}: differs" in said


# What goes wrong ----------------------------------------------------------------------------------
def test_off_says_what_would_turn_it_on(settings: Any) -> None:
    status, said = sync("--verify")
    assert status == 1
    assert "The mirror is off. Set FIREBASE_PROJECT_ID" in said


def test_wrong_credentials_are_one_line(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere.json")
    env = base_env(
        DATABASE_URL="sqlite://:memory:", FIREBASE_PROJECT_ID="some-project", GOOGLE_APPLICATION_CREDENTIALS=missing
    )
    done = run_python("manage.py", "firestore_sync", "--verify", env=env, check=False)
    assert done.returncode == 1
    assert "nowhere.json was not found" in done.stderr
    assert "Traceback" not in done.stderr


def test_personality_with_an_impossible_name_is_missing_and_keeps_nothing_else_back(
    mirror: Client, chats: list[ChatSession]
) -> None:
    for slug in ("one", "two", "three"):
        _own("acme", slug)
    move("acme", "tenants/acme")
    sync("--rebuild")
    PromptTemplate.objects.filter(slug="two").update(slug="__x__")  # of a time when that could be saved
    mirror.document("tenants/acme/prompt_templates/one").delete()
    status, said = sync("--verify")
    assert status == 1
    for slug in ("__x__", "one"):
        assert f"tenants/acme/prompt_templates/{slug}: missing in Firestore" in said
    assert "3 differ" in said  # and the one that is not called so any more
    assert "Refused: tenants/acme/prompt_templates/__x__: InvalidArgument" in sync("--rebuild")[1]
    assert "missing in Firestore (dead letter: InvalidArgument" in sync("--verify")[1]


def test_unknown_tenant_and_nothing_to_do_are_refused(mirror: Client) -> None:
    assert sync("--verify", "--tenant", "nobody") == (1, "There is no tenant nobody.")
    assert sync() == (1, "Say --verify, or --rebuild, or both.")
