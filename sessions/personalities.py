"""Which personality a chat session has: the choice at its start, and what is suggested and switched later."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Avg, Count
from django.db.models.functions import Coalesce
from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.common.errors import AgeRestricted, Conflict, InvalidInput, NotFound
from chatify.events.bus import emit
from sessions.access import lock_chat_session, require_personality
from sessions.messages import append_message
from sessions.models import ChatSession, Feedback, Message
from sessions.objects import disclosure
from templates_app.access import get_template
from templates_app.catalogue import Menu, catalogue
from templates_app.models import PromptTemplate
from templates_app.rendering import part_of_day
from templates_app.selection import AUTO, Choice, Situation, Suggestion, choose, suggest

RATED_SESSIONS = 2
"""So many chat sessions have to be rated before their ratings count for a choice."""

log = structlog.get_logger(__name__)


def menu_for(tenant_id: UUID, slug: str | None) -> Menu:
    """What is on offer to a tenant. One in memory that has no such slug may be old, and is read again."""
    menu = catalogue.menu(tenant_id)
    is_known = slug in (None, AUTO) or slug in menu.offers
    return menu if is_known else catalogue.menu(tenant_id, max_age=0.0)


def part_of_day_now() -> str:
    """The word for the time of day, by the server's clock."""
    return part_of_day(timezone.localtime().hour)


def check_on_offer(menu: Menu, slug: str | None) -> None:
    """Raises InvalidInput (`unknown_template`) when there is none of this slug, or none at all."""
    if not menu.offers:
        raise _unknown("There is no personality yet: run manage.py seed_templates.")
    if slug not in (None, AUTO, *menu.offers):
        raise _unknown("There is no personality of this name.")


def choose_personality(
    menu: Menu, end_user: EndUser, slug: str | None, about: str, satisfied: Mapping[UUID, float] | None = None
) -> tuple[PromptTemplate, Choice]:
    """The personality for somebody's new chat session: that of the slug, or the one that fits.

    `satisfied` are their ratings (`satisfaction_of`), read when not given. What is not on offer was refused before
    (`check_on_offer`). Raises AgeRestricted.
    """
    is_asked = slug not in (None, AUTO)
    if satisfied is None:
        satisfied = {} if is_asked else satisfaction_of([end_user.id]).get(end_user.id, {})
    situation = Situation(
        slug_asked=slug if is_asked else None,
        preferred=end_user.preferred_template,
        satisfied=satisfied,
        text="\n".join([about, *end_user.interests, *_topics(end_user)]),
        part_of_day=part_of_day_now(),
        is_adult=end_user.is_adult,
    )
    choice = choose(situation, menu.offers, menu.rules)
    template = menu.template_of(choice.template_id)
    if not is_asked:
        log.info("personality_chosen", template=template.slug, by=choice.by, skipped=list(choice.skipped))
    return template, choice


def suggest_personality(*, chat_session_id: UUID, menu: Menu, text: str) -> bool:
    """Suggest another personality, if a rule says that it fits a message better; each once in a chat session.

    Whether it did. Of two at once one is told, and the other perhaps after the next message.
    """
    row = ChatSession.objects.existing().select_related("end_user", "template").filter(id=chat_session_id).first()
    if row is None or row.template is None or row.status == ChatSession.Status.ENDED:
        return False
    found = suggest(
        text,
        part_of_day_now(),
        row.template.slug,
        menu.offers,
        menu.rules,
        is_adult=row.end_user.is_adult,
        before=row.suggested_before,
    )
    if found is None:
        return False
    try:
        return _set_suggestion(row, found)
    except IntegrityError:  # it was deleted in this moment
        return False


@transaction.atomic
def _set_suggestion(seen: ChatSession, found: Suggestion) -> bool:
    """Compare and set: not if it was switched, or another one suggested, since it was read."""
    rows = ChatSession.objects.existing().exclude(status=ChatSession.Status.ENDED)
    as_seen = rows.filter(id=seen.id, template_id=seen.template_id, suggested_before=seen.suggested_before)
    changed = as_seen.update(
        suggested_template_id=found.offer.id,
        suggestion_reason=found.reason,
        suggested_before=[*seen.suggested_before, found.offer.slug],
    )
    if changed:
        emit("personality.suggested", tenant_id=seen.tenant_id, chat_session_id=seen.id, subject_id=found.offer.id)
    return bool(changed)


@transaction.atomic
def switch_personality(*, principal: Principal, chat_session_id: UUID, slug: str) -> None:
    """From now on another personality answers, with its present version. A running reply is finished by the old one.

    Once is enough. Raises NotFound, Conflict (`session_ended`, `human_room`), InvalidInput (`unknown_template`),
    AgeRestricted.
    """
    row = lock_chat_session(chat_session_id)
    if row.status == ChatSession.Status.ENDED:
        raise Conflict("This chat session has ended.", code="session_ended")
    require_personality(row)
    try:
        template = get_template(principal, slug)
    except NotFound as error:
        raise _unknown(error.detail) from None
    if template.adult_only and not row.end_user.is_adult:  # by the age as it is now
        raise AgeRestricted
    if template.id == row.template_id:
        _drop_suggestion(row)
        return
    append_message(
        row,
        role=Message.Role.NOTICE,
        content=f"{template.name} answers from now on. {disclosure(template.name)}",
        last_activity=timezone.now(),
        template=template,
        version_id=template.current_version_id,
        chosen_by=ChatSession.ChosenBy.SWITCH,
        choice_reason="It was switched to.",
        suggested_template=None,
        suggestion_reason="",
        suggested_before=list(dict.fromkeys([*row.suggested_before, slug])),
    )
    emit("personality.switched", tenant_id=row.tenant_id, chat_session_id=row.id, subject_id=template.id)


@transaction.atomic
def decline_suggestion(*, chat_session_id: UUID) -> None:
    """Suggest it no more. Once is enough. Raises NotFound, Conflict (`human_room`)."""
    row = lock_chat_session(chat_session_id)
    require_personality(row)
    _drop_suggestion(row)


def _drop_suggestion(row: ChatSession) -> None:
    if row.suggested_template_id is not None:
        ChatSession.objects.filter(id=row.id).update(suggested_template=None, suggestion_reason="")
        emit("personality.declined", tenant_id=row.tenant_id, chat_session_id=row.id)


def satisfaction_of(end_user_ids: Collection[UUID]) -> dict[UUID, dict[UUID, float]]:
    """For each of these people the mean ratings that they gave, of chat sessions and of single replies, by the id of
    the personality."""
    rated = Feedback.objects.filter(chat_session__end_user__in=end_user_ids, chat_session__deleted_at=None)
    speaker = Coalesce("message__version__template_id", "chat_session__template_id")
    by_speaker = rated.annotate(speaker=speaker).order_by().values("chat_session__end_user", "speaker")
    found = by_speaker.annotate(mean=Avg("rating"), sessions=Count("chat_session", distinct=True))
    means: dict[UUID, dict[UUID, float]] = {}
    for one in found:
        if one["sessions"] >= RATED_SESSIONS:
            means.setdefault(one["chat_session__end_user"], {})[one["speaker"]] = one["mean"]
    return means


def _topics(end_user: EndUser) -> list[str]:
    topics = end_user.remembered.get("topics", [])
    return [topic for topic in topics if isinstance(topic, str)] if isinstance(topics, list) else []


def _unknown(message: str) -> InvalidInput:
    return InvalidInput.at("template", "unknown_template", message)
