"""Taking in what was written in Firestore: as a new version, beside ours, or only as a report.

The rule where both sides have changed: ours stays. Theirs is kept as a version that is not the current one, if it
passes the checks, and in a report in any case.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from chatify.accounts.models import Tenant
from chatify.common.errors import InvalidInput
from chatify.common.strict_json import is_storable
from chatify.events.models import OutboxRow
from chatify.mirror.comparing import (
    DIGEST,
    VERSIONED,
    Outcome,
    Verdict,
    base_of,
    compare,
    is_untouched,
    plain,
    version_of,
)
from chatify.mirror.foreign import is_for
from chatify.mirror.models import InboundReport
from chatify.mirror.paths import TEMPLATES
from chatify.mirror.payloads import OF_TENANT, template_payload
from chatify.mirror.sink import NAME
from templates_app.actions import Draft, keep_version, save_personality
from templates_app.forms import PersonalityForm
from templates_app.models import PromptTemplate, PromptVersion

ORIGIN = "firestore"
MAX_PATH = 400
REMEMBERED = 10_000
"""Documents of which it is known that they were looked at."""

_Kind = InboundReport.Kind
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was at one moment. `stamp` changes with every change of it."""

    path: str
    fields: Mapping[str, Any]
    stamp: str


class Unknown(LookupError):
    """A document in a place that is no tenant's."""


class Taker:
    """Takes documents, each state of one once.

    What is remembered here saves work, and lets several edits in a row count as one. Without it (another process goes
    on) nothing is lost and nothing is taken twice: then the second of two quick edits may count as a conflict.
    """

    def __init__(self) -> None:
        self._done: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._bases: dict[str, tuple[str, frozenset[str]]] = {}

    def take(self, document: Document) -> Outcome | None:
        """Take a document and say what it was: SAME, too, when it was taken before; None when it could not be.

        Raises nothing: one document must not stop the others, and the full look comes by again.
        """
        if (document.path, document.stamp) in self._done:
            return Outcome.SAME
        try:
            bases = self._also_ours(document.path)
            outcome = take(document, bases).outcome
            self._remember(document, outcome, bases)
        except Unknown:
            return Outcome.SAME
        except Exception:  # a document may hold anything, and the database may be away
            log.exception("firestore_document_not_taken", path=document.path)
            return None
        return outcome

    def _also_ours(self, path: str) -> frozenset[str]:
        """The bases that led to what is ours now by edits in Firestore alone."""
        result, bases = self._bases.get(path, ("", frozenset()))
        return bases if bases and result == _digest_of_ours(path) else frozenset()

    def _remember(self, document: Document, outcome: Outcome, bases: frozenset[str]) -> None:
        if outcome in (Outcome.SAME, Outcome.STALE):  # these may become something else by what is done here
            return
        self._done[document.path, document.stamp] = None
        while len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
        if outcome is Outcome.EDIT:
            self._bases[document.path] = _digest_of_ours(document.path), bases | {base_of(document.fields)}


@transaction.atomic
def take(document: Document, also_ours: frozenset[str] = frozenset(), *, is_new_active: bool = False) -> Verdict:
    """Compare a document with ours, and do what follows from it. Raises Unknown.

    A new personality that does not say itself whether it is active is so if `is_new_active`.
    """
    template = find_template(document.path, must_lock=True)
    if template is not None and template.current_version is None:
        raise Unknown(document.path)
    verdict = _verdict(document, template, also_ours)
    if verdict.outcome is Outcome.NEW:
        tenant, slug = whose(document.path)
        template = PromptTemplate(tenant=tenant, slug=slug, is_active=is_new_active)
    if verdict.outcome in (Outcome.EDIT, Outcome.NEW):
        assert template is not None
        return _take_values(document, template, verdict)
    if verdict.outcome is Outcome.REFUSED:
        _refuse(document, template, verdict)
    if verdict.outcome is Outcome.CONFLICT:
        _keep(document, template, verdict)
    return verdict


@transaction.atomic
def note_deletion(document: Document) -> bool:
    """A document of ours was deleted there: report it, and write it again. Whether it was one of ours."""
    try:
        template = find_template(document.path)
    except Unknown:
        return False
    if template is None or template.current_version is None or is_on_its_way(template):
        return False
    _report(_Kind.DELETED, document, "It was deleted in Firestore, and written again.", template)
    write_again(template)
    return True


