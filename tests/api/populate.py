"""Fills a server's database with everybody who could come to it. Runs inside Django, as tests/api/world.py asks.

Everything is made by the product's own functions, so what they show is what the product gave them.
"""

from __future__ import annotations

import json
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils import timezone

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.browser import COOKIE_FIELD
from chatify.accounts.credentials import create_api_key, issue_ticket
from chatify.accounts.models import ApiKey, EndUser, Login, Membership, SocketTicket, Tenant, User
from chatify.accounts.people import end_user_of, external_id_of
from chatify.accounts.principal import SCOPES, Credential, Principal
from chatify.accounts.profile import UserInput
from chatify.accounts.tokens import issue_end_user_token, issue_pair
from chatify.common.sealing import seal
from chatify.matchmaking.models import Block, MatchTicket
from chatify.memory.models import Memory
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookSource
from chatify.webhooks.signing import new_secret
from sessions.actions import start_chat_session
from sessions.models import ChatSession, Message, Summary
from sessions.starting import new_human_room, save_chat_sessions
from templates_app.actions import Draft, save_personality
from templates_app.models import PromptTemplate
from tests.api.world import ALICE, CHARACTER, OF_CHAT, OF_TENANT, OF_USER, SHARED, TENANT

shown: dict[str, str] = {}
ids: dict[str, str] = {}
victim: list[UUID] = []


def main() -> None:
    """Make everybody, and print who shows what as one line of JSON."""
    mine = Tenant.objects.create(slug=TENANT, name=OF_TENANT)
    other, gone = (Tenant.objects.create(slug=name, name=name) for name in ("table-b", "table-gone"))
    key = _key("owner_key", mine)
    _own_things(mine)
    _webhooks(mine)
    _alice(mine, key)
    _token("other_user", _end_user(mine, "bob"), key)
    _token("other_tenant_user", _end_user(other, ALICE), _key("other_key", other))
    _tenant_that_is_gone(gone)
    _people(mine, other)
    cookies = {"browser": _browser_of_nobody(), "person_browser": _browser_of(User.objects.get(name="person"))}
    made = {"shown": shown, "cookies": cookies, "ids": ids, "victim": list(map(str, victim))}
    print(json.dumps({**made, "signing_key": settings.JWT_SIGNING_KEY}))


# Tenants ------------------------------------------------------------------------------------------
def _own_things(tenant: Tenant) -> None:
    """A character, a key for each scope, one to be revoked or rotated, and some that do not work any more."""
    character = PromptTemplate(tenant=tenant, slug=CHARACTER, name=OF_TENANT, description=OF_TENANT)
    save_personality(template=character, draft=Draft(f"You are an AI companion. {OF_TENANT}"))
    api_key, _ = create_api_key(tenant=tenant, name=OF_TENANT)
    for scope in SCOPES:
        _key(f"key_{scope}", tenant, scopes=[scope])
    _key("key, expired", tenant, expires_at=timezone.now() - timedelta(hours=1))
    ids.update(api_key_id=str(api_key.id), slug=CHARACTER, shared_slug=SHARED)
    victim.extend([tenant.id, character.id, api_key.id])


def _webhooks(tenant: Tenant) -> None:
    """An endpoint that is told nothing, so that nothing happens by itself, what it was told before, and a source."""
    told = {"event": "session.paused", "source_event": "session.paused", "state": "failed"}
    endpoint = WebhookEndpoint.objects.create(
        tenant=tenant, url="http://127.0.0.1:9/", description=OF_TENANT, secret=seal(new_secret()), is_active=False
    )
    now = timezone.now()
    delivery = WebhookDelivery.objects.create(
        tenant=tenant, endpoint=endpoint, occurred_at=now, next_attempt_at=now, error=OF_TENANT, **told
    )
    source = WebhookSource.objects.create(tenant=tenant, name=OF_TENANT, secret=seal(new_secret()))
    ids.update(endpoint_id=str(endpoint.id), delivery_id=str(delivery.id), source_id=str(source.id))
    victim.extend([endpoint.id, delivery.id, source.id])


def _tenant_that_is_gone(tenant: Tenant) -> None:
    _token("end-user token, tenant deleted", _end_user(tenant, ALICE), _key("key, tenant deleted", tenant))
    Tenant.objects.filter(id=tenant.id).update(deleted_at=timezone.now())


def _key(name: str, tenant: Tenant, **fields: Any) -> ApiKey:
    made, shown[name] = create_api_key(tenant=tenant, name=name, **fields)
    return made


