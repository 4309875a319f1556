"""What is checked when a personality is saved. Pure: text in, problems with their places out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chatify.common.tokens import estimate_tokens
from templates_app.claims import find_human_claims
from templates_app.rendering import VARIABLES, Values, build_system_prompt

MAX_PROMPT = 20_000
"""Code points of a system prompt."""

GREETING_VARIABLES = ("user.name", "time.part_of_day")
"""A greeting is rendered before anything else is known."""

MAX_EXCERPT = 200

ROOM_FOR_TALK = 300
"""Tokens that a prompt has to leave of the context's budget, for what is said and remembered."""

_ODD_BRACES = re.compile(
    r"\{\{\s*(?P<name>[a-z_.]+)\s*\}\}"
    r"|\{\{(?P<odd>[^{}\n]{0,80})(?P<closed>\}\})?"
    r"|(?P<tag>\{%|\{#)"
    rf"|\{{\s*(?P<single>{'|'.join(map(re.escape, VARIABLES))})\s*\}}"
)

# Line breaks and controls, and marks that turn the direction of what stands beside them.
_NOT_ON_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

_RESERVED = re.compile(r"__.*__")

Code = Literal["empty", "too_long", "unknown_variable", "claims_human", "not_single_line"]


@dataclass(frozen=True, slots=True)
class PromptProblem:
    """Why a text cannot be saved. `line` and `column` count from 1, columns in code points."""

    code: Code
    message: str
    line: int
    column: int
    excerpt: str


def check_prompt(text: str) -> list[PromptProblem]:
    """The problems of a system prompt, in reading order; none means that it may be saved."""
    if not text.strip():
        return [PromptProblem("empty", "A personality needs a prompt.", 1, 1, "")]
    return _check(text, VARIABLES, is_about_self=False)


def check_greeting(text: str) -> list[PromptProblem]:
    """The problems of a greeting or a description. These may be empty, and know fewer variables."""
    return _check(text, GREETING_VARIABLES, is_about_self=True)


def check_goodbye(text: str) -> list[PromptProblem]:
    """The problems of a goodbye: those of a greeting, and it is said in one line."""
    return [*_off_the_line(text), *check_greeting(text)]


def check_label(text: str) -> list[PromptProblem]:
    """The problems of a name or a trait, which stand in sentences of ours. Braces are plain text in these."""
    return _off_the_line(text) or list(_human_claims(text, is_about_self=True))


def check_slug(slug: str) -> str:
    """What is wrong with the slug of a new personality, in words; empty: nothing. Firestore reserves such names."""
    return f"“{slug}” begins and ends with two underscores: choose another one." if _RESERVED.fullmatch(slug) else ""


def least_context_tokens(system_prompt: str, traits: Sequence[str]) -> int:
    """The smallest budget for the context that leaves room beside this prompt, as it goes to the model."""
    return estimate_tokens(build_system_prompt(system_prompt, traits, Values())) + ROOM_FOR_TALK


def describe(problem: PromptProblem) -> str:
    """A problem with its place, for who wrote the text."""
    is_named = not problem.excerpt or problem.excerpt in problem.message
    excerpt = "" if is_named else f" “{problem.excerpt}”"
    return f"Line {problem.line}, column {problem.column}:{excerpt} {problem.message}"


def with_plain_newlines(text: str) -> str:
    """The text as it is stored: browsers send CRLF, and an unchanged prompt has to stay the same."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _off_the_line(text: str) -> list[PromptProblem]:
    if (odd := _NOT_ON_A_LINE.search(text)) is None:
        return []
    message = "Line breaks, control characters and marks of direction are not allowed."
    return [_problem("not_single_line", message, text, odd.start(), "")]


def _check(text: str, allowed: Collection[str], *, is_about_self: bool) -> list[PromptProblem]:
    if len(text) > MAX_PROMPT:
        message = f"This has {len(text):,} characters; at most {MAX_PROMPT:,} are allowed."
        return [_problem("too_long", message, text, MAX_PROMPT, "")]
    problems = [*_unknown_variables(text, allowed), *_human_claims(text, is_about_self)]
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _human_claims(text: str, is_about_self: bool) -> Iterator[PromptProblem]:
    message = "A personality may not claim to be human, nor deny that it is an AI. Please reword this sentence."
    for sentence in find_human_claims(text, is_about_self=is_about_self):
        yield _problem("claims_human", message, text, sentence.start, sentence.text)


def _unknown_variables(text: str, allowed: Collection[str]) -> Iterator[PromptProblem]:
    for match in _ODD_BRACES.finditer(text):
        if match["name"] not in allowed:
            yield _problem("unknown_variable", _advice(match, allowed), text, match.start(), match[0])


def _advice(match: re.Match[str], allowed: Collection[str]) -> str:
    if match["tag"]:
        return "Only variables can be used here, no tags: write the text as it is."
    if match["single"]:
        return f"A variable is written with two braces: {{{{ {match['single']} }}}}."
    if match["name"] is None and not match["closed"]:
        return "This {{ is not closed as a variable is: {{ user.name }}."
    name = (match["name"] or match["odd"]).strip()
    known = ", ".join(allowed)
    near = difflib.get_close_matches(name.lower(), list(allowed), n=1, cutoff=0.5)
    hint = f"Did you mean {{{{ {near[0]} }}}}?" if near else f"There are: {known}."
    return f"{{{{ {name} }}}} is not a variable that can be used here. {hint}"


def _problem(code: Code, message: str, text: str, place: int, excerpt: str) -> PromptProblem:
    before = text[:place]
    line = before.count("\n") + 1
    column = place - (before.rfind("\n") + 1) + 1
    return PromptProblem(code, message, line, column, " ".join(excerpt.split())[:MAX_EXCERPT])
