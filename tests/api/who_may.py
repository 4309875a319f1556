"""Who may do what: the table that tests/api/test_access_table.py holds every method of every route to.

A cell is the status with which somebody gets in, or the status and code with which they are refused. A new route has
to get a row here; "(...)" tells rows of one route apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.api.world import ALICE, OF_CHAT, OF_TENANT, OF_USER, TENANT

Refusal = tuple[int, str]
Cells = Mapping[str, int | Refusal]

# Who comes ----------------------------------------------------------------------------------------
# The things are alice's, of tenant a: `owner` is she with a token, `bound_here` with one for the chat session in
# question, `bound_elsewhere` with one for another of hers. `other_tenant_user` is called alice, too, but in tenant b.
KEYS = ("owner_key", "key_chat", "key_templates", "key_knowledge", "key_admin", "other_key")
TOKENS = ("owner", "bound_here", "bound_elsewhere", "other_user", "other_tenant_user")
PEOPLE = ("person", "staff", "tenant_owner", "other_tenant_owner", "person_browser")
BROWSERS = ("browser", "person_browser")
EVERYBODY = ("nobody", *KEYS, *TOKENS, *PEOPLE, "browser")

SCOPES = {
    **dict.fromkeys(("owner_key", "other_key"), ("chat", "templates", "knowledge", "admin")),
    **{name: (name.removeprefix("key_"),) for name in KEYS if name.startswith("key_")},
    **dict.fromkeys((*TOKENS, *PEOPLE, "browser"), ("chat",)),
}
CHAT_KEYS = ("owner_key", "key_chat", "other_key")
CHATTERS = (*CHAT_KEYS, *TOKENS, *PEOPLE, "browser")
BOUND = ("bound_here", "bound_elsewhere")
WHOLE_CHATTERS = tuple(one for one in CHATTERS if one not in BOUND)
OWN_CHAT_KEYS = ("owner_key", "key_chat")
OWNERS = (*OWN_CHAT_KEYS, "owner", "bound_here")
OWN_TEMPLATE_KEYS = ("owner_key", "key_templates")
TEMPLATE_KEYS = (*OWN_TEMPLATE_KEYS, "other_key")
MANAGERS = ("owner_key", "key_admin", "tenant_owner")
ALL_MANAGERS = (*MANAGERS, "other_key", "other_tenant_owner")
ADMIN_KEYS = ("owner_key", "key_admin", "other_key")

# What each may be shown of what is planted; the others nothing.
SEES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("owner_key", "key_chat", "key_admin", "owner", "bound_here"), (OF_CHAT, OF_USER, OF_TENANT)),
    "bound_elsewhere": (OF_USER, OF_TENANT),
    **dict.fromkeys(("other_user", "tenant_owner", "key_templates"), (OF_TENANT,)),
}

# Credentials that are good no more, or never were: tried everywhere. tests/api/forgeries.py
# has many more.
BAD = (
    "access token, expired",
    "access token, alg none",
    "access token, wrong key",
    "access token, wrong audience",
    "access token, wrong issuer",
    "access token, signed out",
    "refresh token as access token",
    "end-user token, expired",
    "end-user token, alg none",
    "end-user token, wrong key",
    "end-user token, wrong audience",
    "end-user token, epoch raised",
    "end-user token, key revoked",
    "end-user token, tenant deleted",
    "key, revoked",
    "key, expired",
    "key, tenant deleted",
    "key, wrong secret",
    "garbage",
)
MORE_BAD = (
    "access token, account switched off",
    "access token, password changed",
    "socket ticket",
)

# How they are refused -----------------------------------------------------------------------------
NOT_AUTHENTICATED = (401, "not_authenticated")
MISSING_SCOPE = (403, "missing_scope")
BOUND_TO_SESSION = (403, "bound_to_session")
NOT_A_KEY = (403, "not_a_key")
NOT_A_PERSON = (403, "not_a_person")
SHARED_PERSONALITY = (403, "shared_personality")
NO_CSRF_TOKEN = (403, "permission_denied")
NOT_FOUND = (404, "not_found")
UNKNOWN_TEMPLATE = (404, "unknown_template")
BAD_SIGNATURE = (401, "bad_signature")
IN_ROOM = (409, "in_room")
ENDPOINT_INACTIVE = (409, "endpoint_inactive")
NOT_YOURS = (400, "not_yours")
KEY_NAMES_NOBODY = (400, "required")


@dataclass(frozen=True)
class Row:
    """Cells of everybody, and what they ask for.

    `values` names other ids for the path; `body` is sent instead of a right one, with ids for what stands in braces.
    """

    cells: Cells
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False


def to(status: int, *who: str) -> dict[str, int | Refusal]:
    """They all get in with this status."""
    return dict.fromkeys(who, status)


def by(refusal: Refusal, *who: str) -> dict[str, int | Refusal]:
    """They are all refused like this."""
    return dict.fromkeys(who, refusal)


def needing(*scopes: str, others: Refusal = NOT_FOUND) -> dict[str, int | Refusal]:
    """Nobody gets in: without one of the scopes for that reason, with one as `others`."""
    refused = {one: others if set(SCOPES[one]) & set(scopes) else MISSING_SCOPE for one in EVERYBODY if one in SCOPES}
    return {"nobody": NOT_AUTHENTICATED, **refused}


def all_cells(name: str) -> dict[str, int | Refusal]:
    """A row's cells, with browsers whose page sends no CSRF token: with their cookie alone they may read only."""
    row = TABLE[name]
    may_as_usual = row.is_open or name.startswith("GET ")
    more = {f"{one} without CSRF token": row.cells[one] if may_as_usual else NO_CSRF_TOKEN for one in BROWSERS}
    return {**row.cells, **more}


