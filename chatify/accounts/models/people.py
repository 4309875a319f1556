"""People who sign in, and their sign-ins."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from chatify.accounts.emails import normal_email
from chatify.common.ids import uuid7


class UserManager(BaseUserManager["User"]):
    """Makes users, who are known by their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A person who may sign in. Without a password they cannot, until one is set."""
        user = self.model(email=normal_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A person who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        """As people type it: capitals do not matter."""
        return self.get(email=normal_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in: staff, owners of tenants, and everybody who registers."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=80, blank=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May open the admin.")
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    objects = UserManager()

    def __str__(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        """What the admin greets with."""
        return self.name or self.email

    @property
    def password_stamp(self) -> str:
        """Changes with the password: sign-ins remember it, so that a new password ends them."""
        return hashlib.sha256(self.password.encode()).hexdigest()


class Login(models.Model):
    """One sign-in by password. Its tokens work until it ends, or the password changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="logins")
    password_stamp = models.CharField(max_length=64, editable=False)
    # Keyed, so that it tells nothing; it lets a person in who signed in from there before.
    address_digest = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    user_id: UUID

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["user", "address_digest"], name="login_by_address")]

    def __str__(self) -> str:
        return f"sign-in of {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_working(self) -> bool:
        """Whether its tokens are good. Reads the user."""
        return self.ended_at is None and self.user.is_active and self.password_stamp == self.user.password_stamp


class PasswordReset(models.Model):
    """Somebody asked for a mail to set a new password. A row for unknown addresses, too: both take the same time."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField()
    base_url = models.URLField(max_length=300)
    created_at = models.DateTimeField(auto_now_add=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"password reset of {self.created_at:%Y-%m-%d %H:%M}"
