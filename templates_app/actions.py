"""Writes of personalities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from chatify.accounts import audit
from chatify.accounts.models import Tenant, User
from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict, FieldError, InvalidInput, NotFound
from chatify.common.inputs import MAX_ERRORS
from chatify.common.slugs import free_slug, slug_base
from chatify.events.bus import Event, emit, emit_all
from templates_app.access import get_own_template, get_template
from templates_app.checks import (
    PromptProblem,
    check_goodbye,
    check_greeting,
    check_label,
    check_prompt,
    check_slug,
    describe,
    least_context_tokens,
)
from templates_app.models import DEFAULT_CONTEXT_TOKENS, PromptTemplate, PromptVersion, SelectionRule
from templates_app.selection import AUTO, checked_parts_of_day, checked_words

_OWN_FIELDS = ("name", "description", "greeting", "welcome_back", "goodbye", "adult_only", "is_active")
_COPIED = ("name", "description", "greeting", "welcome_back", "goodbye", "adult_only")
_SAVED = (*_OWN_FIELDS, "slug", "tenant_id", "is_default", "seed_digest")
_CHECKS: Mapping[str, Callable[[str], list[PromptProblem]]] = {
    "name": check_label,
    "description": check_greeting,
    "greeting": check_greeting,
    "welcome_back": check_greeting,
    "goodbye": check_goodbye,
    "system_prompt": check_prompt,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What makes a version."""

    system_prompt: str
    temperature: float = 0.8
    max_tokens: int = 400
    personality_traits: tuple[str, ...] = ()
    model: str = ""
    context_tokens: int = DEFAULT_CONTEXT_TOKENS

    @classmethod
    def of(cls, version: PromptVersion) -> Draft:
        """The draft that this version was made from."""
        return cls(
            version.system_prompt,
            version.temperature,
            version.max_tokens,
            tuple(version.personality_traits),
            version.model,
            version.context_tokens,
        )


_DRAFT_FIELDS = tuple(field.name for field in fields(Draft))


@transaction.atomic
def save_personality(
    *, template: PromptTemplate, draft: Draft, who: audit.Who = None, origin: str = ""
) -> PromptTemplate:
    """Save a personality; when the draft differs from its current version, as a new version of `who`'s.

    A personality that becomes the default takes that from the one that was it. What is as it was, is not saved.
    `origin` says where it was written, if not here: "firestore". Raises InvalidInput for a new one's `slug`.
    """
    before = PromptTemplate.objects.select_for_update().filter(id=template.id).first()  # two editors get two numbers
    if before is None and (problem := check_slug(template.slug)):
        raise InvalidInput.at("slug", "reserved", problem)
    if before is not None:
        template.current_version, template.deleted_at = before.current_version, before.deleted_at
    is_new_version = template.current_version is None or Draft.of(template.current_version) != draft
    if before is not None and not is_new_version and _are_same(before, template):
        return template
    if template.is_default:
        _take_default_from_others(template)
    template.save()
    if is_new_version:
        author = who if isinstance(who, User) else None
        template.current_version = _add_version(template, draft, author, origin)
        template.save(update_fields=["current_version", "updated_at"])
    emit("template.changed", tenant_id=template.tenant_id, subject_id=template.id)
    if before is not None and before.tenant_id != template.tenant_id:  # it is not where it was any more
        emit("template.changed", tenant_id=before.tenant_id, subject_id=template.id)
    _record("template.changed" if before is not None else "template.created", template, who, origin)
    return template


@transaction.atomic
def keep_version(*, template: PromptTemplate, draft: Draft, origin: str) -> PromptVersion:
    """Add a version that does not become the current one: what was written elsewhere while ours changed, too."""
    PromptTemplate.objects.select_for_update().get(id=template.id)
    version = _add_version(template, draft, None, origin)
    audit.record(
        "template.version_kept",
        who=None,
        tenant_id=template.tenant_id,
        subject_id=template.id,
        slug=template.slug,
        version=version.number,
        origin=origin,
    )
    return version


def _take_default_from_others(template: PromptTemplate) -> None:
    others = PromptTemplate.objects.filter(is_default=True).exclude(id=template.id)
    told = [
        Event("template.changed", tenant_id, subject_id=id_) for id_, tenant_id in others.values_list("id", "tenant_id")
    ]
    others.update(is_default=False, updated_at=timezone.now())  # by that time every catalogue sees the change
    emit_all(told)


