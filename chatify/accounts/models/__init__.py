"""People who sign in, tenants with their keys, the end users who chat, and records of what was done."""

from chatify.accounts.models.end_users import ADULT_AGE, EndUser, SocketTicket, Usage, is_adult
from chatify.accounts.models.people import Login, PasswordReset, User
from chatify.accounts.models.records import AuditEntry, IdempotentCall
from chatify.accounts.models.tenants import ApiKey, Membership, Tenant, TenantLimits, TenantQuerySet

__all__ = [
    "ADULT_AGE",
    "ApiKey",
    "AuditEntry",
    "EndUser",
    "IdempotentCall",
    "Login",
    "Membership",
    "PasswordReset",
    "SocketTicket",
    "Tenant",
    "TenantLimits",
    "TenantQuerySet",
    "Usage",
    "User",
    "is_adult",
]
