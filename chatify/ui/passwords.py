"""Pages for those who forgot their password."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import PasswordResetConfirmView, PasswordResetView
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy

from chatify.accounts.api.authentication import address_of
from chatify.accounts.forms import AskForm, NewPasswordForm, come_back
from chatify.accounts.models import User
from chatify.accounts.password_resets import ask_for_reset, resettable_user
from chatify.accounts.passwords import PasswordRules
from chatify.common.errors import Conflict, TooFast, Unavailable


class AskForPassword(PasswordResetView):
    """Where a link can be asked for. Celery sends it."""

    form_class = AskForm  # type: ignore[assignment]
    template_name = "ui/password_ask.html"
    success_url = reverse_lazy("ui:password-reset-sent")

    def form_valid(self, form: Any) -> HttpResponse:
        """The same answer, whoever is asked for."""
        base_url = f"{self.request.scheme}://{self.request.get_host()}"
        try:
            ask_for_reset(email=form.cleaned_data["email"], base_url=base_url, address=address_of(self.request))
        except TooFast as error:
            form.add_error(None, come_back(error))
            return self.form_invalid(form)
        return HttpResponseRedirect(self.get_success_url())


class SetPassword(PasswordResetConfirmView):
    """Where a link leads. Django's view keeps the token in the session and out of the address."""

    form_class = NewPasswordForm
    template_name = "ui/password_set.html"
    success_url = reverse_lazy("ui:password-reset-done")
    extra_context = {"rules": PasswordRules().get_help_text()}

    def get_user(self, uidb64: str) -> User | None:
        """Whom the link is for."""
        return resettable_user(uidb64)

    def get_form_kwargs(self) -> dict[str, Any]:
        """With the address, which may sign in from then on."""
        return {**super().get_form_kwargs(), "address": address_of(self.request)}

    def form_valid(self, form: Any) -> HttpResponse:
        """Set it. Who comes second with the same link sees that it does not work any more."""
        try:
            return super().form_valid(form)
        except Conflict:
            return HttpResponseRedirect(self.request.path)
        except Unavailable as error:
            form.add_error(None, come_back(error))
            return self.form_invalid(form)