@transaction.atomic
def delete_personality(*, template: PromptTemplate, who: audit.Who) -> None:
    """Delete it for good, with its versions. Raises ProtectedError when chat sessions have had it."""
    _tell_of_deletion(template, who)
    PromptTemplate.objects.filter(id=template.id).update(current_version=None)
    template.delete()


@transaction.atomic
def restore_personality(*, template_id: UUID, who: audit.Who) -> bool:
    """Undo a tenant's deletion. Whether there was one. Raises Conflict (`slug_taken`)."""
    deleted = PromptTemplate.objects.select_for_update().filter(id=template_id, deleted_at__isnull=False)
    template = deleted.first()
    if template is None:
        return False
    template.deleted_at = None
    try:
        with transaction.atomic():
            template.save(update_fields=["deleted_at", "updated_at"])
    except IntegrityError:
        raise _slug_taken(template.slug) from None
    emit("template.changed", tenant_id=template.tenant_id, subject_id=template.id)
    _record("template.restored", template, who)
    return True


# Rules of selection -------------------------------------------------------------------------------


@transaction.atomic
def save_selection_rule(*, rule: SelectionRule, who: audit.Who) -> SelectionRule:
    """Save a rule, its words as they are compared. Raises InvalidInput (name, words, parts_of_day, template)."""
    _refuse([FieldError("name", problem.code, describe(problem)) for problem in check_label(rule.name)])
    rule.words, rule.parts_of_day = checked_words(rule.words), checked_parts_of_day(rule.parts_of_day)
    if rule.template.tenant_id not in (None, rule.tenant_id):
        message = "A rule leads to a personality of its own tenant, or to one that is everybody's."
        raise InvalidInput.at("template", "unknown_template", message)
    action = "rule.created" if rule._state.adding else "rule.changed"
    rule.save()
    _tell_of_rule(action, rule, who)
    return rule


@transaction.atomic
def delete_selection_rule(*, rule: SelectionRule, who: audit.Who) -> None:
    """Delete a rule for good."""
    _tell_of_rule("rule.deleted", rule, who)
    rule.delete()


def _tell_of_rule(action: str, rule: SelectionRule, who: audit.Who) -> None:
    emit("rule.changed", tenant_id=rule.tenant_id, subject_id=rule.id)
    audit.record(action, who=who, tenant_id=rule.tenant_id, subject_id=rule.id, name=rule.name)


# A tenant's own, over the API ---------------------------------------------------------------------


@transaction.atomic
def create_character(
    *, principal: Principal, given: Mapping[str, Any], slug: str | None = None, copy_of: str | None = None
) -> PromptTemplate:
    """A new personality of the tenant's own. What is not given comes from the one to copy, if named, or is the default.

    Without a slug one is made of the name. Raises InvalidInput, or Conflict (`slug_taken`).
    """
    copied = _copied(principal, copy_of) if copy_of is not None else {}
    _check_age_gate(bool(copied.get("adult_only")), given)
    _check_model(copied.get("model", ""), given)
    values = {**copied, **given}
    _require(values, "name", "system_prompt")
    _check_texts(values)
    draft = Draft(**_only(values, _DRAFT_FIELDS))
    _check_context(draft)
    Tenant.objects.select_for_update(no_key=True).get(id=principal.tenant_id)  # two of one name get two slugs
    if slug is None:
        slug = _free_slug(principal.tenant_id, values["name"])
    elif slug == AUTO or PromptTemplate.objects.existing().filter(tenant_id=principal.tenant_id, slug=slug).exists():
        raise _slug_taken(slug)
    template = PromptTemplate(tenant_id=principal.tenant_id, slug=slug, **_only(values, _OWN_FIELDS))
    try:
        with transaction.atomic():
            return save_personality(template=template, draft=draft, who=principal)
    except IntegrityError:  # staff have made one in this moment
        raise _slug_taken(slug) from None


@transaction.atomic
def change_character(*, principal: Principal, slug: str, given: Mapping[str, Any]) -> PromptTemplate:
    """Change what is given of one of the tenant's own.

    Raises NotFound, Forbidden (`shared_personality`) or InvalidInput.
    """
    template = get_own_template(principal, slug, must_lock=True)
    assert template.current_version is not None  # else it would not have been found
    draft = Draft.of(template.current_version)
    _check_age_gate(template.adult_only, given)
    _check_model(draft.model, given)
    _check_texts(given)
    draft = replace(draft, **_only(given, _DRAFT_FIELDS))
    _check_context(draft)
    for field, value in _only(given, _OWN_FIELDS).items():
        setattr(template, field, value)
    return save_personality(template=template, draft=draft, who=principal)


