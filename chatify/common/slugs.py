"""Slugs that are made of names."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain, count

from django.utils.text import slugify

from chatify.common.inputs import MAX_SLUG

ROOM_FOR_NUMBER = 8


def slug_base(name: str) -> str:
    """A slug like the name, with room for a number behind it; empty for a name without Latin letters or digits."""
    return slugify(name)[: MAX_SLUG - ROOM_FOR_NUMBER].rstrip("-_")


def free_slug(base: str, taken: Collection[str]) -> str:
    """The first of `base`, `base-2`, `base-3` ... that is not taken."""
    numbered = (f"{base}-{number}" for number in count(2))
    return next(slug for slug in chain([base], numbered) if slug not in taken)
