"""Write the personalities and the rules of selection that come with Chatify."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from chatify.accounts.models import AuditEntry
from templates_app.actions import Draft, save_personality, save_selection_rule
from templates_app.models import PromptTemplate, SelectionRule
from templates_app.seeds import RULES, SEEDS, RuleSeed, Seed
from templates_app.selection import checked_words

_FIELDS = ("name", "description", "greeting", "welcome_back", "goodbye", "adult_only")


class Command(BaseCommand):
    """Idempotent: what is there stays, what staff changed stays even when the seeds are newer."""

    help = "Write the personalities and rules that come with Chatify. What staff changed is kept, without --overwrite."

    def add_arguments(self, parser: CommandParser) -> None:
        """One option."""
        parser.add_argument("--overwrite", action="store_true", help="replace what staff changed, as a new version")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the seeds and say of each what happened."""
        for seed in SEEDS:
            outcome = _write(seed, must_overwrite=options["overwrite"])
            self.stdout.write(f"{seed.slug}: {outcome}")
        for rule in RULES:
            self.stdout.write(f"rule {rule.name}: {_write_rule(rule)}")


def _write(seed: Seed, *, must_overwrite: bool) -> str:
    template = PromptTemplate.objects.filter(tenant=None, slug=seed.slug).select_related("current_version").first()
    if template is None:
        has_default = PromptTemplate.objects.filter(is_default=True).exists()
        template = PromptTemplate(slug=seed.slug, is_default=seed.is_default and not has_default)
        outcome = "created"
    elif _digest_of(template) == _digest(seed):
        return "unchanged"
    elif _digest_of(template) != template.seed_digest and not must_overwrite:
        return "kept, because staff changed it"
    else:
        outcome = "updated"
    for field in _FIELDS:
        setattr(template, field, getattr(seed, field))
    template.seed_digest = _digest(seed)
    save_personality(template=template, draft=_draft(seed))
    return outcome


def _write_rule(seed: RuleSeed) -> str:
    known = AuditEntry.objects.filter(action="rule.created", actor_kind=AuditEntry.Actor.SYSTEM)
    created = known.filter(details__name=seed.name)
    if created.exists():
        return _renew_rule(SelectionRule.objects.filter(id__in=created.values("subject_id")).first(), seed)
    template = PromptTemplate.objects.existing().filter(tenant=None, slug=seed.template).first()
    if template is None:
        return f"not created, because there is no {seed.template}"
    rule = SelectionRule(name=seed.name, words=list(seed.words), template=template, priority=seed.priority)
    save_selection_rule(rule=rule, who=None)
    return "created"


def _renew_rule(rule: SelectionRule | None, seed: RuleSeed) -> str:
    """Bring a rule that was seeded before up to date, unless it is staff's by now."""
    if rule is None:
        return "deleted by staff, and stays so"
    if _is_as_seeded(rule, seed):
        return "unchanged"
    changes = AuditEntry.objects.filter(action="rule.changed", subject_id=rule.id)
    if changes.exclude(actor_kind=AuditEntry.Actor.SYSTEM).exists():
        return "kept, because staff changed it"
    rule.name, rule.words, rule.priority = seed.name, list(seed.words), seed.priority
    save_selection_rule(rule=rule, who=None)
    return "updated"


def _is_as_seeded(rule: SelectionRule, seed: RuleSeed) -> bool:
    if rule.tenant_id is not None or rule.parts_of_day or not rule.is_active:
        return False
    present = (rule.name, rule.words, rule.template.slug, rule.priority)
    return present == (seed.name, checked_words(seed.words), seed.template, seed.priority)


def _draft(seed: Seed) -> Draft:
    return Draft(seed.system_prompt, seed.temperature, seed.max_tokens, seed.personality_traits)


def _digest(seed: Seed) -> str:
    return _hash({field: getattr(seed, field) for field in _FIELDS}, _draft(seed))


def _digest_of(template: PromptTemplate) -> str:
    if template.current_version is None:
        return ""
    return _hash({field: getattr(template, field) for field in _FIELDS}, Draft.of(template.current_version))


def _hash(fields: dict[str, Any], draft: Draft) -> str:
    return hashlib.sha256(orjson.dumps([fields, asdict(draft)], option=orjson.OPT_SORT_KEYS)).hexdigest()