# End users ----------------------------------------------------------------------------------------
def _alice(tenant: Tenant, key: ApiKey) -> None:
    """Whom everybody is after: two chat sessions, a reply that could be retried, tokens good and bad."""
    alice = _end_user(tenant, ALICE, name=OF_USER)
    _token("end-user token, epoch raised", alice, key)
    alice.token_epoch += 1
    alice.save()
    revoked = _key("key, revoked", tenant)
    _token("end-user token, key revoked", alice, revoked)
    ApiKey.objects.filter(id=revoked.id).update(revoked_at=timezone.now())
    here, elsewhere = _chat(tenant, OF_CHAT), _chat(tenant, "another one")
    reply = _failed_turn(here)
    memory = _remembered(here, reply)
    _matched(alice, _end_user(tenant, "carol", name=OF_USER))
    _token("owner", alice, key)
    _token("bound_here", alice, key, here.id)
    _token("bound_elsewhere", alice, key, elsewhere.id)
    shown["socket ticket"], _ = issue_ticket(
        tenant_id=tenant.id, end_user_id=alice.id, chat_session_id=here.id, credential=Credential(api_key_id=key.id)
    )
    # For the whole run, or the server would delete it at some minute, as if the call of that moment had.
    SocketTicket.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    ids.update(chat_session_id=str(here.id), message_id=str(reply.id), external_id=ALICE)
    ids.update(memory_id=str(memory.id))
    victim.extend([alice.id, here.id, elsewhere.id, reply.id, memory.id])


def _end_user(tenant: Tenant, external_id: str, **profile: Any) -> EndUser:
    return upsert_end_user(tenant_id=tenant.id, external_id=external_id, changes=profile)


def _token(name: str, end_user: EndUser, key: ApiKey, chat_session_id: UUID | None = None) -> None:
    shown[name], _ = issue_end_user_token(end_user=end_user, api_key_id=key.id, chat_session_id=chat_session_id)


def _chat(tenant: Tenant, title: str) -> ChatSession:
    return start_chat_session(
        principal=Principal(tenant.id),
        template_slug=SHARED,
        user=UserInput(external_id=ALICE),
        title=title,
        metadata={"note": title},
    )


def _failed_turn(chat: ChatSession) -> Message:
    both = {"tenant_id": chat.tenant_id, "chat_session": chat, "created_at": timezone.now(), "content": OF_CHAT}
    reply = Message(**both, seq=2, role="assistant", status="failed", error_code="provider_unavailable")
    reply.save(force_insert=True)
    Message(**both, seq=1, role="user", answered_by=reply).save(force_insert=True)
    ChatSession.objects.filter(id=chat.id).update(last_seq=2)
    return reply


def _remembered(chat: ChatSession, said: Message) -> Memory:
    """A summary of the chat session, and what is known about its user."""
    Summary.objects.create(tenant_id=chat.tenant_id, chat_session=chat, from_seq=1, to_seq=2, text=OF_CHAT, model="x")
    both = {"tenant_id": chat.tenant_id, "end_user_id": chat.end_user_id, "chat_session": chat, "source": said}
    return Memory.objects.create(**both, kind="fact", text=OF_USER, key="planted", said_at=timezone.now())


def _matched(alice: EndUser, carol: EndUser) -> None:
    """A room of two people, a match ticket that is done with, and a block. (What lives would not stay as it is.)"""
    room = new_human_room(alice, carol)
    save_chat_sessions([room])
    ticket = MatchTicket.objects.create(
        tenant_id=alice.tenant_id,
        end_user=alice,
        status="cancelled",
        band="unknown",
        interests=[OF_USER],
        close_reason="cancelled",
        **dict.fromkeys(("created_at", "deadline", "seen_at", "closed_at"), timezone.now()),
    )
    block = Block.objects.create(tenant_id=alice.tenant_id, blocker=alice, blocked=carol, name=OF_USER)
    ids.update(room_id=str(room.id), ticket_id=str(ticket.id), block_id=str(block.id))
    victim.extend([room.id, ticket.id, block.id])


# People who sign in -------------------------------------------------------------------------------
def _people(mine: Tenant, other: Tenant) -> None:
    Membership.objects.create(user=_person("tenant_owner"), tenant=mine)
    Membership.objects.create(user=_person("other_tenant_owner"), tenant=other)
    _person("staff", is_staff=True, is_superuser=True)
    person = _person("person")
    ids["person_external_id"] = external_id_of(person)
    shown["refresh token as access token"] = issue_pair(_login(person)).refresh_token
    ended = _login(person)
    shown["access token, signed out"] = issue_pair(ended).access_token
    Login.objects.filter(id=ended.id).update(ended_at=timezone.now())
    User.objects.filter(id=_person("access token, account switched off").id).update(is_active=False)
    changed = _person("access token, password changed")
    changed.set_password("An0ther-password")
    changed.save()


def _person(name: str, **fields: Any) -> User:
    user = User.objects.create_user(f"{name.replace(' ', '-').replace(',', '')}@x.test", name=name, **fields)
    end_user_of(user)
    shown[name] = issue_pair(_login(user)).access_token
    return user


def _login(user: User) -> Login:
    return Login.objects.create(user=user, password_stamp=user.password_stamp)


# Browsers -----------------------------------------------------------------------------------------
def _browser_of_nobody() -> str:
    user = _end_user(ensure_tenant(slug=settings.DEMO_TENANT), "browser-x")
    return _session({COOKIE_FIELD: str(user.id)})


def _browser_of(user: User) -> str:
    backend = "django.contrib.auth.backends.ModelBackend"
    return _session(
        {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: user.get_session_auth_hash()}
    )


def _session(data: dict[str, str]) -> str:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session.update(data)
    session.create()
    return str(session.session_key)
