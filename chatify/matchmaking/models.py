"""Who waits for somebody, whom they were offered, whom they do not want to meet again, and what they reported."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from chatify.accounts.models import EndUser, Tenant
from chatify.common.ids import uuid7
from sessions.models import ChatSession


class MatchTicketQuerySet(models.QuerySet["MatchTicket"]):
    """Reads of match tickets."""

    def live(self) -> MatchTicketQuerySet:
        """Those that are not done with."""
        return self.filter(closed_at=None)

    def waiting(self) -> MatchTicketQuerySet:
        """Those of people who have nobody to talk to yet."""
        return self.live().filter(status=MatchTicket.Status.WAITING)


class MatchTicket(models.Model):
    """A person's place in the queue. It stays live while they talk to a personality, and while they are in a room.

    Whoever changes it raises `version` and names the one that they saw, so that of two who want it one gets it.
    """

    class Status(models.TextChoices):
        """Where its person is."""

        WAITING = "waiting"
        WITH_CHATBOT = "with_chatbot", "with a personality"
        MATCHED_HUMAN = "matched_human", "with a person"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    class Band(models.TextChoices):
        """People meet only within their own."""

        MINOR = "minor"
        ADULT = "adult"
        UNKNOWN = "unknown", "age unknown"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    end_user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="match_tickets")
    status = models.CharField(max_length=13, choices=Status, default=Status.WAITING)
    version = models.PositiveIntegerField(default=0, editable=False)

    # Whom they want to meet. `strict` names those of language and interests that waiting does not loosen.
    band = models.CharField("age", max_length=7, choices=Band)
    language = models.CharField(max_length=35, blank=True)
    interests = models.JSONField(default=list, blank=True)
    strict = models.JSONField(default=list, blank=True)
    template = models.SlugField(blank=True, help_text="The personality to talk to meanwhile; empty: the one that fits.")
    # The last partner is not met again at once.
    avoid_user_id = models.UUIDField(null=True, editable=False)
    avoid_until = models.DateTimeField(null=True, editable=False)

    created_at = models.DateTimeField()
    deadline = models.DateTimeField(help_text="Then a personality steps in.")
    served_at = models.DateTimeField(null=True, blank=True, help_text="When they got somebody to talk to.")
    seen_at = models.DateTimeField(help_text="When we last heard of them.")

    chat_session = models.ForeignKey(
        ChatSession, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name="with personality"
    )
    room = models.ForeignKey(
        ChatSession, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name="with person"
    )
    # The question whether to leave the personality for a person; and before when it is not asked again.
    proposal = models.ForeignKey(
        "MatchProposal", null=True, blank=True, on_delete=models.SET_NULL, related_name="tickets", editable=False
    )
    ask_after = models.DateTimeField(null=True, editable=False)

    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(max_length=40, blank=True)

    objects = MatchTicketQuerySet.as_manager()
    tenant_id: UUID
    end_user_id: UUID
    chat_session_id: UUID | None
    room_id: UUID | None
    proposal_id: UUID | None

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            # So nobody is in two rooms, or waits twice.
            models.UniqueConstraint(fields=["end_user"], condition=Q(closed_at=None), name="match_ticket_one_live"),
            models.CheckConstraint(
                condition=~Q(status__in=["cancelled", "expired"]) | Q(closed_at__isnull=False),
                name="match_ticket_closed",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["deadline"], condition=Q(status="waiting", closed_at=None), name="match_ticket_waiting"
            ),
            models.Index(
                fields=["created_at"], condition=Q(status="with_chatbot", closed_at=None), name="match_ticket_chatbot"
            ),
            models.Index(fields=["room"], condition=Q(closed_at=None), name="match_ticket_room"),
            models.Index(fields=["chat_session"], condition=Q(closed_at=None), name="match_ticket_chat_session"),
            models.Index(fields=["tenant", "-created_at"], name="match_ticket_by_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.end_user} ({self.get_status_display()})"


class MatchProposal(models.Model):
    """Two people who could meet, of whom at least one talks to a personality and is asked first."""

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "open"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        EXPIRED = "expired", "not answered"
        WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    first = models.ForeignKey(MatchTicket, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(MatchTicket, on_delete=models.CASCADE, related_name="+")
    # Who waits for a person has said yes by that.
    is_first_willing = models.BooleanField(default=False)
    is_second_willing = models.BooleanField(default=False)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    first_id: UUID
    second_id: UUID

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(first=F("second")), name="match_proposal_of_two"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="match_proposal_open"),
        ]

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"


class Block(models.Model):
    """Somebody does not want to meet somebody again: neither meets the other."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    blocker = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="blocks")
    blocked = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="+")
    # What the blocker knew them by: the same name, and nothing that tells more of them.
    name = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    blocker_id: UUID
    blocked_id: UUID

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["blocker", "blocked"], name="block_once"),
            models.CheckConstraint(condition=~Q(blocker=F("blocked")), name="block_not_oneself"),
        ]

    def __str__(self) -> str:
        return f"{self.blocker} blocks {self.blocked}"


class Report(models.Model):
    """Somebody reports what somebody did in a human room. Staff look at it."""

    class Reason(models.TextChoices):
        """What it is about."""

        HARASSMENT = "harassment"
        HATE = "hate"
        SEXUAL = "sexual", "sexual content"
        MINOR = "minor", "somebody seems to be under age"
        SELF_HARM = "self_harm", "somebody may harm themself"
        SPAM = "spam", "spam or fraud"
        OTHER = "other"

    class State(models.TextChoices):
        """How far staff are with it."""

        OPEN = "open"
        UPHELD = "upheld"
        DISMISSED = "dismissed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    chat_session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="reports")
    reporter = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="+")
    reported = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=10, choices=Reason)
    comment = models.TextField(max_length=2000, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    handled_at = models.DateTimeField(null=True, blank=True, editable=False)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    chat_session_id: UUID
    reporter_id: UUID
    reported_id: UUID

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat_session", "reporter"], name="report_once_per_room"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at"], condition=Q(state="open"), name="report_open"),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} ({self.created_at:%Y-%m-%d})"
