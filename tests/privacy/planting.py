"""Plant a word in every text that the database can hold about an end user: model by model, whatever models there are.

Run as a program in a server's environment, `python -m tests.privacy.planting WORD EXTERNAL_ID`: prints, as JSON, the
tables whose rows now hold the word. A model that a later step adds is planted without a change here.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import django
from django.apps import apps
from django.db import models
from django.utils import timezone


def models_about_people() -> list[type[models.Model]]:
    """All models with a path of foreign keys to an end user or a chat session, those before which others refer to."""
    found = [apps.get_model("accounts.EndUser"), apps.get_model("chat_sessions.ChatSession")]
    for one in found:  # it grows meanwhile
        found += [other for other in apps.get_models() if other not in found and _refers(other, one)]
    return found


WITHOUT_TEXTS = ("webhooks.WebhookReceipt",)
"""Notes that something came in, which stay, so that it does nothing twice: of people they have no more than an id, and
that goes (tests/webhooks_in)."""


def plant(word: str, external_id: str) -> list[str]:
    """Plant the word in a row of each model. Gives the tables that hold it now."""
    end_user_model, *others = [one for one in models_about_people() if one._meta.label not in WITHOUT_TEXTS]
    known = {type(row): row for row in [end_user_model._base_manager.get(external_id=external_id)]}
    for label in ("accounts.Tenant", "templates_app.PromptTemplate", "templates_app.PromptVersion"):
        known[apps.get_model(label)] = apps.get_model(label)._base_manager.order_by("id")[0]
    known[apps.get_model("accounts.Tenant")] = known[end_user_model].tenant
    for model in others:
        row = model(**_values(model, word, known))
        row.save(force_insert=True)
        known[model] = row
    _plant_beside(word, known)
    return [model._meta.db_table for model in others if any(_is_text(field) for field in model._meta.concrete_fields)]


def _plant_beside(word: str, known: dict[type[models.Model], Any]) -> None:
    """What refers to people without a foreign key: Django's log of the admin, and the outbox."""
    content_type, log = apps.get_model("contenttypes.ContentType"), apps.get_model("admin.LogEntry")
    staff = apps.get_model("accounts.User").objects.create_user(f"{uuid4().hex}@example.org")
    chat_session = apps.get_model("chat_sessions.ChatSession")
    for model in (apps.get_model("accounts.EndUser"), chat_session):
        log.objects.create(
            user=staff, content_type=content_type.objects.get_for_model(model), object_id=str(known[model].pk),
            object_repr=f"{word} admin", action_flag=2,
        )  # fmt: skip
    outbox = apps.get_model("events.OutboxRow").objects
    outbox.create(sink="test", event=f"{word}.chat", chat_session_id=known[chat_session].pk)
    outbox.create(sink="test", event=f"{word}.user", subject_id=known[apps.get_model("accounts.EndUser")].pk)


def _refers(model: type[models.Model], to: type[models.Model]) -> bool:
    return any(isinstance(field, models.ForeignKey) and field.related_model is to for field in model._meta.fields)


def _is_text(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, models.CharField | models.TextField | models.JSONField) and not field.choices


def _has(field: models.Field[Any, Any]) -> bool:
    """Whether a planted row says something there; else the field's default stands."""
    is_needed = not (field.null or field.has_default() or field.blank)
    return _is_text(field) or (is_needed and not field.auto_created) or isinstance(field, models.ForeignKey)


def _values(model: type[models.Model], word: str, known: dict[type[models.Model], Any]) -> dict[str, Any]:
    """The word wherever it fits. A row that names two of a kind names the second time another one, or nobody."""
    found: dict[str, Any] = {}
    named: set[Any] = set()
    for field in model._meta.concrete_fields:
        is_second = isinstance(field, models.ForeignKey) and field.related_model in named
        if is_second and not field.null:
            found[field.name] = _another(known[field.related_model])
        elif _has(field) and not is_second:
            found[field.name] = _value(field, word, known)
        if isinstance(field, models.ForeignKey):
            named.add(field.related_model)
    return found


def _another(row: Any) -> Any:
    """Another row like this one, of another person, which says nothing."""
    end_user_model, now = apps.get_model("accounts.EndUser"), timezone.now()
    user = end_user_model.objects.create(tenant=row.tenant, external_id=f"another-{uuid4()}")
    if isinstance(row, end_user_model):
        return user
    times = {"created_at": now, "deadline": now, "seen_at": now}
    return type(row)._base_manager.create(tenant=row.tenant, end_user=user, band="adult", **times)


def _value(field: models.Field[Any, Any], word: str, known: dict[type[models.Model], Any]) -> Any:
    if isinstance(field, models.ForeignKey):
        if field.related_model not in known and not field.null:  # of no person, and not there yet
            known[field.related_model] = field.related_model(**_values(field.related_model, "nobody", known))
            known[field.related_model].save(force_insert=True)
        return known.get(field.related_model)
    if isinstance(field, models.JSONField):
        return {word: [word]}
    if isinstance(field, models.DateTimeField):
        return timezone.now() + timedelta(hours=1)
    if isinstance(field, models.DateField):
        return date(2020, 1, 1)
    if isinstance(field, models.UUIDField):
        is_chat = field.name == "chat_session_id"
        return known[apps.get_model("chat_sessions.ChatSession" if is_chat else "accounts.EndUser")].pk
    if isinstance(field, models.IntegerField):
        return 1
    return field.choices[0][0] if field.choices else f"{word} {field.name}"[: field.max_length]


if __name__ == "__main__":
    django.setup()
    print(json.dumps(plant(*sys.argv[1:])))
