from __future__ import annotations

import pytest

from chatify.common.inputs import MAX_SLUG
from chatify.common.slugs import free_slug, slug_base


@pytest.mark.parametrize(
    ("name", "base"),
    [("Corner Shop", "corner-shop"), ("- Aïda! -", "aida"), ("日本", ""), ("x " * 40, "x-" * 20 + "x")],
)
def test_slug_is_like_the_name(name: str, base: str):
    assert slug_base(name) == base


def test_a_number_tells_equal_names_apart():
    assert free_slug("shop", set()) == "shop"
    assert free_slug("shop", {"shop", "shop-2"}) == "shop-3"


def test_there_is_room_for_the_number():
    assert len(free_slug(slug_base("a" * 200), {slug_base("a" * 200)})) <= MAX_SLUG
