"""What every admin page of Chatify stands on: unfold's classes with Django's types, and fields for lists."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chatify.accounts.audit import record
from chatify.accounts.models import Tenant, User
from chatify.common.errors import ChatifyError

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound=Model)

STYLES = {"all": ["accounts/admin.css"]}
"""For pages that show lists and pairs."""

if TYPE_CHECKING:
    # unfold ships no types; its classes take the place of Django's and keep their interface.
    from django.contrib.admin import ModelAdmin as StaffAdmin
    from django.contrib.admin import StackedInline as StaffStackedInline
    from django.contrib.admin import TabularInline as StaffInline
    from django.contrib.admin.widgets import AdminIntegerFieldWidget as NumberInput
    from django.contrib.admin.widgets import AdminTextareaWidget as TextArea
    from django.contrib.admin.widgets import AdminTextInputWidget as TextInput
    from django.core.paginator import Paginator as UncountedPaginator
    from django.forms import CheckboxSelectMultiple as Checkboxes
    from django.forms import ModelForm as StaffForm
    from django.forms import Select as Choice

    class DialogForm(forms.Form):
        """What a dialog asks; `object_id` says about which object."""

        object_id: str | None

    def action(**options: Any) -> Callable[[F], F]:
        """An action of the list (`actions`) or of one object (`actions_detail`)."""

    def display(**options: Any) -> Callable[[F], F]:
        """A column, or a read-only field."""
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.decorators import action, display
    from unfold.forms import BaseDialogForm as DialogForm
    from unfold.paginator import InfinitePaginator as UncountedPaginator
    from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as Checkboxes
    from unfold.widgets import UnfoldAdminDecimalFieldWidget as NumberInput
    from unfold.widgets import UnfoldAdminSelectWidget as Choice
    from unfold.widgets import UnfoldAdminTextareaWidget as TextArea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

    class StaffAdmin(ModelAdmin):
        """An admin page in the house's look. The parameter is the model, for the type checker only."""

        list_filter_sheet = True
        warn_unsaved_form = True

        def __class_getitem__(cls, item):
            return cls

    class StaffForm(forms.ModelForm):
        """The form of an admin page."""

        def __class_getitem__(cls, item):
            return cls

    class StaffInline(TabularInline):
        """Rows of a related model on an admin page."""

        def __class_getitem__(cls, item):
            return cls

    class StaffStackedInline(StackedInline):
        """The same, with the fields of a row below each other."""

        def __class_getitem__(cls, item):
            return cls


__all__ = [
    "STYLES",
    "AuditedAdmin",
    "Checkboxes",
    "Choice",
    "DeletedFilter",
    "DialogForm",
    "NumberInput",
    "OfExistingTenant",
    "StaffAdmin",
    "StaffForm",
    "StaffInline",
    "StaffStackedInline",
    "TagsField",
    "TextArea",
    "TextInput",
    "UncountedPaginator",
    "ViewOnly",
    "WrittenByActions",
    "action",
    "admin_url",
    "as_uuid",
    "dialog",
    "display",
    "for_the_open_one",
    "go_to",
    "link",
    "listed",
    "only",
    "pairs",
    "soft",
    "staff_of",
    "time_column",
    "when",
]


class OfExistingTenant:
    """For forms of what belongs to a tenant."""

    cleaned_data: dict[str, Any]

    def clean_tenant(self) -> Tenant:
        """Raises ValidationError for a deleted one."""
        tenant: Tenant = self.cleaned_data["tenant"]
        if tenant.deleted_at is not None:
            raise ValidationError("This tenant is deleted: restore it first.")
        return tenant