def write_again(template: PromptTemplate) -> bool:
    """Have the mirror write a personality, unless it will anyway. For the mirror only: nothing has happened here."""
    if is_on_its_way(template):
        return False
    OutboxRow.objects.create(sink=NAME, event="template.changed", tenant_id=template.tenant_id, subject_id=template.id)
    return True


def is_on_its_way(template: PromptTemplate) -> bool:
    """Whether the outbox has something of this personality for the mirror, also what could not be delivered."""
    with_its_tenant = Q(event__startswith=OF_TENANT, tenant_id=template.tenant_id, subject_id=None)
    return OutboxRow.objects.filter(with_its_tenant | Q(subject_id=template.id), sink=NAME).exists()


def find_template(path: str, *, must_lock: bool = False) -> PromptTemplate | None:
    """Ours of this path, if there is one. Raises Unknown when no personality could be there."""
    tenant, slug = whose(path)
    rows = PromptTemplate.objects.existing().filter(tenant=tenant, slug=slug)
    return (rows.select_for_update() if must_lock else rows).first()


def whose(path: str) -> tuple[Tenant | None, str]:
    """The tenant and the slug that a document's path says; no tenant: everybody's. Raises Unknown."""
    prefix, _, name = path.rpartition(f"{TEMPLATES}/")
    tenants = Tenant.objects.existing()
    if not is_storable(path):
        raise Unknown(path)
    if prefix:
        tenant = tenants.filter(firestore_prefix=prefix.removesuffix("/")).first()
        if tenant is None:
            raise Unknown(path)
        return tenant, name
    owner, _, slug = name.partition(".")
    tenant = tenants.filter(slug=owner, firestore_prefix="").first() if slug else None
    return (tenant, slug) if tenant else (None, name)


# What follows -------------------------------------------------------------------------------------


def _verdict(document: Document, template: PromptTemplate | None, also_ours: frozenset[str]) -> Verdict:
    if template is None:
        return compare(document.fields, None)
    ours = template_payload(template)
    if ours is not None and is_untouched(document.fields) and document.fields.get("tenant") != ours["tenant"]:
        return Verdict(Outcome.STALE)  # we wrote it there for another tenant, which was here before
    number = version_of(document.fields)
    past = None if number is None else template.versions.filter(number=number).first()
    verdict = compare(document.fields, ours, None if past is None else _values_of(past), also_ours)
    if verdict.outcome is Outcome.CONFLICT and _is_in_history(template, document, verdict):
        return Verdict(Outcome.STALE)
    return verdict


def _take_values(document: Document, template: PromptTemplate, verdict: Verdict) -> Verdict:
    problems = _misplaced(template)
    if verdict.outcome is Outcome.NEW:
        problems = problems or _claimed(document, template) or _missing(verdict)
    problems = problems or _try_saving(template, verdict)
    if problems:
        refused = replace(verdict, outcome=Outcome.REFUSED, problems=problems)
        _refuse(document, find_template(document.path), refused)
        return refused
    log.info("firestore_edit_taken", path=document.path, fields=sorted(verdict.values))
    reports = InboundReport.objects.filter(path=clip(document.path), kind=_Kind.REFUSED, settled_at=None)
    reports.update(settled_at=timezone.now())
    if verdict.problems:
        _report(_Kind.REFUSED, document, "\n".join(verdict.problems), template)
    return verdict


def _refuse(document: Document, template: PromptTemplate | None, verdict: Verdict) -> None:
    is_new = _report(_Kind.REFUSED, document, "\n".join(verdict.problems), template) is not None
    if is_new and verdict.must_restore and template is not None:
        write_again(template)


def _keep(document: Document, template: PromptTemplate | None, verdict: Verdict) -> None:
    """Both have changed: ours stays, theirs is kept."""
    made = _report(_Kind.CONFLICT, document, "", template)
    if made is None:
        return
    made.detail = "It was edited there and deleted here. It stays deleted."
    if template is not None:
        made.version, made.detail = _kept(template, verdict)
        write_again(template)
    made.save(update_fields=["version", "detail"])


def _kept(template: PromptTemplate, verdict: Verdict) -> tuple[PromptVersion | None, str]:
    told = f"It was edited there ({', '.join(sorted(verdict.values))}) and here. Ours stays."
    form = _form(template, verdict.values)
    if verdict.problems or not form.is_valid():
        problems = "\n".join(verdict.problems or _problems_of(form))
        return None, f"{told} Theirs could not be taken either:\n{problems}"
    if not set(verdict.values) & set(VERSIONED):
        return None, told
    version = keep_version(template=template, draft=form.draft, origin=ORIGIN)
    return version, f"{told} Theirs is version {version.number}."


