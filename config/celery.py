"""The Celery application. The schedule is static: tasks find their work in the database, and only wake."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("chatify")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    result_backend=None,
    worker_redirect_stdouts=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"socket_timeout": 15, "socket_connect_timeout": 3},
    beat_schedule={
        "purge-socket-tickets": {"task": "chatify.accounts.tasks.purge_socket_tickets", "schedule": 60.0},
        "send-password-resets": {"task": "chatify.accounts.tasks.send_password_resets", "schedule": 5.0},
        "purge-sign-ins": {"task": "chatify.accounts.tasks.purge_sign_ins", "schedule": 3600.0},
        "purge-idempotent-calls": {"task": "chatify.accounts.tasks.purge_idempotent_calls", "schedule": 3600.0},
        "pause-silent": {"task": "sessions.tasks.pause_silent", "schedule": 10.0},
        "end-silent": {"task": "sessions.tasks.end_silent", "schedule": 10.0},
        "purge-deleted": {"task": "sessions.tasks.purge_deleted", "schedule": 3600.0},
        "apply-retention": {"task": "sessions.tasks.apply_retention", "schedule": 3600.0},
        # Those that pile up while workers are away would only look again; clocks of machines differ by less.
        "digest": {"task": "chatify.memory.tasks.digest", "schedule": 10.0, "options": {"expires": 60}},
        "tell-webhook-owners": {"task": "chatify.webhooks.tasks.tell_owners", "schedule": 30.0},
        "purge-match-tickets": {"task": "chatify.matchmaking.tasks.purge_tickets", "schedule": 3600.0},
        "purge-webhook-deliveries": {"task": "chatify.webhooks.tasks.purge_deliveries", "schedule": 3600.0},
        "purge-webhook-receipts": {"task": "chatify.webhooks.tasks.purge_receipts", "schedule": 3600.0},
        "purge-browser-sessions": {"task": "chatify.accounts.tasks.purge_browser_sessions", "schedule": 3600.0},
    },
    beat_scheduler="celery.beat:Scheduler",
)
app.autodiscover_tasks()