CHAT = needing("chat")
READ_TEMPLATES = needing("chat", "templates", others=UNKNOWN_TEMPLATE)
WRITE_TEMPLATES = needing("templates", others=UNKNOWN_TEMPLATE)
# Keys need the scope; of people it counts who owns the tenant.
MANAGE = {**needing("admin"), **by(NOT_FOUND, *PEOPLE)}
PERSON = {**by(NOT_A_PERSON, *EVERYBODY), "nobody": NOT_AUTHENTICATED}
KEY = {**needing("chat", others=NOT_A_KEY)}
# Not with what is good for one chat session.
WHOLE = {**CHAT, **by(BOUND_TO_SESSION, *BOUND)}

# For everybody, signed in or not: an empty body comes as far as the check of its fields, whoever sends it.
OPEN = Row(to(400, *EVERYBODY), body={}, is_open=True)
OF_ALICE = {"user": ALICE}
OF_TENANT_A = {"tenant": TENANT}
A_PERSON = {"external_id": "person_external_id"}
A_SHARED_ONE = {"slug": "shared_slug"}
A_ROOM = {"chat_session_id": "room_id"}
OF_ROOM = (*OWN_CHAT_KEYS, "owner")
JOINING_AS_ALICE = {"user": {"external_id": ALICE}}

