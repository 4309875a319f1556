"""What a document in Firestore says of its tenant, beside what its place says."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, Client, GeoPoint

from chatify.accounts.actions import ensure_tenant
from chatify.mirror.listening import Inbound
from chatify.mirror.models import InboundReport
from templates_app.models import PromptTemplate
from tests.mirror.edits import PROMPT, after, mirrored, personality, report

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "named", "told"),
    [
        ("prompt_templates/jack", "bolt", "It says “bolt”, but in this place it would belong to everybody."),
        ("prompt_templates/jack", "nobody", "It says “nobody”, but in this place it would belong to everybody."),
        ("prompt_templates/acme.jack", "bolt", "It says “bolt”, but in this place it would belong to “acme”."),
        ("tenants/bolt/prompt_templates/jack", "acme", "It says “acme”, but in this place it would belong to “bolt”."),
        ("prompt_templates/jack", ["bolt"], "It says “['bolt']”"),
        ("prompt_templates/jack", GeoPoint(1, 2), "It says “GeoPoint 1.0 2.0”"),
        ("prompt_templates/jack", "bo\0lt", "It says “bo␀lt”"),
    ],
)
def test_new_document_that_names_another_tenant_is_reported_until_it_does_not(
    mirror: Client, inbound: Inbound, path: str, named: Any, told: str
) -> None:
    ensure_tenant(slug="acme")
    bolt = ensure_tenant(slug="bolt")
    bolt.firestore_prefix = "tenants/bolt"
    bolt.save()
    mirror.document(path).set({"name": "Jack", "system_prompt": PROMPT, "is_active": True, "tenant": named})
    inbound.step(mirror)
    assert report("refused").detail.startswith(f"tenant: {told}")
    assert not PromptTemplate.objects.exists()
    mirror.document(path).update({"tenant": DELETE_FIELD})
    after(inbound, mirror, PromptTemplate.objects.exists)
    assert report("refused").settled_at is not None


@pytest.mark.parametrize(
    ("path", "named"),
    [("prompt_templates/jack", ""), ("prompt_templates/jack", None), ("prompt_templates/acme.jack", "acme")],
)
def test_new_document_that_names_the_tenant_of_its_place_is_taken(
    mirror: Client, inbound: Inbound, path: str, named: str | None
) -> None:
    acme = ensure_tenant(slug="acme")
    mirror.document(path).set({"name": "Jack", "system_prompt": PROMPT, "tenant": named})
    inbound.step(mirror)
    assert PromptTemplate.objects.get().tenant == (acme if named else None)
    assert not InboundReport.objects.exists()


def test_what_we_wrote_of_a_personality_that_is_not_there_is_no_news(mirror: Client, inbound: Inbound) -> None:
    template = personality("jack", tenant=ensure_tenant(slug="acme"))
    mirrored(mirror, template, "prompt_templates/jack")  # where it was, had its tenant another place
    mirrored(mirror, template, "prompt_templates/acme.jack")
    assert inbound.step(mirror) == 0
    assert PromptTemplate.objects.get() == template
    assert not InboundReport.objects.exists()
