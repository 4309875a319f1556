"""What matchmaking says on the admin's first page."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest

from chatify.accounts.admin_base import (
    admin_url,
    link,
)
from chatify.matchmaking.models import MatchTicket, Report
from sessions.admin.home import Part, register_part


def read_part(request: HttpRequest) -> Part:
    """How many people wait and talk, and what is to be looked at."""
    found = dict(MatchTicket.objects.live().order_by().values_list("status").annotate(count=Count("id")))
    words = (("waiting", "waiting"), ("with_chatbot", "with a personality"), ("matched_human", "in rooms"))
    people = [f"{found.get(status, 0)} {where}" for status, where in words]
    reports = Report.objects.filter(state=Report.State.OPEN).count()
    hint = f"{reports} report{'' if reports == 1 else 's'} to look at" if reports else ""
    may_see = any(request.user.has_perm(f"matchmaking.{verb}_report") for verb in ("view", "change"))
    told = link(admin_url("matchmaking_report"), hint) if hint and may_see else hint
    return "Matchmaking", ", ".join(people), told


register_part(read_part)
