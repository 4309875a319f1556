"""Staff's pages for personalities, their versions, and the rules that choose among them."""

from templates_app.admin.personalities import PersonalityAdmin
from templates_app.admin.rules import SelectionRuleAdmin
from templates_app.admin.versions import VersionAdmin

__all__ = ["PersonalityAdmin", "SelectionRuleAdmin", "VersionAdmin"]
