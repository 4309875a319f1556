"""Staff's pages for chat sessions and feedback, and the admin's first page."""

from django.contrib import admin

from sessions.admin.chat_sessions import ChatSessionAdmin
from sessions.admin.feedback import FeedbackAdmin

admin.site.index_template = "sessions/admin_home.html"

__all__ = ["ChatSessionAdmin", "FeedbackAdmin"]