# The table ----------------------------------------------------------------------------------------
TABLE: dict[str, Row] = {
    # People who sign in
    "POST auth-register": OPEN,
    "POST auth-login": OPEN,
    "POST auth-refresh": OPEN,
    "POST auth-logout": OPEN,
    "POST auth-password-reset": OPEN,
    "POST auth-password-reset-confirm": OPEN,
    "GET auth-me": Row({**PERSON, **to(200, *PEOPLE)}),
    "PATCH auth-me": Row({**PERSON, **to(200, *PEOPLE)}),
    "POST auth-password": Row({**PERSON, **to(400, *PEOPLE)}, body={}),  # their passwords nobody knows
    # Tenants and keys
    "POST tenant-list": OPEN,
    "GET tenant-detail": Row({**MANAGE, **to(200, *ALL_MANAGERS)}),
    "PATCH tenant-detail": Row({**MANAGE, **to(200, *ALL_MANAGERS)}),
    "DELETE tenant-detail": Row({**MANAGE, **to(204, *ALL_MANAGERS)}),
    "GET tenant-detail (of a by its slug)": Row({**MANAGE, **to(200, *MANAGERS)}, query=OF_TENANT_A),
    "PATCH tenant-detail (of a by its slug)": Row({**MANAGE, **to(200, *MANAGERS)}, query=OF_TENANT_A),
    "DELETE tenant-detail (of a by its slug)": Row({**MANAGE, **to(204, *MANAGERS)}, query=OF_TENANT_A),
    "GET key-list": Row({**MANAGE, **to(200, *ALL_MANAGERS)}),
    "POST key-list": Row({**MANAGE, **to(201, *ALL_MANAGERS)}),
    "GET key-list (of a by its slug)": Row({**MANAGE, **to(200, *MANAGERS)}, query=OF_TENANT_A),
    "POST key-list (of a by its slug)": Row({**MANAGE, **to(201, *MANAGERS)}, query=OF_TENANT_A),
    "DELETE key-detail": Row({**MANAGE, **to(204, *MANAGERS)}),
    "POST key-rotate": Row({**MANAGE, **to(201, *MANAGERS)}),
    # Webhooks out
    "GET webhook-endpoint-list": Row({**MANAGE, **to(200, *ALL_MANAGERS)}),
    "POST webhook-endpoint-list": Row({**MANAGE, **to(201, *ALL_MANAGERS)}),
    "GET webhook-endpoint-detail": Row({**MANAGE, **to(200, *MANAGERS)}),
    "PATCH webhook-endpoint-detail": Row({**MANAGE, **to(200, *MANAGERS)}),
    "DELETE webhook-endpoint-detail": Row({**MANAGE, **to(204, *MANAGERS)}),
    "POST webhook-endpoint-rotate": Row({**MANAGE, **to(200, *MANAGERS)}),
    "POST webhook-endpoint-test": Row({**MANAGE, **to(200, *MANAGERS)}),
    "GET webhook-delivery-list": Row({**MANAGE, **to(200, *MANAGERS)}),
    "POST webhook-replay": Row({**MANAGE, **by(ENDPOINT_INACTIVE, *MANAGERS)}),  # or it would be sent meanwhile
    # Webhooks in. Events are signed, and nothing else counts.
    "POST webhook-matchmaking": Row(by(BAD_SIGNATURE, *EVERYBODY), is_open=True),
    "GET webhook-source-list": Row({**MANAGE, **to(200, *ALL_MANAGERS)}),
    "POST webhook-source-list": Row({**MANAGE, **to(201, *ALL_MANAGERS)}),
    "GET webhook-source-list (of a by its slug)": Row({**MANAGE, **to(200, *MANAGERS)}, query=OF_TENANT_A),
    "POST webhook-source-list (of a by its slug)": Row({**MANAGE, **to(201, *MANAGERS)}, query=OF_TENANT_A),
    "GET webhook-source-detail": Row({**MANAGE, **to(200, *MANAGERS)}),
    "PATCH webhook-source-detail": Row({**MANAGE, **to(200, *MANAGERS)}),
    "DELETE webhook-source-detail": Row({**MANAGE, **to(204, *MANAGERS)}),
    "POST webhook-source-rotate": Row({**MANAGE, **to(200, *MANAGERS)}),
    # End users. In tenant b there is an alice, too.
    "POST token-list": Row({**KEY, **to(201, *CHAT_KEYS)}),
    "POST token-list (for a chat session)": Row(
        {**KEY, **to(201, *OWN_CHAT_KEYS), "other_key": NOT_FOUND},
        body={"user": {"external_id": ALICE}, "session": "{chat_session_id}"},
    ),
    "DELETE token-list": Row({**KEY, **to(204, *CHAT_KEYS)}, query=OF_ALICE),
    "GET user-detail": Row({**CHAT, **to(200, *CHAT_KEYS, "owner", *BOUND, "other_tenant_user")}),
    "PATCH user-detail": Row(
        {**CHAT, **to(200, *CHAT_KEYS, "owner", "other_tenant_user"), **by(BOUND_TO_SESSION, *BOUND)}
    ),
    "DELETE user-detail": Row({**MANAGE, **to(204, *ADMIN_KEYS)}),
    "GET user-export": Row(
        {
            **CHAT,
            **by(MISSING_SCOPE, *CHAT_KEYS),
            **to(200, *ADMIN_KEYS, "owner", "other_tenant_user"),
            **by(BOUND_TO_SESSION, *BOUND),
        }
    ),
    "GET memory-list": Row(
        {**CHAT, **to(200, *CHAT_KEYS, "owner", "other_tenant_user"), **by(BOUND_TO_SESSION, *BOUND)}
    ),
    "DELETE memory-list": Row(
        {**CHAT, **to(200, *CHAT_KEYS, "owner", "other_tenant_user"), **by(BOUND_TO_SESSION, *BOUND)}
    ),
    "PATCH memory-detail": Row({**CHAT, **to(200, *OWN_CHAT_KEYS, "owner"), **by(BOUND_TO_SESSION, *BOUND)}),
    "DELETE memory-detail": Row({**CHAT, **to(204, *OWN_CHAT_KEYS, "owner"), **by(BOUND_TO_SESSION, *BOUND)}),
    "GET memory-list (of a person)": Row(
        {**CHAT, **to(200, "person", "person_browser"), **by(BOUND_TO_SESSION, *BOUND)}, values=A_PERSON
    ),
    "GET user-detail (of a person)": Row({**CHAT, **to(200, "person", "person_browser")}, values=A_PERSON),
    "PATCH user-detail (of a person)": Row(
        {**CHAT, **to(201, *CHAT_KEYS), **to(200, "person", "person_browser"), **by(BOUND_TO_SESSION, *BOUND)},
        values=A_PERSON,
    ),
    "DELETE user-detail (of a person)": Row({**MANAGE, **to(204, "person", "person_browser")}, values=A_PERSON),
    "GET user-export (of a person)": Row(
        {
            **CHAT,
            **by(MISSING_SCOPE, "key_chat"),
            "key_admin": NOT_FOUND,
            **to(200, "person", "person_browser"),
            **by(BOUND_TO_SESSION, *BOUND),
        },
        values=A_PERSON,
    ),
    # Personalities
    "GET template-list": Row({**READ_TEMPLATES, **to(200, *CHATTERS, "key_templates")}),
    "GET template-list (the tenant's own)": Row({**WRITE_TEMPLATES, **to(200, *TEMPLATE_KEYS)}, query={"own": "true"}),
    "POST template-list": Row({**WRITE_TEMPLATES, **to(201, *TEMPLATE_KEYS)}),
    "GET template-detail": Row(
        {**READ_TEMPLATES, **to(200, *OWN_CHAT_KEYS, "key_templates", "owner", *BOUND, "other_user")}
    ),
    "PATCH template-detail": Row({**WRITE_TEMPLATES, **to(200, *OWN_TEMPLATE_KEYS)}),
    "DELETE template-detail": Row({**WRITE_TEMPLATES, **to(204, *OWN_TEMPLATE_KEYS)}),
    "GET template-detail (everybody's)": Row(
        {**READ_TEMPLATES, **to(200, *CHATTERS, "key_templates")}, values=A_SHARED_ONE
    ),
    "PATCH template-detail (everybody's)": Row(
        {**WRITE_TEMPLATES, **by(SHARED_PERSONALITY, *TEMPLATE_KEYS)}, values=A_SHARED_ONE
    ),
    "DELETE template-detail (everybody's)": Row(
        {**WRITE_TEMPLATES, **by(SHARED_PERSONALITY, *TEMPLATE_KEYS)}, values=A_SHARED_ONE
    ),
    # Chat sessions
    "GET session-list": Row({**CHAT, **to(200, *CHATTERS)}, query=OF_ALICE),
    "POST session-list": Row(
        {
            **CHAT,
            **to(201, *CHAT_KEYS, "owner", "other_tenant_user"),
            **by(NOT_YOURS, "other_user", *PEOPLE, "browser"),
            **by(BOUND_TO_SESSION, *BOUND),
        },
        body={"user": {"external_id": ALICE}},
    ),
    "POST session-list (for oneself)": Row(
        {**CHAT, **to(201, *CHATTERS), **by(KEY_NAMES_NOBODY, *CHAT_KEYS), **by(BOUND_TO_SESSION, *BOUND)}, body={}
    ),
    "DELETE session-list": Row({**CHAT, **to(200, *CHATTERS), **by(BOUND_TO_SESSION, *BOUND)}, query=OF_ALICE),
    "GET session-active": Row({**CHAT, **to(200, *OWNERS, "bound_elsewhere")}, query=OF_ALICE),
    "GET session-detail": Row({**CHAT, **to(200, *OWNERS)}),
    "PATCH session-detail": Row({**CHAT, **to(200, *OWNERS)}),
    "DELETE session-detail": Row({**CHAT, **to(204, *OWNERS)}),
    "POST session-end": Row({**CHAT, **to(200, *OWNERS)}),
    "POST session-pause": Row({**CHAT, **to(200, *OWNERS)}),
    "POST session-resume": Row({**CHAT, **to(200, *OWNERS)}),
    "POST session-switch": Row({**CHAT, **to(200, *OWNERS)}),
    "DELETE session-suggestion": Row({**CHAT, **to(204, *OWNERS)}),
    "POST session-ticket": Row({**CHAT, **to(201, *OWNERS)}),
    "POST session-feedback": Row({**CHAT, **to(201, *OWNERS)}),
    "GET summary-list": Row({**CHAT, **to(200, *OWNERS)}),
    "POST session-connect": Row({**KEY, **by(IN_ROOM, *OWN_CHAT_KEYS), "other_key": 201}),
    "POST session-connect (of somebody new)": Row(
        {**KEY, **to(201, *CHAT_KEYS)}, body={"user": {"external_id": "somebody-new"}}
    ),
    # Human rooms, that of alice and carol; a talk with a personality is none.
    "POST session-leave": Row({**CHAT, **to(409, *OWNERS)}),
    "POST session-block": Row({**CHAT, **to(409, *OWNERS)}),
    "POST session-report": Row({**CHAT, **to(409, *OWNERS)}),
    "POST session-leave (a room)": Row({**CHAT, **to(200, *OF_ROOM)}, body=OF_ALICE, values=A_ROOM),
    "POST session-block (a room)": Row({**CHAT, **to(201, *OF_ROOM)}, body=OF_ALICE, values=A_ROOM),
    "POST session-report (a room)": Row(
        {**CHAT, **to(201, *OF_ROOM)}, body={**OF_ALICE, "reason": "spam"}, values=A_ROOM
    ),
    "GET session-detail (a room)": Row({**CHAT, **to(200, *OF_ROOM)}, values=A_ROOM),
    # Matchmaking
    "POST match-ticket-list": Row(
        {
            **WHOLE,
            **to(201, *CHAT_KEYS, "owner", "other_tenant_user"),
            **by(NOT_YOURS, "other_user", *PEOPLE, "browser"),
        },
        body=JOINING_AS_ALICE,
    ),
    "POST match-ticket-list (for oneself)": Row(
        {**WHOLE, **to(201, *WHOLE_CHATTERS), **by(KEY_NAMES_NOBODY, *CHAT_KEYS)}, body={}
    ),
    "GET match-ticket-detail": Row({**WHOLE, **to(200, *OWN_CHAT_KEYS, "owner")}),
    "DELETE match-ticket-detail": Row({**WHOLE, **to(200, *OWN_CHAT_KEYS, "owner")}),
    "POST match-ticket-heartbeat": Row({**WHOLE, **to(200, *OWN_CHAT_KEYS, "owner")}),
    "POST match-ticket-accept": Row({**WHOLE, **to(409, *OWN_CHAT_KEYS, "owner")}),
    "POST match-ticket-stay": Row({**WHOLE, **to(409, *OWN_CHAT_KEYS, "owner")}),
    "POST match-ticket-ticket": Row({**WHOLE, **to(201, *OWN_CHAT_KEYS, "owner")}),
    "GET block-list": Row({**WHOLE, **to(200, *CHAT_KEYS, "owner", "other_tenant_user")}, query=OF_ALICE),
    "GET block-list (one's own)": Row({**WHOLE, **to(200, *WHOLE_CHATTERS), **by(KEY_NAMES_NOBODY, *CHAT_KEYS)}),
    "DELETE block-detail": Row({**WHOLE, **to(204, *OWN_CHAT_KEYS, "owner")}),
    # Turns
    "GET message-list": Row({**CHAT, **to(200, *OWNERS)}),
    "POST message-list": Row({**CHAT, **to(200, *OWNERS)}),
    "POST message-retry": Row({**CHAT, **to(200, *OWNERS)}),
    "GET session-stream": Row({**CHAT, **to(204, *OWNERS)}),
    "POST session-stop": Row({**CHAT, **to(200, *OWNERS)}),
}

# Sockets: the first frame, or the code with which it closes.
SOCKET: dict[str, str | int] = {
    **dict.fromkeys(EVERYBODY, 4404),
    **dict.fromkeys(("key_templates", "key_knowledge", "key_admin"), 4403),
    **dict.fromkeys(("nobody", "browser", "person_browser"), 4401),  # cookies open none: they need a ticket
    **dict.fromkeys(OWNERS, "session.ready"),
}
# The same for the match socket, which keys open for their alice.
MATCH_SOCKET: dict[str, str | int] = {
    **dict.fromkeys(EVERYBODY, "match.ready"),
    **dict.fromkeys(("key_templates", "key_knowledge", "key_admin", *BOUND), 4403),
    **dict.fromkeys(("nobody", "browser", "person_browser"), 4401),
}
