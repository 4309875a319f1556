"""Chat sessions, who takes part in them, and what is said."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q, Subquery

from chatify.accounts.models import EndUser, Tenant
from chatify.common.ids import uuid7
from templates_app.models import PromptTemplate, PromptVersion


class ChatSessionQuerySet(models.QuerySet["ChatSession"]):
    """Reads of chat sessions."""

    def existing(self) -> ChatSessionQuerySet:
        """Those that nobody deleted."""
        return self.filter(deleted_at=None)

    def of_end_user(self, end_user_id: UUID | Subquery) -> ChatSessionQuerySet:
        """Those that somebody takes part in, human rooms included."""
        return self.filter(Q(end_user_id=end_user_id) | Q(partner_id=end_user_id))

    def silent(self, status: str, before: datetime) -> ChatSessionQuerySet:
        """Those in this state in which nothing happened since `before`, the longest silent first."""
        return self.existing().filter(status=status, last_activity__lt=before).order_by("last_activity")


class ChatSession(models.Model):
    """One conversation. The row's lock orders everything that changes it."""

    class Status(models.TextChoices):
        """Where it is in its life."""

        ACTIVE = "active"
        PAUSED = "paused"
        ENDED = "ended"

    class Mode(models.TextChoices):
        """Who the end user talks to."""

        AI = "ai", "AI"
        HUMAN = "human"

    class Speaker(models.TextChoices):
        """Who may answer the end user. What others have begun to say meanwhile is broken off."""

        AI = "ai", "AI"
        HUMAN = "human"
        NOBODY = "nobody"

    class ChosenBy(models.TextChoices):
        """What decided on the personality."""

        EXPLICIT = "explicit"
        PREFERENCE = "preference"
        SATISFACTION = "satisfaction"
        CONTEXT = "context"
        TIME = "time", "time of day"
        DEFAULT = "default"
        SWITCH = "switch"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    end_user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="chat_sessions")
    # The second person of a human room, whose messages have the role `human`.
    partner = models.ForeignKey(EndUser, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    # Of conversations with a personality only
    template = models.ForeignKey(
        PromptTemplate, null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name="personality"
    )
    version = models.ForeignKey(PromptVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.AI)
    # `speaker_epoch` is raised with every change of it: a reply that began before is not completed.
    speaker = models.CharField(max_length=8, choices=Speaker, default=Speaker.AI)
    speaker_epoch = models.PositiveIntegerField(default=0, editable=False)
    title = models.CharField(max_length=120, blank=True)
    greeting = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    last_seq = models.PositiveIntegerField(default=0)
    total_tokens_used = models.PositiveBigIntegerField(default=0)
    # Whoever holds an older epoch (a process that lost its lease) writes nothing any more.
    epoch = models.PositiveIntegerField(default=0, editable=False)
    # Not derived at read time: a subquery behind FOR UPDATE would see the table as it was before the wait.
    running_reply_id = models.UUIDField(null=True, editable=False)
    last_activity = models.DateTimeField()
    created_at = models.DateTimeField()
    # Why it was paused or resumed last.
    status_reason = models.CharField(max_length=40, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=40, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    # Why it is this personality, and which other one was suggested (or has been, and is not suggested again).
    chosen_by = models.CharField(max_length=12, choices=ChosenBy, default=ChosenBy.EXPLICIT)
    choice_reason = models.CharField(max_length=200, blank=True)
    suggested_template = models.ForeignKey(
        PromptTemplate, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    suggestion_reason = models.CharField(max_length=200, blank=True)
    suggested_before = models.JSONField(default=list, blank=True, editable=False)

    # What memory has done and has to do (chatify.memory). `context_version` is raised by every change of a summary:
    # what was cached before is old. While `memory_due_at` lies ahead because a worker is at it, `memory_claim` is that
    # worker's; whoever finds another claim there when it wants to write has lost it.
    summarized_seq = models.PositiveIntegerField(default=0, editable=False)
    facts_seq = models.PositiveIntegerField(default=0, editable=False)
    context_version = models.PositiveIntegerField(default=0, editable=False)
    memory_due_at = models.DateTimeField(null=True, editable=False)
    memory_claim = models.UUIDField(null=True, editable=False)
    memory_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    memory_error = models.CharField(max_length=200, blank=True, editable=False)

    objects = ChatSessionQuerySet.as_manager()
    tenant_id: UUID
    end_user_id: UUID
    suggested_template_id: UUID | None
    template_id: UUID | None
    version_id: UUID | None
    partner_id: UUID | None

    class Meta:
        verbose_name = "chat session"
        ordering: ClassVar = ["-last_activity"]
        indexes: ClassVar = [
            models.Index(fields=["end_user", "-last_activity"], name="chat_session_by_user"),
            models.Index(
                fields=["partner", "-last_activity"],
                condition=Q(partner__isnull=False),
                name="chat_session_by_partner",
            ),
            models.Index(fields=["tenant", "-last_activity"], name="chat_session_by_tenant"),
            models.Index(fields=["-last_activity"], name="chat_session_by_activity"),
            # What falls silent, and what was deleted, is found whatever else there is.
            models.Index(
                fields=["status", "last_activity"],
                condition=Q(status__in=["active", "paused"], deleted_at=None),
                name="chat_session_silent",
            ),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="chat_session_deleted"),
            models.Index(
                fields=["memory_due_at"],
                condition=Q(memory_due_at__isnull=False, deleted_at=None),
                name="chat_session_memory_due",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(mode="ai", template__isnull=False, version__isnull=False, partner=None)
                | Q(mode="human", template=None, version=None, partner__isnull=False, speaker="human"),
                name="chat_session_with_whom",
            ),
            models.CheckConstraint(condition=~Q(partner=F("end_user")), name="chat_session_not_with_oneself"),
        ]

    def __str__(self) -> str:
        return self.title or f"Chat session {self.id}"


class Participant(models.Model):
    """Who takes part in a chat session: the end user, the AI or a second end user, later staff."""

    class Kind(models.TextChoices):
        """What kind of being."""

        END_USER = "end_user"
        AI = "ai", "AI"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    chat_session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="participants")
    kind = models.CharField(max_length=8, choices=Kind)
    end_user = models.ForeignKey(EndUser, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    # Of human rooms: up to which message somebody has read, and when a socket of theirs was last seen open; None when
    # the last one closed.
    read_seq = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField(null=True, blank=True)

    end_user_id: UUID | None

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat_session", "kind", "end_user"], name="participant_once"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class Message(models.Model):
    """One row of a conversation, append-only, numbered without gaps by `seq` inside its chat session.

    A reply is written when it starts, as `streaming` with a lease, and reaches exactly one end.
    """

    class Role(models.TextChoices):
        """Who it is from, seen from the model."""

        USER = "user"
        ASSISTANT = "assistant"
        HUMAN = "human"
        NOTICE = "notice"

    class Status(models.TextChoices):
        """Only replies are ever anything but complete."""

        STREAMING = "streaming"
        COMPLETE = "complete"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    chat_session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="messages")
    seq = models.PositiveIntegerField()
    role = models.CharField(max_length=9, choices=Role)
    sender = models.ForeignKey(Participant, null=True, on_delete=models.SET_NULL, related_name="+")
    content = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.COMPLETE)
    client_message_id = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001  (unique where set)
    answered_by = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="answers")
    created_at = models.DateTimeField()

    # Of replies only
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    version = models.ForeignKey(PromptVersion, null=True, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=120, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    is_usage_estimated = models.BooleanField(default=False)
    first_token_ms = models.PositiveIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    epoch = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)

    chat_session_id: UUID
    answered_by_id: UUID | None

    class Meta:
        ordering: ClassVar = ["chat_session", "seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat_session", "seq"], name="message_seq_once"),
            models.UniqueConstraint(
                # By role: two people in a room choose theirs without knowing of each other.
                fields=["chat_session", "role", "client_message_id"],
                condition=Q(client_message_id__isnull=False),
                name="message_client_id_once",
            ),
            models.UniqueConstraint(
                fields=["chat_session"], condition=Q(status="streaming"), name="message_one_running_reply"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["lease_expires_at"], condition=Q(status="streaming"), name="message_running_by_lease"),
            models.Index(
                fields=["chat_session"], condition=Q(role="user", answered_by=None), name="message_unanswered"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq}. {self.role}"


