"""Pieces of the OpenAPI document that several routes share."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from pydantic import BaseModel, Field, create_model


class FieldProblem(BaseModel):
    """One wrong field."""

    field: str = Field(description="Dotted path; empty for the whole body.")
    code: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457, application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]
    request_id: str


@lru_cache
def page_of(model: type[BaseModel]) -> Any:
    """The schema of a page of such objects."""
    return create_model(
        f"{model.__name__}Page",
        __doc__="A page of a list.",
        results=(list[model], ...),  # type: ignore[valid-type]
        next=(str | None, Field(description="URL of the next page.")),
        previous=(str | None, Field(description="URL of the page before.")),
    )


def parameter(name: str, description: str, kind: Any = str, **more: Any) -> OpenApiParameter:
    """A query parameter that may be left out."""
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, **more)


PAGE_PARAMETERS = [
    parameter("cursor", "Where to go on; comes in `next` and `previous`."),
    parameter("limit", "Rows per page, 1 to 200.", int),
]


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: what an operation does not describe itself is a problem document."""
    reference = "#/components/schemas/{model}"
    schema = Problem.model_json_schema(ref_template=reference)
    result["components"]["schemas"] |= {**schema.pop("$defs"), "Problem": schema}
    content = {"application/problem+json": {"schema": {"$ref": reference.format(model="Problem")}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = {"description": "A problem document (RFC 9457).", "content": content}
    return result