@transaction.atomic
def delete_character(*, principal: Principal, slug: str) -> None:
    """Delete one of the tenant's own, softly: chat sessions go on with it. Raises as `change_character`."""
    template = get_own_template(principal, slug, must_lock=True)
    template.deleted_at = timezone.now()
    template.save(update_fields=["deleted_at", "updated_at"])
    _tell_of_deletion(template, principal)


def _copied(principal: Principal, slug: str) -> dict[str, Any]:
    """What a copy begins with; its age gate it keeps. Raises InvalidInput."""
    try:
        source = get_template(principal, slug)
    except NotFound as error:
        raise InvalidInput.at("copy_of", "unknown_template", error.detail) from None
    assert source.current_version is not None  # what is on offer has one
    draft = Draft.of(source.current_version)
    return {name: getattr(source, name) for name in _COPIED} | {name: getattr(draft, name) for name in _DRAFT_FIELDS}


def _check_age_gate(is_for_adults: bool, given: Mapping[str, Any]) -> None:
    if is_for_adults and given.get("adult_only") is False:
        message = "A personality for adults stays one, and so do its copies. Write a new one that is for everybody."
        raise InvalidInput.at("adult_only", "adult_only_stays", message)


def _check_model(present: str, given: Mapping[str, Any]) -> None:
    """Tenants take the model on offer, as with a message; another one is for staff to choose, who pay for it."""
    if given.get("model", "") not in ("", present, settings.CHAT_MODEL):
        raise InvalidInput.at("model", "unknown_model", f"The model on offer is {settings.CHAT_MODEL}.")


def _check_context(draft: Draft) -> None:
    least = least_context_tokens(draft.system_prompt, draft.personality_traits)
    if draft.context_tokens < least:
        message = f"With this prompt at least {least} tokens are needed, so that there is room for what is said."
        raise InvalidInput.at("context_tokens", "context_too_small", message)


def _require(values: Mapping[str, Any], *names: str) -> None:
    errors = [FieldError(name, "required", "Field required, unless there is copy_of") for name in names]
    _refuse([error for error in errors if error.field not in values])


def _check_texts(values: Mapping[str, Any]) -> None:
    """The checks of the admin's form. Raises InvalidInput with the place of each problem."""
    texts = [(field, values[field], check) for field, check in _CHECKS.items() if field in values]
    traits = enumerate(values.get("personality_traits", ()))
    texts += [(f"personality_traits.{number}", trait, check_label) for number, trait in traits]
    _refuse(
        [FieldError(field, problem.code, describe(problem)) for field, text, check in texts for problem in check(text)]
    )


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise InvalidInput(f"{errors[0].field}: {errors[0].message}", errors=errors[:MAX_ERRORS])


def _free_slug(tenant_id: UUID, name: str) -> str:
    """A slug like the name, that neither the tenant nor everybody's personalities use."""
    base = slug_base(name) or "character"
    seen = PromptTemplate.objects.existing().filter(Q(tenant_id=tenant_id) | Q(tenant=None), slug__startswith=base)
    return free_slug(base, {AUTO, *seen.values_list("slug", flat=True)})


def _only(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _slug_taken(slug: str) -> Conflict:
    return Conflict(f"There is another personality with the slug {slug}.", code="slug_taken")


# Both ---------------------------------------------------------------------------------------------


def _are_same(before: PromptTemplate, after: PromptTemplate) -> bool:
    return all(getattr(before, name) == getattr(after, name) for name in _SAVED)


def _add_version(template: PromptTemplate, draft: Draft, author: User | None, origin: str) -> PromptVersion:
    last = template.versions.order_by("-number").values_list("number", flat=True).first()
    made: dict[str, Any] = {name: getattr(draft, name) for name in _DRAFT_FIELDS}
    made["personality_traits"] = list(draft.personality_traits)
    return PromptVersion.objects.create(template=template, number=(last or 0) + 1, author=author, origin=origin, **made)


def _tell_of_deletion(template: PromptTemplate, who: audit.Who) -> None:
    emit("template.deleted", tenant_id=template.tenant_id, subject_id=template.id)
    _record("template.deleted", template, who)


def _record(action: str, template: PromptTemplate, who: audit.Who, origin: str = "") -> None:
    number = template.current_version.number if template.current_version else None
    details: dict[str, Any] = {"slug": template.slug, "version": number} | ({"origin": origin} if origin else {})
    audit.record(action, who=who, tenant_id=template.tenant_id, subject_id=template.id, **details)
