"""Staff's pages for what is remembered, and what they add to those of chat sessions and end users."""

from chatify.memory.admin.chat_sessions import RememberedChatSessionAdmin
from chatify.memory.admin.end_users import RememberedEndUserAdmin
from chatify.memory.admin.memories import MemoryAdmin
from chatify.memory.admin.prompts import MemoryPromptAdmin
from chatify.memory.admin.summaries import SummaryAdmin

__all__ = [
    "MemoryAdmin",
    "MemoryPromptAdmin",
    "RememberedChatSessionAdmin",
    "RememberedEndUserAdmin",
    "SummaryAdmin",
]
