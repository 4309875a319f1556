"""Whether another personality fits better to what is being said. Off the way of the message and its reply."""

from __future__ import annotations

from uuid import UUID

import structlog

from chatify.common.threads import in_db_thread
from sessions.personalities import part_of_day_now, suggest_personality
from templates_app.catalogue import Menu, catalogue
from templates_app.selection import matching

log = structlog.get_logger(__name__)


async def suggest_for(tenant_id: UUID, chat_session_id: UUID, text: str) -> None:
    """Suggest who fits to this message that was accepted, as the rules say. Of what goes wrong nobody hears."""
    try:
        menu = await _menu(tenant_id)
        if matching(text, part_of_day_now(), menu.rules):  # else, as a rule, the database is not asked
            await in_db_thread(suggest_personality, chat_session_id=chat_session_id, menu=menu, text=text)
    except Exception:
        log.exception("suggestion_failed", chat_session_id=str(chat_session_id))


async def _menu(tenant_id: UUID) -> Menu:
    menu = catalogue.known(tenant_id)
    return menu if menu is not None else await in_db_thread(catalogue.menu, tenant_id)
