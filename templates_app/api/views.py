"""Personalities over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from drf_spectacular.utils import extend_schema
from pydantic import AfterValidator, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.idempotency import idempotent
from chatify.common.api import PageQuery, page, read_body, read_query
from chatify.common.inputs import Body, Line, Slug
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter
from templates_app import actions
from templates_app.access import find_own_template, get_own_template, get_template, own_templates, templates_for
from templates_app.checks import with_plain_newlines
from templates_app.models import MAX_CONTEXT_TOKENS, MIN_CONTEXT_TOKENS
from templates_app.objects import (
    AnyTemplateObject,
    CharacterObject,
    TemplateObject,
    character_object,
    template_object,
)
from templates_app.rendering import MAX_TRAIT, MAX_TRAITS

SCOPES = {"read": ("chat", "templates"), "write": ("templates",)}

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"\S"), Line]
Newlines = AfterValidator(with_plain_newlines)
Trait = Annotated[str, Field(min_length=1, max_length=MAX_TRAIT, pattern=r"\S"), Line]


class CharacterBody(Body):
    """What makes a personality. `null` is the same as leaving it out."""

    name: Name | None = None
    description: Annotated[str, Field(max_length=400), Newlines] | None = Field(
        None, description="What it is like, for those who choose."
    )
    greeting: Annotated[str, Field(max_length=1000), Newlines] | None = Field(None, description="What it says first.")
    welcome_back: Annotated[str, Field(max_length=1000), Newlines] | None = Field(
        None, description="What it says when somebody resumes a conversation that was paused."
    )
    goodbye: Annotated[str, Field(max_length=300)] | None = Field(
        None, description="What it says, in one line, when somebody leaves it for a person. Empty: the usual words."
    )
    system_prompt: Annotated[str, Newlines] | None = Field(
        None, description="What the model is told, at most 20,000 characters."
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=32_000)] | None = Field(None, description="The longest reply.")
    context_tokens: Annotated[int, Field(ge=MIN_CONTEXT_TOKENS, le=MAX_CONTEXT_TOKENS)] | None = Field(
        None,
        description="What goes to the model at most, reply not counted: prompt, what is remembered, latest messages.",
    )
    personality_traits: Annotated[list[Trait], Field(max_length=MAX_TRAITS)] | None = None
    model: Annotated[str, Field(max_length=120), Line] | None = Field(None, description="Empty: the server's default.")
    adult_only: bool | None = Field(None, description="Only for people whose age is known to be 18 or more. It stays.")
    is_active: bool | None = Field(None, description="Inactive ones take no new conversations.")

    def given(self) -> dict[str, Any]:
        """What was given, as values of the models."""
        values = {name: getattr(self, name) for name in CharacterBody.model_fields}
        if self.personality_traits is not None:
            traits = (" ".join(trait.split()) for trait in self.personality_traits)
            values["personality_traits"] = tuple(dict.fromkeys(traits))
        return {name: value for name, value in values.items() if value is not None}


class NewCharacterBody(CharacterBody):
    """A new personality. `name` and `system_prompt` are required, unless there is one to copy."""

    slug: Slug | None = Field(None, description="What applications call it; left out, it is made of the name.")
    copy_of: Slug | None = Field(
        None, description="Slug of a personality on offer: what is left out is as there. A copy for adults stays one."
    )


class TemplateQuery(PageQuery):
    """Which personalities."""

    own: bool = False


class TemplateList(APIView):
    """The personalities on offer, and new ones of the tenant's own."""

    scopes = SCOPES

    @extend_schema(operation_id="create_template", request=NewCharacterBody, responses={201: CharacterObject})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a personality of the tenant's own. No other tenant sees it."""
        body = read_body(request, NewCharacterBody)
        template = actions.create_character(
            principal=principal_of(request), given=body.given(), slug=body.slug, copy_of=body.copy_of
        )
        return Response(character_object(template), status=201)

    @extend_schema(
        operation_id="list_templates",
        parameters=[
            parameter("own", "Only the tenant's own, inactive ones among them. Needs the scope `templates`.", bool),
            *PAGE_PARAMETERS,
        ],
        responses=page_of(TemplateObject),
    )
    def get(self, request: Request) -> Response:
        """List the personalities on offer, oldest first."""
        query, principal = read_query(request, TemplateQuery), principal_of(request)
        if query.own:
            principal.require_scope("templates")
        rows = own_templates(principal) if query.own else templates_for(principal)
        render = partial(template_object, tenant_id=principal.tenant_id)
        return Response(page(request, rows, query, ordering="created_at", render=render))


class TemplateDetail(APIView):
    """One personality."""

    scopes = SCOPES

    @extend_schema(operation_id="get_template", responses=AnyTemplateObject)
    def get(self, request: Request, slug: str) -> Response:
        """One personality on offer; with the scope `templates` the tenant's own as it was written, active or not."""
        principal = principal_of(request)
        own = find_own_template(principal, slug) if "templates" in principal.scopes else None
        if own is not None:
            return Response(character_object(own))
        return Response(template_object(get_template(principal, slug), principal.tenant_id))

    @extend_schema(operation_id="change_template", request=CharacterBody, responses=CharacterObject)
    def patch(self, request: Request, slug: str) -> Response:
        """Change one of the tenant's own. Running chat sessions keep the version that they began with."""
        principal = principal_of(request)
        get_own_template(principal, slug)
        body = read_body(request, CharacterBody)
        template = actions.change_character(principal=principal, slug=slug, given=body.given())
        return Response(character_object(template))

    @extend_schema(operation_id="delete_template", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete one of the tenant's own. Running chat sessions go on with it."""
        actions.delete_character(principal=principal_of(request), slug=slug)
        return Response(status=204)
