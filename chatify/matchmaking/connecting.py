"""The chatbot for people whom somebody else's matchmaker lets wait: each has one AI chat session at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.db import IntegrityError, transaction

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import Conflict, NotFound
from chatify.matchmaking.models import MatchTicket, MatchTicketQuerySet
from sessions.access import chat_sessions_for, lock_chat_session
from sessions.actions import end_chat_session, find_or_make_end_user, hand_over, resume_chat_session
from sessions.models import ChatSession
from sessions.personalities import check_on_offer, choose_personality, menu_for
from sessions.starting import new_chat_session, save_chat_sessions

T = TypeVar("T")
Status = ChatSession.Status


class _MovedMeanwhileError(Exception):
    """Somebody ended it between the look and the lock, or the user was erased."""


def connect_to_chatbot(
    *,
    principal: Principal,
    user: UserInput,
    template: str | None = None,
    context: str = "",
    metadata: dict[str, Any] | None = None,
    reason: str = "connected",
) -> tuple[ChatSession, bool]:
    """The user's AI chat session, and whether it is new; one that is paused is resumed, for this `reason`.

    The profile is brought up to date first. `template` (a slug), `context` and `metadata` are those of a new one, as in
    `start_chat_session`. Two calls at once get the same one. Who has a match ticket with a personality gets its chat
    session; who waits is refused, as their ticket would know of no other one. Raises what `start_chat_session` raises,
    and Conflict (`in_room`, `in_queue`).
    """
    principal.require_whole_user()
    principal.require_external_id(user.external_id, "user.external_id")
    connect = partial(_connect, principal, user, template, context, metadata or {}, reason)
    return again_if_gone(partial(_until_nothing_moves, connect))


def disconnect_from_chatbot(
    *, principal: Principal, external_id: str, reason: str, with_goodbye: bool = False
) -> ChatSession | None:
    """End the user's AI chat session, perhaps after a line of goodbye. None if there is none: once is enough."""
    found = _ai_session_of(principal, external_id)
    if found is None:
        return None
    try:
        (hand_over if with_goodbye else end_chat_session)(chat_session_id=found.id, reason=reason)
    except NotFound:  # deleted in this moment
        return None
    return chat_sessions_for(principal).filter(id=found.id).first()


def again_if_gone(do: Callable[[], T]) -> T:
    """Carry out a transaction, and once more if a row that it refers to was deleted in the middle of it.

    Databases tell of that at the commit, so it has to be the outermost one. Raises Conflict (`user_erased`).
    """
    try:
        return do()
    except IntegrityError:  # a personality: then another one is chosen
        pass
    try:
        return do()
    except IntegrityError:
        raise Conflict("This user is being erased.", code="user_erased") from None


def _until_nothing_moves(connect: Callable[[], T]) -> T:
    while True:  # each time that it goes round, somebody else has ended one
        try:
            return connect()
        except _MovedMeanwhileError:
            continue


@transaction.atomic
def _connect(
    principal: Principal, user: UserInput, slug: str | None, context: str, metadata: dict[str, Any], reason: str
) -> tuple[ChatSession, bool]:
    """The end user is locked before the chat session, as by everybody who locks both.

    The match ticket is only read, before the lock and again under it: who joins after that comes after this.
    """
    _check_waits_not(principal, user.external_id)
    end_user = _lock_end_user(find_or_make_end_user(principal=principal, given=user))
    _check_waits_not(principal, end_user.external_id)
    _check_in_no_room(principal, end_user)
    found = _ai_session_of(principal, end_user.external_id)
    if found is None:
        return _start(end_user, slug, context, metadata), True
    _lock_open(found)
    resume_chat_session(chat_session_id=found.id, reason=reason)
    return chat_sessions_for(principal).get(id=found.id), False


def _start(end_user: EndUser, slug: str | None, context: str, metadata: dict[str, Any]) -> ChatSession:
    menu = menu_for(end_user.tenant_id, slug)
    check_on_offer(menu, slug)
    template, choice = choose_personality(menu, end_user, slug, context)
    row = new_chat_session(end_user, template, choice, metadata=metadata)
    save_chat_sessions([row])
    return row


def _ai_session_of(principal: Principal, external_id: str | None) -> ChatSession | None:
    """That of their match ticket, else the latest, if others were started by other ways."""
    rows = chat_sessions_for(principal, external_id).filter(mode=ChatSession.Mode.AI).exclude(status=Status.ENDED)
    tied = _live_tickets(principal, external_id).filter(chat_session__isnull=False)
    return rows.filter(id__in=tied.values("chat_session")).first() or rows.order_by("-last_activity", "-id").first()


def _check_waits_not(principal: Principal, external_id: str | None) -> None:
    if _live_tickets(principal, external_id).filter(status=MatchTicket.Status.WAITING).exists():
        raise Conflict("This user waits in the queue: cancel their match ticket first.", code="in_queue")


def _live_tickets(principal: Principal, external_id: str | None) -> MatchTicketQuerySet:
    rows = MatchTicket.objects.live()
    return rows.filter(tenant_id=principal.tenant_id, end_user__external_id=external_id)


def _check_in_no_room(principal: Principal, end_user: EndUser) -> None:
    rows = chat_sessions_for(principal).of_end_user(end_user.id).filter(mode=ChatSession.Mode.HUMAN)
    if rows.exclude(status=Status.ENDED).exists():
        raise Conflict("This user is in a room with another person.", code="in_room")


def _lock_open(seen: ChatSession) -> None:
    try:
        row = lock_chat_session(seen.id)
    except NotFound:
        raise _MovedMeanwhileError from None
    if row.status == Status.ENDED:
        raise _MovedMeanwhileError


def _lock_end_user(end_user: EndUser) -> EndUser:
    """So that of two at once the second one finds what the first has started."""
    locked = EndUser.objects.select_for_update(no_key=True).filter(id=end_user.id).first()
    if locked is None:
        raise _MovedMeanwhileError  # erased: the application means a new one
    return locked
