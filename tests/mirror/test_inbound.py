"""What staff edit in Firebase's console: it becomes a version, if it passes the checks, and never a loop."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, Client, DocumentReference, GeoPoint

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import AuditEntry
from chatify.events.models import OutboxRow
from chatify.mirror.comparing import sign
from chatify.mirror.listening import Inbound
from chatify.mirror.models import InboundReport
from chatify.mirror.payloads import template_payload
from templates_app.models import PromptTemplate, PromptVersion
from tests.mirror.edits import (
    CLASSIC,
    HUMAN,
    PROMPT,
    after,
    current,
    edited,
    is_written_again,
    mirrored,
    personality,
    report,
    versions,
)

pytestmark = pytest.mark.django_db


def test_edit_is_heard_and_becomes_a_version(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = mirrored(mirror, template)
    inbound.step(mirror)
    mirror.document(path).update({"system_prompt": "You are Ina, who rows.", "temperature": 1})
    after(inbound, mirror, lambda: current(template).number == 2)
    version = current(template)
    assert (version.system_prompt, version.temperature, version.max_tokens) == ("You are Ina, who rows.", 1.0, 400)
    assert (version.origin, version.author) == ("firestore", None)
    assert is_written_again(template)
    assert not InboundReport.objects.exists()


def test_edit_is_in_the_audit_log(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    edited(mirror, template, name="Ine")
    inbound.step(mirror)
    entry = AuditEntry.objects.filter(action="template.changed", subject_id=template.id).first()
    assert entry is not None
    assert (entry.actor_kind, entry.details["origin"]) == ("system", "firestore")


def test_edit_that_no_listener_told_is_found_by_the_look(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    edited(mirror, template, max_tokens=500)
    assert inbound.step(mirror) == 1
    assert current(template).max_tokens == 500


def test_edit_of_what_makes_no_version_is_taken(mirror: Client, inbound: Inbound) -> None:
    template = personality(description="Sails.")
    edited(mirror, template, name="Ine", greeting="Ahoy {{ user.name }}", is_active=False, adult_only=True)
    inbound.step(mirror)
    template.refresh_from_db()
    assert (template.name, template.greeting, template.description) == ("Ine", "Ahoy {{ user.name }}", "Sails.")
    assert (template.is_active, template.adult_only, current(template).number) == (False, True, 1)


def test_what_we_write_never_comes_back(mirror: Client, inbound: Inbound) -> None:
    template = personality(temperature=1.0, greeting=" Ahoy \r\n")
    path = mirrored(mirror, template)
    inbound.step(mirror)
    for number in range(2, 5):
        mirror.document(path).update({"temperature": number / 4})
        after(inbound, mirror, lambda number=number: current(template).number == number)
        mirrored(mirror, template)
    for _ in range(3):
        Inbound().look(mirror, [path])
        inbound.close()
        inbound.step(mirror)
    assert len(versions(template)) == 4
    assert not OutboxRow.objects.exists()
    assert not InboundReport.objects.exists()


def test_old_document_of_ours_is_written_again_and_no_edit(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    mirrored(mirror, template)
    PromptTemplate.objects.filter(id=template.id).update(name="Ine")  # a row that got lost
    assert inbound.step(mirror) == 0
    assert is_written_again(template)
    inbound.close()
    inbound.step(mirror)
    assert OutboxRow.objects.count() == 1
    assert PromptTemplate.objects.get(id=template.id).name == "Ine"


def test_two_edits_in_a_row_are_two_versions_and_no_conflict(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = edited(mirror, template, system_prompt="You are Ina, who rows.")
    inbound.step(mirror)
    mirror.document(path).update({"temperature": 0.3})  # before the mirror has written the first one
    after(inbound, mirror, lambda: current(template).number == 3)
    assert (current(template).system_prompt, current(template).temperature) == ("You are Ina, who rows.", 0.3)
    assert not InboundReport.objects.exists()


def test_document_with_the_classic_fields_only_is_as_ours(mirror: Client, inbound: Inbound) -> None:
    template = personality(adult_only=True)
    payload = template_payload(template) or {}
    document = mirror.document(f"prompt_templates/{template.slug}")
    document.set({**{name: payload[name] for name in CLASSIC}, "temperature": 0.8, "created_at": "long ago"})
    assert inbound.step(mirror) == 0
    document.update({"system_prompt": "You are Ina, who rows."})
    after(inbound, mirror, lambda: current(template).number == 2)
    template.refresh_from_db()
    assert template.adult_only
    assert current(template).max_tokens == 400


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"system_prompt": HUMAN}, "system_prompt: Line 1"),
        ({"system_prompt": "Ask {{ user.shoe_size }}"}, "user.shoe_size"),
        ({"system_prompt": "  "}, "system_prompt: "),
        ({"greeting": HUMAN}, "greeting: Line 1"),
        ({"name": "A real human, not an AI"}, "name: "),
        ({"name": "x" * 81}, "name: "),
        ({"description": "x" * 401}, "description: "),
        ({"personality_traits": ["I am a human, not an AI"]}, "personality_traits: "),
        ({"personality_traits": ["x" * 41]}, "personality_traits: "),
        ({"personality_traits": "warm"}, "personality_traits: This has to be a list of texts"),
        ({"temperature": "hot"}, "temperature: This has to be a number"),
        ({"temperature": 2.5}, "temperature: "),
        ({"temperature": float("nan")}, "temperature: "),
        ({"max_tokens": 0}, "max_tokens: "),
        ({"max_tokens": 2**62}, "max_tokens: "),
        ({"model": "m" * 121}, "model_name: "),
    ],
)
def test_edit_that_does_not_pass_the_checks_is_reported_once_and_stays_out(
    mirror: Client, inbound: Inbound, fields: dict[str, Any], problem: str
) -> None:
    template = personality()
    path = edited(mirror, template, **fields)
    inbound.step(mirror)
    Inbound().look(mirror, [path])  # as another process would, which does not remember
    found = report("refused")
    assert problem in found.detail
    assert (found.template, found.path, found.version) == (template, path, None)
    assert found.content["slug"] == template.slug
    assert current(template).number == 1
    assert not is_written_again(template)  # theirs stays there until somebody saves
    assert current(template).system_prompt == PROMPT


def test_one_odd_document_does_not_stop_the_others(mirror: Client, inbound: Inbound) -> None:
    odd, other = personality("a-odd"), personality("b-other")
    edited(
        mirror, odd, name=GeoPoint(1, 2), system_prompt=mirror.document("a/b"), temperature=b"\0",
        greeting={"a": [None]}, notes="NUL \0",
    )  # fmt: skip
    edited(mirror, other, name="Ine")
    mirror.document("prompt_templates/nul\0").set({"name": "x"})
    mirror.document("elsewhere/x/prompt_templates/y").set({"name": "x", "system_prompt": PROMPT})
    inbound.step(mirror)
    assert PromptTemplate.objects.get(slug="b-other").name == "Ine"
    assert report("refused").content["notes"] == "NUL ␀"
    assert isinstance(mirror.document("a/b"), DocumentReference)
    assert PromptTemplate.objects.count() == 2


def test_refused_edit_that_was_mended_is_taken_and_its_report_settled(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = edited(mirror, template, temperature="hot")
    inbound.step(mirror)
    mirror.document(path).update({"temperature": 0.5})
    after(inbound, mirror, lambda: current(template).number == 2)
    assert report("refused").settled_at is not None


def test_same_mistake_again_is_reported_again(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = edited(mirror, template, temperature="hot")
    inbound.step(mirror)
    mirror.document(path).update({"temperature": 0.8})
    mirror.document(path).update({"temperature": "hot"})
    after(inbound, mirror, lambda: InboundReport.objects.count() == 2)


def test_age_gate_is_not_lifted_and_ours_is_written_again(mirror: Client, inbound: Inbound) -> None:
    template = personality(adult_only=True)
    edited(mirror, template, adult_only=False)
    inbound.step(mirror)
    assert report("refused").detail.startswith("adult_only: ")
    assert PromptTemplate.objects.get(id=template.id).adult_only
    assert is_written_again(template)


def test_removed_field_is_as_ours(mirror: Client, inbound: Inbound) -> None:
    template = personality(adult_only=True)
    edited(mirror, template, adult_only=DELETE_FIELD, greeting=DELETE_FIELD)
    assert inbound.step(mirror) == 0
    assert PromptTemplate.objects.get(id=template.id).adult_only


def test_default_is_chosen_here_only(mirror: Client, inbound: Inbound) -> None:
    default, other = personality(is_default=True), personality()
    edited(mirror, other, is_default=True, max_tokens=300)
    edited(mirror, default, is_active=False)
    inbound.step(mirror)
    assert PromptTemplate.objects.get(is_default=True) == default
    assert current(other).max_tokens == 300
    details = {one.template_id: one.detail for one in InboundReport.objects.all()}
    assert details[other.id].startswith("is_default: ")
    assert "The default has to be for everybody" in details[default.id]


# New ones, and deleted ones -----------------------------------------------------------------------


def test_document_without_one_of_ours_becomes_a_personality(mirror: Client, inbound: Inbound) -> None:
    mirror.document("prompt_templates/pirate").set(
        {"name": "Jack", "system_prompt": "You are Jack.", "temperature": 1, "personality_traits": ["loud"]}
    )
    inbound.step(mirror)
    template = PromptTemplate.objects.get()
    assert (template.slug, template.tenant, template.name) == ("pirate", None, "Jack")
    assert (template.is_active, template.is_default, template.adult_only) == (False, False, False)
    assert (current(template).temperature, current(template).origin) == (1.0, "firestore")
    mirrored(mirror, template)
    inbound.close()
    assert inbound.step(mirror) == 0
    assert PromptVersion.objects.count() == 1


def test_new_personality_is_active_if_it_says_so(mirror: Client, inbound: Inbound) -> None:
    mirror.document("prompt_templates/pirate").set({"name": "Jack", "system_prompt": "Arr.", "is_active": True})
    inbound.step(mirror)
    assert PromptTemplate.objects.get().is_active


@pytest.mark.parametrize(
    ("path", "fields", "problem"),
    [
        ("prompt_templates/jack", {"name": "Jack"}, "system_prompt: This is required."),
        ("prompt_templates/jack", {"name": "Jack", "system_prompt": HUMAN}, "system_prompt: Line 1"),
        ("prompt_templates/a b", {"name": "Jack", "system_prompt": PROMPT}, "slug: "),
        ("prompt_templates/nobody.jack", {"name": "Jack", "system_prompt": PROMPT}, "no tenant “nobody” at the top"),
        (f"prompt_templates/{'j' * 900}", {"name": "Jack", "system_prompt": PROMPT}, "slug: "),
        ("prompt_templates/jack", {}, "name: This is required."),
    ],
)
def test_new_document_that_does_not_pass_the_checks_is_reported(
    mirror: Client, inbound: Inbound, path: str, fields: dict[str, Any], problem: str
) -> None:
    mirror.document(path).set(fields)
    inbound.step(mirror)
    inbound.close()
    inbound.step(mirror)
    assert problem in report("refused").detail
    assert not PromptTemplate.objects.exists()


def test_tenants_own_are_known_by_prefix_or_by_the_name_before_the_dot(mirror: Client, inbound: Inbound) -> None:
    acme, bolt = ensure_tenant(slug="acme"), ensure_tenant(slug="bolt")
    bolt.firestore_prefix = "tenants/bolt"
    bolt.save()
    fields = {"name": "Jack", "system_prompt": PROMPT}
    for path in ("acme.jack", "bolt.jack"):
        mirror.document(f"prompt_templates/{path}").set(fields)
    mirror.document("tenants/bolt/prompt_templates/jack").set(fields)
    inbound.step(mirror)
    assert set(PromptTemplate.objects.values_list("tenant", "slug")) == {(acme.id, "jack"), (bolt.id, "jack")}
    assert report("refused").path == "prompt_templates/bolt.jack"  # its place is another one


def test_edit_of_a_tenants_own_is_taken(mirror: Client, inbound: Inbound) -> None:
    template = personality("ina", tenant=ensure_tenant(slug="acme"))
    shared = personality("ina")
    mirror.document(mirrored(mirror, template, "prompt_templates/acme.ina")).update({"name": "Ine"})
    mirrored(mirror, shared)
    inbound.step(mirror)
    assert set(PromptTemplate.objects.values_list("tenant__slug", "name")) == {("acme", "Ine"), (None, "Ina")}


def test_deleted_document_is_reported_and_written_again(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = mirrored(mirror, template)
    inbound.step(mirror)
    mirror.document(path).delete()
    after(inbound, mirror, lambda: is_written_again(template))
    assert (report("deleted").template, report().path) == (template, path)
    mirrored(mirror, template)
    inbound.close()
    inbound.step(mirror)  # looks at everything; a listener need not tell what was there for a moment only
    mirror.document(path).delete()
    after(inbound, mirror, lambda: InboundReport.objects.count() == 2)


def test_document_that_is_missing_is_written_without_a_report(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    OutboxRow.objects.all().delete()
    assert inbound.step(mirror) == 0
    assert is_written_again(template)
    assert not InboundReport.objects.exists()


def test_what_is_deleted_here_does_not_come_back(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = mirrored(mirror, template)
    inbound.step(mirror)
    PromptTemplate.objects.filter(id=template.id).update(current_version=None)
    template.delete()
    inbound.close()
    inbound.step(mirror)  # before the mirror has removed it
    mirror.document(path).delete()
    inbound.step(mirror)
    assert not PromptTemplate.objects.exists()
    assert not InboundReport.objects.exists()


def test_edit_of_what_is_deleted_here_is_reported(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    edited(mirror, template, name="Ine")
    PromptTemplate.objects.filter(id=template.id).update(current_version=None)
    template.delete()
    inbound.step(mirror)
    assert report("conflict").content["name"] == "Ine"
    assert not PromptTemplate.objects.exists()


def test_what_we_wrote_for_another_tenant_is_none_of_this_ones(mirror: Client, inbound: Inbound) -> None:
    template = personality()
    path = mirrored(mirror, template)
    theirs = {
        **(mirror.document(path).get().to_dict() or {}),
        "tenant": "other",
        "system_prompt": "SECRET",
        "version": 9,
    }
    mirror.document(path).set(sign({name: value for name, value in theirs.items() if name != "digest"}))
    inbound.step(mirror)
    after(inbound, mirror, lambda: is_written_again(template))
    assert not template.versions.filter(system_prompt="SECRET").exists()
    assert not InboundReport.objects.exists()
