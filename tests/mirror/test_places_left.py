"""What somebody writes where no tenant is (any more): nobody takes it, so a rebuild reports it and removes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser, Tenant
from chatify.events.leases import Lease
from chatify.mirror import rebuilding
from chatify.mirror.listening import Inbound
from chatify.mirror.models import InboundReport
from chatify.mirror.scopes import left_behind, moved_tenants
from chatify.mirror.sink import NAME
from sessions.models import ChatSession
from templates_app.models import PromptTemplate
from tests.mirror.edits import personality
from tests.mirror.relaying import deliver, document
from tests.mirror.syncing import conversation, move, paths, run, sync

pytestmark = pytest.mark.django_db
OLD, NEW = "tenants/one/", "tenants/two/"
NEU = {"name": "Neu", "system_prompt": "You are Neu, whom acme wrote.", "is_active": True}


@pytest.fixture
def acme(mirror: Client, chat: ChatSession) -> Tenant:
    """A tenant that has left a place, where its personality was edited and another one was written afterwards."""
    deliver()
    personality("ina", tenant=move("acme", "tenants/one"))
    deliver()
    assert sync("--rebuild")[0] == 0
    found = move("acme", "tenants/two")
    mirror.document(f"{OLD}prompt_templates/ina").update({"system_prompt": "You are Ina, who dives."})
    mirror.document(f"{OLD}prompt_templates/neu").set(NEU)
    return found


def _reports() -> dict[str, Any]:
    """What was written, by the documents; of reports that nobody has settled."""
    rows = InboundReport.objects.filter(settled_at=None)
    return {row.path: row.content["system_prompt"] for row in rows}


def _change(firestore: Client, monkeypatch: pytest.MonkeyPatch, path: str, **fields: Any) -> None:
    """Change a document in the moment in which documents are to be removed."""
    delete = rebuilding._delete

    def late(*arguments: Any) -> Any:
        firestore.document(path).update(fields)
        return delete(*arguments)

    monkeypatch.setattr(rebuilding, "_delete", late)


# People who were erased ---------------------------------------------------------------------------
def test_people_who_were_erased_before_a_move_are_gone_from_the_old_place(mirror: Client, chat: ChatSession) -> None:
    deliver()
    move("acme", "tenants/one")
    theirs = conversation("acme", "ann")
    assert f"{OLD}chatbot_sessions/{theirs.id}" in paths(mirror, [OLD])
    erase_end_user(end_user_id=theirs.end_user_id, who=None)
    move("acme", "tenants/two")  # nothing has been delivered so far: Firestore was away
    deliver()
    assert paths(mirror, [OLD]) == []
    assert sync("--rebuild", "--verify")[0] == 0
    assert moved_tenants() == []


def test_imported_people_who_were_erased_before_a_move_are_gone_from_the_old_place(
    mirror: Client, chat: ChatSession
) -> None:
    deliver()
    acme = move("acme", "tenants/one")
    assert sync("--rebuild")[0] == 0
    mirror.document(f"{OLD}chatbot_sessions/old").set({"user_id": "ann", "status": "ended"})
    mirror.document(f"{OLD}conversation_history/old/messages/1").set({"role": "user", "content": "I am Ann."})
    run("firestore_import", "--tenant", "acme")
    erase_end_user(end_user_id=EndUser.objects.get(tenant=acme, external_id="ann").id, who=None)
    move("acme", "tenants/two")
    deliver()
    assert sync("--rebuild", "--verify")[0] == 0
    assert paths(mirror, [OLD]) == []


def test_tenant_that_has_nothing_any_more_is_told_until_it_is_rebuilt(mirror: Client, chat: ChatSession) -> None:
    deliver()
    move("acme", "tenants/one")
    move("acme", "tenants/two")
    mirror.document(f"{OLD}chatbot_sessions/x").set(
        {"tenant": "acme", "template_version": 1, "mode": "", "session_id": ""}
    )
    status, said = run("firestore_status")
    assert (status, "acme has another prefix now" in said) == (1, True)
    assert sync("--rebuild")[0] == 0
    assert paths(mirror, [OLD]) == []
    assert run("firestore_status")[0] == 0


# What is written in a place that was left ---------------------------------------------------------
@pytest.mark.parametrize("arguments", [(), ("--tenant", "acme")])
def test_what_was_written_there_is_reported_and_removed(
    mirror: Client, acme: Tenant, arguments: tuple[str, ...]
) -> None:
    assert f"{OLD}prompt_templates/neu: only in Firestore (nobody takes what is written there)" in sync("--verify")[1]
    status, said = sync("--rebuild", *arguments)
    assert status == 0
    assert f"{OLD}prompt_templates/neu: removed, as nobody takes what is written there" in said
    assert _reports() == {
        f"{OLD}prompt_templates/ina": "You are Ina, who dives.",
        f"{OLD}prompt_templates/neu": NEU["system_prompt"],
    }
    assert {row.tenant for row in InboundReport.objects.all()} == {acme}
    assert (paths(mirror, [OLD]), left_behind(acme.id)) == ([], [])
    assert sync("--rebuild", "--verify", *arguments)[0] == 0
    assert len(_reports()) == 2


def test_next_tenant_takes_nothing_of_it(mirror: Client, acme: Tenant, inbound: Inbound) -> None:
    sync("--rebuild")
    other = move("other", "tenants/one")
    inbound.step(mirror)
    assert not PromptTemplate.objects.filter(tenant=other).exists()


def test_relay_that_is_at_work_changes_nothing_about_it(mirror: Client, acme: Tenant) -> None:
    deliver()
    assert Lease(NAME).take()
    assert sync("--rebuild", "--tenant", "acme")[0] == 0
    assert (len(_reports()), paths(mirror, [OLD])) == (2, [])


def test_what_changes_while_it_is_removed_stays_and_so_does_the_note(
    mirror: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{OLD}prompt_templates/neu"
    with monkeypatch.context() as patched:
        _change(mirror, patched, path, system_prompt="You are Neu, again.")
        status, said = sync("--rebuild")
    assert status == 1
    assert f"{path}: kept, it was changed meanwhile" in said
    assert "run it again" in said
    assert (document(mirror, path) is None, left_behind(acme.id)) == (False, ["tenants/one"])
    assert sync("--rebuild")[0] == 0
    assert (document(mirror, path), left_behind(acme.id)) == (None, [])
    written = InboundReport.objects.filter(path=path, settled_at=None)
    assert {row.content["system_prompt"] for row in written} == {NEU["system_prompt"], "You are Neu, again."}


def test_what_somebody_else_has_removed_meanwhile_is_gone(
    mirror: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = rebuilding._delete

    def late(*arguments: Any) -> Any:
        mirror.document(f"{OLD}prompt_templates/neu").delete()
        return delete(*arguments)

    monkeypatch.setattr(rebuilding, "_delete", late)
    assert sync("--rebuild")[0] == 0
    assert (paths(mirror, [OLD]), left_behind(acme.id), len(_reports())) == ([], [], 2)


def test_run_that_is_taken_up_does_not_forget_what_was_kept(
    mirror: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = rebuilding.Delivery.until

    def dying(self: rebuilding.Delivery, *arguments: Any) -> None:
        until(self, *arguments)
        if InboundReport.objects.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        _change(mirror, patched, f"{OLD}prompt_templates/neu", name="Later")
        patched.setattr(rebuilding.Delivery, "until", dying)
        with pytest.raises(KeyboardInterrupt):
            sync("--rebuild", "--tenant", "acme")
    status, said = sync("--rebuild", "--tenant", "acme")
    assert "Taken up after" in said
    assert (status, left_behind(acme.id)) == (1, ["tenants/one"])


def test_what_stays_elsewhere_keeps_no_move(mirror: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    sync("--rebuild")
    move("acme", "tenants/three")
    deliver()
    mirror.document("prompt_templates/ina").set({"name": "Ina", "system_prompt": "You are Ina, who sails."})
    assert Lease(NAME).take()
    status, said = sync("--rebuild")
    assert (status, "prompt_templates/ina: kept, nobody has taken it" in said) == (1, True)
    assert moved_tenants() == []


def test_place_of_a_deleted_tenant_is_nobodys_too(mirror: Client, acme: Tenant) -> None:
    sync("--rebuild")
    Tenant.objects.filter(id=acme.id).update(deleted_at=timezone.now())
    mirror.document(f"{NEW}prompt_templates/neu").set(NEU)
    assert sync("--rebuild")[0] == 0
    assert f"{NEW}prompt_templates/neu" in _reports()
    assert paths(mirror, [NEW]) == []
    assert ensure_tenant(slug="other").firestore_prefix == ""


# Names that cannot be stored, or are too long -----------------------------------------------------
def test_personality_whose_name_cannot_be_stored_is_reported_and_removed(mirror: Client, chat: ChatSession) -> None:
    deliver()
    path = "prompt_templates/n\0x"
    mirror.document(path).set(NEU)
    status, said = sync("--verify")
    assert (status, "nobody takes what is written there" in said) == (1, True)
    assert sync("--rebuild", "--verify")[0] == 0
    assert document(mirror, path) is None
    assert _reports() == {"prompt_templates/n␀x": NEU["system_prompt"]}


def test_refused_personality_whose_path_is_too_long_for_its_report_is_removed(
    mirror: Client, chat: ChatSession, inbound: Inbound
) -> None:
    deliver()
    path = f"prompt_templates/{'A' * 500}"
    mirror.document(path).set({"name": "Ina", "system_prompt": ""})
    inbound.step(mirror)
    assert InboundReport.objects.get().path == path[:400]
    assert "edited there, see Edits in Firestore in the admin" in sync("--verify")[1]
    assert sync("--rebuild", "--verify")[0] == 0
    assert document(mirror, path) is None
    assert InboundReport.objects.get().settled_at is not None