class ViewOnly:
    """A page on which nothing can be added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False


class AuditedAdmin:
    """Changes go to the audit log, which holds no names: Django's own would keep those of people who were erased."""

    audited_as = ""
    """The noun of the actions: `person` makes person.created, person.updated, person.deleted."""

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """The names of the changed fields."""
        return sorted(form.changed_data)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note that it was made."""
        self._record(request, "created", obj)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note what was changed, if anything was."""
        if message:
            self._record(request, "updated", obj, fields=message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Note that they were deleted."""
        for obj in queryset:
            self._record(request, "deleted", obj)

    def _record(self, request: HttpRequest, verb: str, obj: Any, **details: Any) -> None:
        tenant_id = getattr(obj, "tenant_id", None)
        who = staff_of(request)
        record(f"{self.audited_as}.{verb}", who=who, tenant_id=tenant_id, subject_id=obj.pk, **details)


class WrittenByActions:
    """A page whose writes are actions of the app: they tell the audit log, and what they refuse is a message.

    Django's own log is left alone: its entries would hold what people said, for ever.
    """

    change_list_template: Any = "accounts/admin_list.html"
    empty_text = ""
    """What a list says in which there is nothing yet."""

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """What was refused in the middle of it leads back to the page, with the reason."""
        try:
            return super().changeform_view(request, *args, **options)  # type: ignore[misc]
        except ChatifyError as error:
            messages.error(request, error.detail)
            return HttpResponseRedirect(request.get_full_path())

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The action has told of it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The action has told of it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """The action has told of it."""


class DeletedFilter(SimpleListFilter):
    """Deleted rows are shown when asked for."""

    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What can be asked for."""
        return [("only", "Deleted only"), ("all", "With deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        """The existing ones unless asked."""
        if self.value() == "all":
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() != "only")

    def choices(self, changelist: Any) -> Any:
        """The default is not called "All", which it is not."""
        first, *others = super().choices(changelist)
        return [{**first, "display": "Not deleted"}, *others]


class TagsField(forms.Field):
    """A list of short texts as one line: `warm, curious`. A text with a comma stands in double quotes."""

    def __init__(self, *, max_items: int, max_item_length: int, **options: Any) -> None:
        self.max_items, self.max_item_length = max_items, max_item_length
        super().__init__(required=False, widget=TextInput(), **options)

    def prepare_value(self, value: Any) -> Any:
        """The list as people edit it; what they typed stays."""
        if not isinstance(value, list | tuple):
            return value
        return ", ".join(f'"{item}"' if "," in item else item for item in value)

    def to_python(self, value: Any) -> list[str]:
        """The texts in their order, each once."""
        if isinstance(value, list | tuple):
            return list(value)
        line = ",".join((value or "").replace("\0", "").splitlines())
        items = next(csv.reader([line], skipinitialspace=True), [])
        return list(dict.fromkeys(text for item in items if (text := " ".join(item.split()))))

    def validate(self, value: Sequence[str]) -> None:
        """Raises ValidationError for too many or too long ones."""
        if len(value) > self.max_items:
            raise ValidationError(f"These are {len(value)}; at most {self.max_items} are allowed.")
        for item in value:
            if len(item) > self.max_item_length:
                raise ValidationError(f"“{item[:60]}” is longer than {self.max_item_length} characters.")


def admin_url(model: str, page: str = "changelist", *args: object) -> str:
    """The address of a page of the admin: `admin_url("accounts_enduser", "change", user.id)`."""
    return reverse(f"admin:{model}_{page}", args=args)


def link(address: str, text: object) -> SafeString:
    """A link in the admin's look."""
    return format_html('<a href="{}" class="text-link">{}</a>', address, text)


def go_to(address: str) -> HttpResponse:
    """What a confirmed dialog answers: the browser is to go there."""
    return HttpResponse(headers={"HX-Redirect": address})


def dialog(title: str, description: str, button: str, form: type[DialogForm] | None = None) -> dict[str, Any]:
    """The question before an action. It makes the action a POST, so that no foreign link can cause it."""
    return {"title": title, "description": description, "form_class": form, "form_submit_text": button}


def for_the_open_one(
    many: Callable[..., None], icon: str, question: dict[str, Any], *, description: str = "", is_gone: bool = False
) -> Callable[..., HttpResponse]:
    """An action of a list, for the object that is open: it asks a `question` (a `dialog`) first, and shows the page
    again, or the list, if the object may be gone. To be assigned to the name of `many` with `_this` behind it."""
    marked: Any = many

    def one(self: Any, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        many(self, request, only(self.get_queryset(request), object_id))
        model = f"{self.opts.app_label}_{self.opts.model_name}"
        return go_to(admin_url(model) if is_gone else admin_url(model, "change", object_id))

    one.__name__ = f"{many.__name__}_this"
    options = {"icon": icon, "permissions": marked.allowed_permissions, "dialog": question}
    return action(description=description or marked.short_description, **options)(one)


def staff_of(request: HttpRequest) -> User:
    """Who is signed in. Raises PermissionDenied for nobody."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def listed(items: Sequence[object], empty: str = "none", *, is_long: bool = False) -> SafeString:
    """A list for people: side by side, or, if it is long, one below the other. `empty` when there are none."""
    if not items:
        return soft(empty)
    rows = format_html_join("", "<li>{}</li>", ((item,) for item in items))
    return format_html('<ul class="listed{}">{}</ul>', " is-long" if is_long else "", rows)


def pairs(rows: Sequence[tuple[object, object]]) -> SafeString:
    """Names and what they stand for."""
    return format_html('<dl class="pairs">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))


def soft(text: object) -> SafeString:
    """What is said by the way."""
    return format_html('<span class="soft">{}</span>', text)


def as_uuid(text: object) -> UUID | None:
    """The UUID that a text is, in whichever way it is written."""
    try:
        return UUID(str(text).strip())
    except ValueError:
        return None


def only(rows: QuerySet[M], object_id: object) -> QuerySet[M]:
    """The row of this id; none when there is none, or when an address holds something else than an id."""
    found = as_uuid(object_id)
    return rows.filter(pk=found) if found else rows.none()


def when(moment: datetime | None) -> str:
    """A time for people, in the server's time zone."""
    return f"{timezone.localtime(moment):%d %b %Y, %H:%M}" if moment else "–"


def time_column(field: str, title: str) -> Callable[[Any, Any], str]:
    """A column, or a read-only field, with a time of the row: `show_created = time_column("created_at", "Created")`."""

    @display(description=title, ordering=field)
    def show(page: Any, row: Any) -> str:
        return when(getattr(row, field))

    return show
