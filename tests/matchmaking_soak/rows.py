"""What the database says in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import class_row

T = TypeVar("T")


@dataclass(frozen=True)
class Ticket:
    """A match ticket."""

    id: UUID
    tenant: UUID
    person: UUID
    name: str
    age: int | None
    band: str
    language: str
    strict: list[str]
    status: str
    created_at: datetime
    deadline: datetime
    served_at: datetime | None
    seen_at: datetime
    chat: UUID | None
    room: UUID | None
    closed_at: datetime | None
    close_reason: str

    @property
    def session(self) -> UUID | None:
        """Where the person was at last."""
        return {"matched_human": self.room, "with_chatbot": self.chat}.get(self.status)


@dataclass(frozen=True)
class Room:
    """A human room."""

    id: UUID
    tenant: UUID
    first: UUID
    second: UUID
    created_at: datetime
    ended_at: datetime | None

    @property
    def people(self) -> frozenset[UUID]:
        """Who is in it."""
        return frozenset((self.first, self.second))


@dataclass(frozen=True)
class Chat:
    """A chat session with a personality that a ticket led to."""

    id: UUID
    person: UUID
    ticket: UUID
    created_at: datetime
    ended_at: datetime | None
    end_reason: str


@dataclass(frozen=True)
class Blocked:
    """Two people who do not meet."""

    blocker: UUID
    blocked: UUID
    created_at: datetime

    @property
    def people(self) -> frozenset[UUID]:
        """Both."""
        return frozenset((self.blocker, self.blocked))


@dataclass(frozen=True)
class Question:
    """Two people who were asked whether they want to meet."""

    first: UUID
    second: UUID
    state: str


@dataclass(frozen=True)
class Rows:
    """All of them, by the time of their making."""

    tickets: Sequence[Ticket] = ()
    rooms: Sequence[Room] = ()
    chats: Sequence[Chat] = ()
    blocks: Sequence[Blocked] = ()
    questions: Sequence[Question] = ()


def read_rows(database_url: str) -> Rows:
    """All that the judge looks at, as it was in one moment."""
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return Rows(
            tickets=_read(connection, Ticket, _TICKETS),
            rooms=_read(connection, Room, _ROOMS),
            chats=_read(connection, Chat, _CHATS),
            blocks=_read(connection, Blocked, _BLOCKS),
            questions=_read(connection, Question, _QUESTIONS),
        )


def _read(connection: psycopg.Connection[tuple[object, ...]], kind: type[T], sql: str) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(sql.encode()).fetchall()


_TICKETS = """
    SELECT t.id, t.tenant_id AS tenant, t.end_user_id AS person, u.external_id AS name, u.age, t.band, t.language,
        t.strict, t.status, t.created_at, t.deadline, t.served_at, t.seen_at, t.chat_session_id AS chat,
        t.room_id AS room, t.closed_at, t.close_reason
    FROM matchmaking_matchticket t JOIN accounts_enduser u ON u.id = t.end_user_id ORDER BY t.created_at
"""
_ROOMS = """
    SELECT id, tenant_id AS tenant, end_user_id AS first, partner_id AS second, created_at, ended_at
    FROM chat_sessions_chatsession WHERE mode = 'human' ORDER BY created_at
"""
_CHATS = """
    SELECT id, end_user_id AS person, (metadata->>'match_ticket')::uuid AS ticket, created_at, ended_at, end_reason
    FROM chat_sessions_chatsession WHERE metadata ? 'match_ticket' ORDER BY created_at
"""
_BLOCKS = "SELECT blocker_id AS blocker, blocked_id AS blocked, created_at FROM matchmaking_block"
_QUESTIONS = "SELECT first_id AS first, second_id AS second, state FROM matchmaking_matchproposal"
