"""Both sides have changed: ours stays, theirs is kept, nothing is lost, and it is told once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from google.cloud.firestore import Client

from chatify.accounts.models import AuditEntry
from chatify.events.models import OutboxRow
from chatify.mirror import rebuilding, taking
from chatify.mirror.listening import Inbound
from chatify.mirror.models import InboundReport
from chatify.mirror.payloads import template_payload
from chatify.mirror.relay import Relay
from templates_app.actions import Draft, save_personality
from templates_app.models import PromptTemplate
from tests.mirror.edits import HUMAN, after, current, edited, is_written_again, mirrored, personality, report, versions
from tests.mirror.relaying import deliver, document
from tests.mirror.syncing import sync

OURS, THEIRS = "You are Ina, who rows.", "You are Ina, who dives."
pytestmark = pytest.mark.django_db


def changed_here(template: PromptTemplate, **own: Any) -> None:
    """Staff save another prompt, or other fields, in the admin."""
    fresh = PromptTemplate.objects.get(id=template.id)
    for name, value in own.items():
        setattr(fresh, name, value)
    save_personality(template=fresh, draft=Draft.of(current(template)) if own else Draft(OURS))


def both_changed(mirror: Client, **theirs: Any) -> tuple[PromptTemplate, str]:
    """They have edited what was there before staff saved, and the mirror has not written that yet."""
    template = personality()
    path = edited(mirror, template, **theirs)
    changed_here(template)
    return template, path


def test_ours_stays_and_theirs_is_kept_as_a_version_and_reported(mirror: Client, inbound: Inbound) -> None:
    template, path = both_changed(mirror, system_prompt=THEIRS)
    inbound.step(mirror)
    assert [version.system_prompt for version in versions(template)][1:] == [OURS, THEIRS]
    assert current(template).number == 2
    found = report("conflict")
    assert (found.version, found.template, found.path) == (versions(template)[2], template, path)
    assert (versions(template)[2].origin, found.content["system_prompt"]) == ("firestore", THEIRS)
    assert is_written_again(template)


def test_kept_version_is_in_the_audit_log(mirror: Client, inbound: Inbound) -> None:
    template, _ = both_changed(mirror, system_prompt=THEIRS)
    inbound.step(mirror)
    entry = AuditEntry.objects.get(action="template.version_kept")
    assert (entry.subject_id, entry.details["version"], entry.details["origin"]) == (template.id, 3, "firestore")


def test_conflict_is_told_once(mirror: Client, inbound: Inbound) -> None:
    template, path = both_changed(mirror, system_prompt=THEIRS)
    inbound.step(mirror)
    inbound.close()
    inbound.step(mirror)
    Inbound().look(mirror, [path])  # as another process would, which does not remember
    assert (InboundReport.objects.count(), len(versions(template))) == (1, 3)


def test_after_a_conflict_edits_are_taken_again(mirror: Client, inbound: Inbound) -> None:
    template, path = both_changed(mirror, system_prompt=THEIRS)
    inbound.step(mirror)
    mirrored(mirror, template)
    mirror.document(path).update({"system_prompt": THEIRS})
    after(inbound, mirror, lambda: current(template).system_prompt == THEIRS)
    assert (current(template).number, InboundReport.objects.count()) == (4, 1)


def test_conflict_that_does_not_pass_the_checks_is_only_reported(mirror: Client, inbound: Inbound) -> None:
    template, _ = both_changed(mirror, system_prompt=HUMAN)
    inbound.step(mirror)
    assert report("conflict").content["system_prompt"] == HUMAN
    assert "could not be taken" in report().detail
    assert len(versions(template)) == 2
    assert is_written_again(template)


def test_conflict_of_what_makes_no_version_is_reported(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    edited(mirror, template, name="Ine")
    changed_here(template, name="Inka")
    inbound.step(mirror)
    assert (report("conflict").content["name"], report().version) == ("Ine", None)
    assert PromptTemplate.objects.get(id=template.id).name == "Inka"


def test_change_here_that_is_not_mirrored_yet_is_not_taken_back(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    mirrored(mirror, template)
    changed_here(template)
    changed_here(template, name="Inka")
    inbound.step(mirror)
    assert (PromptTemplate.objects.get(id=template.id).name, current(template).system_prompt) == ("Inka", OURS)
    assert not InboundReport.objects.exists()


def test_both_made_the_same_change(mirror: Client, inbound: Inbound) -> None:
    template, _ = both_changed(mirror, system_prompt=OURS, personality_traits=[])
    assert inbound.step(mirror) == 0
    assert not InboundReport.objects.exists()
    assert len(versions(template)) == 2


def test_edit_that_staff_have_changed_since_is_no_conflict(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = edited(mirror, template, system_prompt=THEIRS)
    inbound.step(mirror)
    changed_here(template)  # before the mirror has written anything back
    Inbound().look(mirror, [path])
    assert [version.system_prompt for version in versions(template)][1:] == [THEIRS, OURS]
    assert not InboundReport.objects.exists()


def test_newer_state_of_a_database_that_is_no_more_is_kept(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    changed_here(template)
    mirrored(mirror, template)
    PromptTemplate.objects.filter(id=template.id).update(current_version=versions(template)[0])
    versions(template)[1].delete()  # as after a restored backup
    inbound.step(mirror)
    assert (report("conflict").version, current(template).number) == (versions(template)[1], 1)
    assert versions(template)[1].system_prompt == OURS


def test_copy_of_an_old_version_without_digest_is_stale(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    payload = template_payload(template) or {}
    del payload["digest"]
    mirror.document(mirrored(mirror, template)).set(payload)
    changed_here(template)
    OutboxRow.objects.all().delete()
    inbound.step(mirror)
    assert not InboundReport.objects.exists()
    assert current(template).number == 2
    assert is_written_again(template)


def test_relay_looks_before_it_overwrites(mirror: Client, inbound: Inbound) -> None:
    template, path = both_changed(mirror, system_prompt=THEIRS)
    deliver(Relay(look=inbound.look))
    assert report("conflict").content["system_prompt"] == THEIRS
    assert (document(mirror, path) or {})["system_prompt"] == OURS
    assert inbound.step(mirror) == 0
    assert versions(template)[2].system_prompt == THEIRS


def test_edit_while_nobody_listened_is_taken_before_the_relay_writes(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = edited(mirror, template, system_prompt=THEIRS)
    OutboxRow.objects.create(sink="firestore", event="template.changed", subject_id=template.id)
    deliver(Relay(look=inbound.look))
    assert (current(template).system_prompt, current(template).origin) == (THEIRS, "firestore")
    assert (document(mirror, path) or {})["version"] == 2
    assert not InboundReport.objects.exists()


def test_edit_that_cannot_be_taken_at_the_moment_is_not_overwritten(
    mirror: Client, inbound: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    template, path = both_changed(mirror, system_prompt=THEIRS)
    other = personality("other")
    relay = Relay(look=inbound.look)
    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(taking, "take", _locked)
            relay._written_at.clear()
            done = relay.run_once()
        assert relay.run_once().due_in, "it is not tried again at once"
        assert (document(mirror, path) or {})["system_prompt"] == THEIRS
        assert done.is_ours
    assert document(mirror, "prompt_templates/other") is not None, "what nobody has edited does not wait for it"
    assert not OutboxRow.objects.filter(subject_id=other.id).exists()
    assert OutboxRow.objects.get().attempts == 0
    deliver(relay)
    assert (document(mirror, path) or {})["system_prompt"] == OURS
    assert report("conflict").content["system_prompt"] == THEIRS
    assert versions(template)[2].system_prompt == THEIRS


def test_edit_that_a_rebuild_cannot_take_at_the_moment_is_not_overwritten(
    mirror: Client, inbound: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    template, path = both_changed(mirror, system_prompt=THEIRS)
    mirror.document("prompt_templates/zoe").set({"name": "Zoe", "system_prompt": "You are Zoe, who sails."})
    with monkeypatch.context() as patched:
        patched.setattr(taking, "take", _locked)
        patched.setattr(rebuilding, "STALL_SECONDS", 0.5)
        status, said = sync("--rebuild")
    assert (status, "Stalled: Nothing has been delivered for" in said) == (1, True)
    assert (document(mirror, path) or {})["system_prompt"] == THEIRS
    assert document(mirror, "prompt_templates/zoe") is not None
    assert sync("--rebuild", "--restart")[0] == 0
    assert PromptTemplate.objects.filter(slug="zoe").exists()
    assert report("conflict").version == versions(template)[2]


def _locked(*arguments: Any, **options: Any) -> Any:
    raise OperationalError("database is locked")


def test_refused_edit_is_overwritten_by_who_saves_here_and_stays_in_its_report(
    mirror: Client, inbound: Inbound
) -> None:
    template = personality()
    path = edited(mirror, template, temperature="hot")
    inbound.step(mirror)
    deliver(Relay(look=inbound.look))
    assert (document(mirror, path) or {})["temperature"] == "hot"
    changed_here(template)
    deliver(Relay(look=inbound.look))
    assert (document(mirror, path) or {})["system_prompt"] == OURS
    assert report("refused").content["temperature"] == "hot"


def test_edits_and_the_relay_come_to_rest(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    relay = deliver(Relay(look=inbound.look))
    path = f"prompt_templates/{template.slug}"
    for number in (2, 3):
        mirror.document(path).update({"temperature": number / 10})
        after(inbound, mirror, lambda number=number: current(template).number == number)
        deliver(relay)
    for _ in range(3):
        inbound.close()
        assert inbound.step(mirror) == 0
        deliver(relay)
    assert (document(mirror, path) or {}) == template_payload(PromptTemplate.objects.get(id=template.id))
    assert len(versions(template)) == 3
