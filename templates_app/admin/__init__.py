"""Staff's pages for personalities and their versions."""

from templates_app.admin.personalities import PersonalityAdmin
from templates_app.admin.versions import VersionAdmin

__all__ = ["PersonalityAdmin", "VersionAdmin"]
