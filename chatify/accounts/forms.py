"""Forms of people who sign in: the page's and the admin's, with the limits of the API."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from chatify.accounts.api.authentication import address_of
from chatify.accounts.emails import MAX_EMAIL, normal_email
from chatify.accounts.models import User
from chatify.accounts.password_resets import finish_reset
from chatify.accounts.signing_in import check_credentials, note_address
from chatify.common.errors import ChatifyError, NotAuthenticated, TooFast, Unavailable

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as StaffAuthenticationForm

    _SignIn = AuthenticationForm
    _SetPassword = SetPasswordForm[User]
else:
    from unfold.forms import AuthenticationForm as StaffAuthenticationForm

    _SignIn = object
    _SetPassword = SetPasswordForm


def come_back(error: ChatifyError) -> ValidationError:
    """What a form says of an error that passes with time."""
    minutes = math.ceil((error.retry_after or 1) / 60)
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    text = "Too many attempts." if isinstance(error, TooFast) else error.detail
    return ValidationError(f"{text} Please come back in {wait}.", code=error.code)


class _LimitedSignIn(_SignIn):
    """Django's form, with our check of the credentials."""

    request: HttpRequest
    user_cache: User | None

    def clean(self) -> dict[str, Any]:
        """As Django's. Who gets in has been at this address from then on."""
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password:
            user = self._check(email, password)
            self.confirm_login_allowed(user)
            note_address(user=user, address=address_of(self.request))
            self.user_cache = user
        return self.cleaned_data

    def _check(self, email: str, password: str) -> User:
        try:
            return check_credentials(email=email, password=password, address=address_of(self.request))
        except NotAuthenticated:
            raise self.get_invalid_login_error() from None
        except (TooFast, Unavailable) as error:
            raise come_back(error) from None


class SignInForm(_LimitedSignIn, AuthenticationForm):
    """The page's."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "The e-mail address or the password is wrong.",
    }


class StaffSignInForm(_LimitedSignIn, StaffAuthenticationForm):
    """The admin's; named in the setting UNFOLD."""


class AskForm(forms.Form):
    """Whose password is forgotten."""

    email = forms.EmailField(max_length=MAX_EMAIL)

    def clean_email(self) -> str:
        """A normal one."""
        return normal_email(self.cleaned_data["email"])


class NewPasswordForm(_SetPassword):
    """Another password for somebody whose link is good."""

    def __init__(self, user: User, *args: Any, address: str, **kwargs: Any) -> None:
        self._address = address
        super().__init__(user, *args, **kwargs)

    def save(self, commit: bool = True) -> User:
        """Set it, which ends all sign-ins. Raises Conflict when the link was used in this moment."""
        finish_reset(user=self.user, password=self.cleaned_data["new_password1"], address=self._address)
        return self.user
