"""What input may look like: base models and field types shared by all transports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from chatify.common.errors import FieldError, InvalidInput
from chatify.common.strict_json import is_storable

MAX_MESSAGE = 8_000
MAX_BODY = 64 * 1024
MAX_SLUG = 50
MAX_ERRORS = 20
"""A body may have thousands of wrong fields; so many are told."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
}


def _storable(text: str) -> str:
    if not is_storable(text):
        raise PydanticCustomError("bad_characters", "NUL and lone surrogates are not allowed.")
    return text


def _single_line(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("not_single_line", "Line breaks and control characters are not allowed.")
    return _storable(text)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "This may not be empty.")
    return _storable(text)


Line = AfterValidator(_single_line)
"""A text on one line. It stands behind its length: before it, pydantic would tell of "items" instead of characters."""

NotBlank = AfterValidator(_not_blank)

Content = Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE), NotBlank]
"""A message: 1 to 8,000 code points, not only white space, kept exactly as sent."""

ClientMessageId = Annotated[str, Field(min_length=1, max_length=128), Line]
ExternalId = Annotated[str, Field(min_length=1, max_length=128), Line]
Slug = Annotated[str, Field(min_length=1, max_length=MAX_SLUG, pattern=r"^[-a-zA-Z0-9_]+$")]


class Body(BaseModel):
    """Base of what arrives as JSON: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Base of query strings: text is converted, unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=BaseModel)


def check(model: type[M], value: Any) -> M:
    """Check a parsed JSON value against a model. Raises InvalidInput that names every wrong field."""
    if not isinstance(value, dict):
        raise InvalidInput.at("", "wrong_type", "A JSON object is expected.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_input(error) from None


def check_query(model: type[M], parameters: Mapping[str, str]) -> M:
    """Check a query string. Raises InvalidInput that names every wrong parameter."""
    return check(model, dict(parameters.items()))


def invalid_input(error: ValidationError) -> InvalidInput:
    """Our error for pydantic's. The input itself is not repeated: it may be huge, private or unprintable."""
    told = error.errors(include_input=False, include_url=False)[:MAX_ERRORS]
    errors = [_field_error(dict(item)) for item in told]
    first = errors[0]
    detail = f"{first.field}: {first.message}" if first.field else first.message
    return InvalidInput(detail, errors=errors)


def _field_error(item: dict[str, Any]) -> FieldError:
    field = ".".join(str(part) for part in item["loc"])
    kind = str(item["type"])
    code = _CODES.get(kind, "wrong_type" if kind.endswith("_type") else kind)
    return FieldError(field if is_storable(field) else "", code, str(item["msg"]))