def _is_in_history(template: PromptTemplate, document: Document, verdict: Verdict) -> bool:
    """Whether what they wrote is an earlier version of ours, so that nothing of it can be lost."""
    if not verdict.values or not set(verdict.values) <= set(VERSIONED):
        return False
    base = version_of(document.fields) or 0
    theirs = {**_values_of(template.current_version), **verdict.values}
    later = template.versions.filter(number__gt=base, origin=ORIGIN).order_by("-number")
    return any(_values_of(version) == theirs for version in later[:20])


def report(
    kind: str, document: Document, detail: str, *, tenant_id: UUID | None, template: PromptTemplate | None = None
) -> InboundReport | None:
    """Report a state of a document; None when that has been done before."""
    made, is_new = InboundReport.objects.get_or_create(
        path=clip(document.path),
        digest=_digest(document, kind),
        defaults={
            "kind": kind,
            "detail": plain(detail),
            "content": plain(document.fields),
            "tenant_id": tenant_id,
            "template": template,
        },
    )
    if not is_new:
        return None
    log.warning("firestore_edit_not_taken", kind=kind, path=document.path, detail=detail[:500])
    return made


def _report(kind: str, document: Document, detail: str, template: PromptTemplate | None) -> InboundReport | None:
    """The same, of the tenant whose personality it is, or to whom its place belongs. Raises Unknown."""
    tenant = template.tenant if template is not None else whose(document.path)[0]
    return report(kind, document, detail, tenant_id=tenant.id if tenant else None, template=template)


# The form -----------------------------------------------------------------------------------------


def _try_saving(template: PromptTemplate, verdict: Verdict) -> tuple[str, ...]:
    """Save by way of the admin's form. What is wrong, if something is."""
    form = _form(template, verdict.values)
    if not form.is_valid():
        return _problems_of(form)
    try:
        with transaction.atomic():
            save_personality(template=form.instance, draft=form.draft, origin=ORIGIN)
    except InvalidInput as error:
        return tuple(f"{one.field}: {one.message}" for one in error.errors)
    return ()


def _form(template: PromptTemplate, values: Mapping[str, Any]) -> PersonalityForm:
    draft = Draft("") if template.current_version is None else Draft.of(template.current_version)
    entered = {name: getattr(template, name) for name in PersonalityForm.Meta.fields if name != "tenant"}
    entered |= {**asdict(draft), "tenant": template.tenant_id, **values}
    entered["model_name"] = entered.pop("model")
    return PersonalityForm(data=entered, instance=template)


def _problems_of(form: PersonalityForm) -> tuple[str, ...]:
    told = form.errors.get_json_data()
    return tuple(f"{name}: {one['message']}" for name, errors in told.items() for one in errors)


def _misplaced(template: PromptTemplate) -> tuple[str, ...]:
    """A dot parts a tenant from its personality: here nobody is before it."""
    owner, dot, _ = template.slug.partition(".")
    if not dot or template.tenant_id is not None:
        return ()
    return (f"slug: There is no tenant “{owner}” at the top, and the slug of a personality has no dots.",)


def _claimed(document: Document, template: PromptTemplate) -> tuple[str, ...]:
    """A new one that names another tenant than its path does: it would be seen by people whose it is not."""
    slug = template.tenant.slug if template.tenant else ""
    if is_for(document.fields, slug):
        return ()
    named, owner = str(plain(document.fields["tenant"]))[:80], f"“{slug}”" if slug else "everybody"
    return (f"tenant: It says “{named}”, but in this place it would belong to {owner}.",)


def _missing(verdict: Verdict) -> tuple[str, ...]:
    return tuple(f"{name}: This is required." for name in ("name", "system_prompt") if name not in verdict.values)


# Small things -------------------------------------------------------------------------------------


def _values_of(version: PromptVersion | None) -> dict[str, Any]:
    return {} if version is None else asdict(Draft.of(version))


def _digest_of_ours(path: str) -> str:
    template = find_template(path)
    payload = None if template is None else template_payload(template)
    return str(payload[DIGEST]) if payload else ""


def _digest(document: Document, kind: str) -> str:
    """Of one state of a document. Its deletion is another one."""
    is_deleted = kind == _Kind.DELETED
    content = json.dumps([plain(document.fields), document.stamp, is_deleted], sort_keys=True)
    return hashlib.sha256(f"{document.path} {content}".encode()).hexdigest()


def clip(path: str) -> str:
    """As it fits into a report; of two long ones the digests differ."""
    return str(plain(path))[:MAX_PATH]
