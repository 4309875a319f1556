"""Writes of chat sessions. Those of a turn are in `chatify.turns.ledger`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import CASCADE, SET_NULL, Case, F, Model, Value, When
from django.utils import timezone

from chatify.accounts.access import get_own_end_user
from chatify.accounts.actions import update_own_profile, upsert_end_user
from chatify.accounts.audit import record
from chatify.accounts.models import EndUser
from chatify.accounts.personal_data import blank_admin_log
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import Conflict, InvalidInput, NotFound
from chatify.events.bus import Event, emit, emit_all, forget
from sessions.access import lock_chat_session, require_personality
from sessions.lifecycle import BY_SILENCE, EVENTS, Step, next_status
from sessions.messages import append_message
from sessions.models import ChatSession, ChatSessionQuerySet, Feedback, Message
from sessions.personalities import check_on_offer, choose_personality, menu_for
from sessions.starting import new_chat_session, save_chat_sessions, values_of
from templates_app.catalogue import Menu, catalogue
from templates_app.rendering import render

PURGED_AT_ONCE = STEPPED_AT_ONCE = 200
DELETED_AT_ONCE = 500
"""Databases take so many parameters in one statement, and so many locks in one transaction."""

USUAL_GOODBYE = "Somebody is here for you now. It was good to talk with you. Goodbye!"
"""Of personalities that have no words of their own for it."""

_WAKING = (ChatSession.Status.PAUSED, ChatSession.Status.ACTIVE)


def find_or_make_end_user(*, principal: Principal, given: UserInput | None) -> EndUser:
    """The end user that a call is about, with the profile brought up to date.

    Raises InvalidInput when a key names nobody, or when somebody names another one than themself; NotFound when
    they were erased in this moment.
    """
    given = given or UserInput()
    if principal.is_api_key:
        principal.require_external_id(given.external_id, "user.external_id")
        return upsert_end_user(
            tenant_id=principal.tenant_id, external_id=str(given.external_id), changes=given.changes()
        )
    user = get_own_end_user(principal)
    if given.external_id not in (None, user.external_id):
        raise InvalidInput.at("user.external_id", "not_yours", "This is somebody else.")
    return update_own_profile(principal=principal, user=user, changes=given.changes(), field="user")


def start_chat_session(
    *,
    principal: Principal,
    template_slug: str | None,
    user: UserInput | None,
    title: str = "",
    metadata: dict[str, Any] | None = None,
    context: str = "",
) -> ChatSession:
    """Start a chat session with the personality of this slug; without one, or with "auto", with the one that fits.

    `context` says what it will be about, and is not kept. Raises InvalidInput (`unknown_template`), AgeRestricted or
    Forbidden (`bound_to_session`); the profile is not changed then. Conflict (`user_erased`) if the user is erased in
    this moment.
    """
    principal.require_whole_user()
    start = partial(_start, principal, template_slug, user, f"{context}\n{title}", title, metadata or {})
    menu = menu_for(principal.tenant_id, template_slug)
    try:
        return start(menu)
    except IntegrityError:
        catalogue.forget()
        fresh = menu_for(principal.tenant_id, template_slug)
        if fresh.revision == menu.revision:
            raise Conflict("This user is being erased.", code="user_erased") from None
    return start(fresh)  # the personality was deleted since the menu was read


@transaction.atomic
def _start(
    principal: Principal,
    template_slug: str | None,
    user: UserInput | None,
    about: str,
    title: str,
    metadata: dict[str, Any],
    menu: Menu,
) -> ChatSession:
    check_on_offer(menu, template_slug)
    end_user = find_or_make_end_user(principal=principal, given=user)
    template, choice = choose_personality(menu, end_user, template_slug, about)
    chat_session = new_chat_session(end_user, template, choice, title=title, metadata=metadata)
    save_chat_sessions([chat_session])
    return chat_session


@transaction.atomic
def rename_chat_session(*, chat_session: ChatSession, title: str) -> None:
    """Give it another title. Raises NotFound when it was erased meanwhile."""
    chat_session.title = title
    if not ChatSession.objects.filter(id=chat_session.id).update(title=title):
        raise NotFound("There is no such chat session.")
    emit("session.renamed", tenant_id=chat_session.tenant_id, chat_session_id=chat_session.id)


@transaction.atomic
def pause_chat_session(*, chat_session_id: UUID, reason: str) -> None:
    """Pause it, until the next message or somebody resumes it; a running reply is written to its end.

    Once is enough. Raises NotFound, Conflict (`session_ended`).
    """
    row = lock_chat_session(chat_session_id)
    if next_status(row.status, Step.PAUSE) != row.status:
        _come_to(ChatSession.Status.PAUSED, [row], reason)


@transaction.atomic
def resume_chat_session(*, chat_session_id: UUID, reason: str) -> None:
    """Wake it; the personality says its words of welcome, if it has some. Once is enough.

    Raises NotFound, Conflict (`session_ended`).
    """
    row = lock_chat_session(chat_session_id)
    if next_status(row.status, Step.RESUME) != row.status:
        _welcome_back(row)
        _come_to(ChatSession.Status.ACTIVE, [row], reason)


@transaction.atomic
def end_chat_session(*, chat_session_id: UUID, reason: str) -> None:
    """End it: no message is taken any more, and a running reply is stopped. Once is enough.

    The process that writes the reply keeps its lease, so that the text which people saw is kept.
    Raises NotFound when it was deleted meanwhile.
    """
    row = lock_chat_session(chat_session_id)
    if next_status(row.status, Step.END) != row.status:
        _come_to(ChatSession.Status.ENDED, [row], reason)


@transaction.atomic
def hand_over(*, chat_session_id: UUID, reason: str) -> None:
    """The personality says goodbye in one line, and the chat session ends: a person takes over elsewhere.

    A running reply is broken off. Once is enough. Raises NotFound.
    """
    row = lock_chat_session(chat_session_id)
    if row.template is None or next_status(row.status, Step.END) == row.status:
        return
    goodbye = render(row.template.goodbye, values_of(row.end_user)).strip() or USUAL_GOODBYE
    silent = {"speaker": ChatSession.Speaker.NOBODY, "speaker_epoch": row.speaker_epoch + 1}
    append_message(row, role=Message.Role.ASSISTANT, content=goodbye, **silent)
    _come_to(ChatSession.Status.ENDED, [row], reason)


@transaction.atomic
def pause_silent_chat_sessions(*, before: datetime) -> int:
    """Pause one batch of those in which nothing happened since `before`. Gives their number.

    What somebody is at right now, or another worker, is passed over: it is locked.
    """
    return _come_to(ChatSession.Status.PAUSED, _silent(ChatSession.Status.ACTIVE, before), BY_SILENCE)


@transaction.atomic
def end_silent_chat_sessions(*, before: datetime) -> int:
    """End one batch of those in which nothing happened since `before`, as `pause_silent_chat_sessions` pauses them."""
    rows = [row for status in _WAKING for row in _silent(status, before)]
    return _come_to(ChatSession.Status.ENDED, rows, BY_SILENCE)


@transaction.atomic
def purge_deleted_chat_sessions(*, before: datetime) -> int:
    """Erase one batch of those that were deleted before this time. Gives their number."""
    deleted = ChatSession.objects.filter(deleted_at__lt=before, running_reply_id=None).order_by("deleted_at")
    return _erase(deleted.select_for_update(skip_locked=True)[:PURGED_AT_ONCE])


def _silent(status: str, before: datetime) -> list[ChatSession]:
    rows = ChatSession.objects.silent(status, before).filter(running_reply_id=None)
    return list(rows.select_for_update(skip_locked=True)[:STEPPED_AT_ONCE])


def _come_to(status: str, rows: Sequence[ChatSession], reason: str) -> int:
    """Write that these locked chat sessions have come to a state, and tell it."""
    now, ids = timezone.now(), [row.id for row in rows]
    changes: dict[str, Any] = {"status": status, "status_reason": reason}
    if status == ChatSession.Status.ENDED:
        changes |= {"ended_at": now, "end_reason": reason, "memory_due_at": _due_now(now)}
        request_cancel(chat_session_ids=ids)
    if reason != BY_SILENCE:
        changes["last_activity"] = now
    ChatSession.objects.filter(id__in=ids).update(**changes)
    emit_all(Event(EVENTS[status], row.tenant_id, row.id) for row in rows)
    return len(rows)


def _due_now(now: datetime) -> Case:
    """When memory is to look at it: at once, unless a worker is at it, who sees the end by itself. What people say to
    each other is not its business."""
    is_human = When(mode=ChatSession.Mode.HUMAN, then=Value(None))
    return Case(is_human, When(memory_claim=None, then=Value(now)), default=F("memory_due_at"))


def _welcome_back(row: ChatSession) -> None:
    if row.template is None or row.speaker != ChatSession.Speaker.AI:
        return
    text = render(row.template.welcome_back, values_of(row.end_user)).strip()
    is_of_age = row.end_user.is_adult or not row.template.adult_only
    if text and is_of_age and row.running_reply_id is None:
        append_message(row, role=Message.Role.ASSISTANT, content=text)


def delete_chat_sessions(*, chat_session_ids: Iterable[UUID]) -> int:
    """Delete chat sessions softly: they are gone for everybody but staff. Gives their number."""
    ids = list(chat_session_ids)
    return sum(_delete(ids[start : start + DELETED_AT_ONCE]) for start in range(0, len(ids), DELETED_AT_ONCE))


@transaction.atomic
def _delete(chat_session_ids: list[UUID]) -> int:
    rows = list(ChatSession.objects.existing().select_for_update().filter(id__in=chat_session_ids).order_by("id"))
    ids: list[UUID] = [row.id for row in rows]
    ChatSession.objects.filter(id__in=ids).update(deleted_at=timezone.now())
    request_cancel(chat_session_ids=ids)
    emit_all(Event("session.deleted", row.tenant_id, row.id) for row in rows)
    return len(ids)


@transaction.atomic
def restore_chat_sessions(*, chat_session_ids: Iterable[UUID]) -> int:
    """Undo soft deletions. Gives their number."""
    deleted = ChatSession.objects.filter(id__in=list(chat_session_ids), deleted_at__isnull=False)
    rows = list(deleted.select_for_update().order_by("id"))
    ChatSession.objects.filter(id__in=[row.id for row in rows]).update(deleted_at=None)
    rooms = [row for row in rows if row.mode == ChatSession.Mode.HUMAN and row.status != ChatSession.Status.ENDED]
    _come_to(ChatSession.Status.ENDED, rooms, "deleted")  # its people have gone elsewhere
    emit_all(Event("session.restored", row.tenant_id, row.id) for row in rows)
    return len(rows)


def purge_chat_sessions(*, chat_session_ids: Iterable[UUID]) -> int:
    """Erase chat sessions for good, with all that hangs on them, in batches. Gives the number of those that were there.

    A reply that is being written finds no row any more, and ends.
    """
    ids = list(chat_session_ids)
    return sum(_purge(ids[start : start + PURGED_AT_ONCE]) for start in range(0, len(ids), PURGED_AT_ONCE))


@transaction.atomic
def _purge(chat_session_ids: list[UUID]) -> int:
    return _erase(ChatSession.objects.select_for_update().filter(id__in=chat_session_ids).order_by("id"))


@transaction.atomic
def purge_idle_chat_sessions(*, tenant_id: UUID, before: datetime) -> int:
    """Erase one batch of a tenant's chat sessions that nothing happened in since `before`. Gives their number.

    Somebody may be at one right now, or another worker: what is locked is passed over.
    """
    idle = ChatSession.objects.filter(tenant_id=tenant_id, last_activity__lt=before, running_reply_id=None)
    count = _erase(idle.order_by("last_activity").select_for_update(skip_locked=True)[:PURGED_AT_ONCE])
    if count:
        record("retention.applied", who=None, tenant_id=tenant_id, subject_id=tenant_id, chat_sessions=count)
    return count


def _erase(locking: ChatSessionQuerySet) -> int:
    """The rows of a locking query, in the caller's transaction. Foreign keys are checked at its end."""
    rows = list(locking.values_list("id", "tenant_id"))
    ids = [id_ for id_, _ in rows]
    # Locked in the order in which leases are renewed, or the two might wait for each other.
    running = Message.objects.filter(chat_session_id__in=ids, status=Message.Status.STREAMING)
    list(running.select_for_update().order_by("id").values_list("id"))
    forget(chat_session_ids=ids)
    _let_go(ChatSession, "__in", ids)
    _let_go(Message, "__chat_session_id__in", ids)
    related: Any
    for related in ChatSession._meta.related_objects:
        if related.on_delete is CASCADE:
            related.related_model._base_manager.filter(**{f"{related.field.name}__in": ids})._raw_delete(
                connection.alias
            )
    ChatSession.objects.filter(id__in=ids)._raw_delete(connection.alias)
    blank_admin_log(ChatSession, ids)
    emit_all(Event("session.erased", tenant_id, id_) for id_, tenant_id in rows)
    return len(rows)


