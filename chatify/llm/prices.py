"""What tokens cost. Providers' prices change and differ by contract, so whoever runs Chatify says them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from chatify.llm.types import Usage

MILLION = 1_000_000


class Price(NamedTuple):
    """US dollars for a million tokens, of the prompt and of the reply."""

    prompt: Decimal
    completion: Decimal


def parse_prices(text: str) -> dict[str, Price]:
    """The prices by model of `model=prompt:completion,...`, such as `small=0.25:2,large=1.25:10`. Raises ValueError."""
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        model, _, amounts = entry.rpartition("=")
        prompt, _, completion = amounts.partition(":")
        try:
            price = Price(Decimal(prompt), Decimal(completion))
        except InvalidOperation:
            raise ValueError(entry) from None
        if not model.strip() or not all(amount.is_finite() and 0 <= amount <= MILLION for amount in price):
            raise ValueError(entry)
        found[model.strip()] = price
    return found


def cost_of(prices: Mapping[str, Price], model: str, usage: Usage) -> Decimal | None:
    """What a call has cost in US dollars; None when nobody said what this model costs."""
    price = prices.get(model)
    if price is None:
        return None
    return (usage.prompt_tokens * price.prompt + usage.completion_tokens * price.completion) / MILLION
