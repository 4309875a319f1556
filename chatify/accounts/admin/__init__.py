"""Staff's pages for who uses Chatify: people who sign in, tenants and their keys, end users; and the audit log."""

from chatify.accounts.admin.audit import AuditAdmin
from chatify.accounts.admin.end_users import EndUserAdmin
from chatify.accounts.admin.keys import ApiKeyAdmin
from chatify.accounts.admin.people import GroupAdmin, UserAdmin
from chatify.accounts.admin.tenants import TenantAdmin

__all__ = ["ApiKeyAdmin", "AuditAdmin", "EndUserAdmin", "GroupAdmin", "TenantAdmin", "UserAdmin"]