def _let_go(model: type[Model], lookup: str, ids: list[UUID]) -> None:
    """What refers to what is erased and outlives it (memories) refers to nothing any more."""
    related: Any
    for related in model._meta.get_fields(include_hidden=True):
        if getattr(related, "on_delete", None) is SET_NULL and related.related_model is not Message:
            rows = related.related_model._base_manager.filter(**{f"{related.field.name}{lookup}": ids})
            found = list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
            related.related_model._base_manager.filter(pk__in=found).update(**{related.field.name: None})


def request_cancel(*, chat_session_ids: Iterable[UUID]) -> None:
    """Ask whoever writes the running replies of these chat sessions to stop."""
    Message.objects.filter(chat_session_id__in=list(chat_session_ids), status=Message.Status.STREAMING).update(
        cancel_requested=True
    )


@transaction.atomic
def give_feedback(*, chat_session: ChatSession, rating: int, message: Message | None, comment: str | None) -> Feedback:
    """Rate a reply, or the chat session as a whole; a later rating replaces the former.

    Raises Conflict (`not_a_reply`, `human_room`), NotFound when the chat session was erased meanwhile.
    `comment` None leaves an earlier comment as it is.
    """
    require_personality(chat_session)
    if message is not None and message.role != Message.Role.ASSISTANT:
        raise Conflict("Only replies can be rated.", code="not_a_reply")
    locked = ChatSession.objects.select_for_update().filter(id=chat_session.id)  # two ratings at once make one row
    if locked.first() is None:
        raise NotFound("There is no such chat session.")
    feedback, _ = Feedback.objects.update_or_create(
        tenant_id=chat_session.tenant_id,
        chat_session=chat_session,
        message=message,
        defaults={"rating": rating} | ({} if comment is None else {"comment": comment}),
    )
    emit(
        "feedback.given",
        tenant_id=chat_session.tenant_id,
        chat_session_id=chat_session.id,
        subject_id=feedback.id,
    )
    return feedback