class Summary(models.Model):
    """What was said up to a message, compressed: the summary before it, with the messages of its own range.

    So the latest one stands for all that came before, and each says what it was made of. Ranges neither overlap nor
    leave gaps; messages stay as they are.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    chat_session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="summaries")
    from_seq = models.PositiveIntegerField()
    to_seq = models.PositiveIntegerField()
    text = models.TextField()
    # "extractive": sentences picked without a model. The version is that of the prompt, 0 the one that is built in.
    model = models.CharField(max_length=120)
    prompt_version = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    is_usage_estimated = models.BooleanField(default=False)
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True, help_text="In US dollars.")
    # Its text does not fit any more what it was made of; it is used until it has been made again.
    is_stale = models.BooleanField(default=False)
    edited_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    chat_session_id: UUID
    tenant_id: UUID

    class Meta:
        verbose_name_plural = "summaries"
        ordering: ClassVar = ["chat_session", "from_seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat_session", "from_seq"], name="summary_range_once"),
            models.UniqueConstraint(fields=["chat_session", "to_seq"], name="summary_end_once"),
            models.CheckConstraint(condition=Q(from_seq__gte=1, to_seq__gte=F("from_seq")), name="summary_range"),
        ]

    def __str__(self) -> str:
        return f"Messages {self.from_seq} to {self.to_seq}"


class Feedback(models.Model):
    """How satisfied the end user is, with one reply or with the chat session as a whole. The last word counts."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    chat_session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="feedback")
    message = models.ForeignKey(Message, null=True, blank=True, on_delete=models.CASCADE, related_name="feedback")
    rating = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    comment = models.TextField(max_length=2000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "feedback"
        ordering: ClassVar = ["-updated_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat_session", "message"], name="feedback_once_per_message"),
            models.UniqueConstraint(
                fields=["chat_session"], condition=Q(message=None), name="feedback_once_per_chat_session"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating} of 5"
