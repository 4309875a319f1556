"""What the test provider answers: a script, chosen by markers in the last user message.

Several markers in one message add up, so tests that run side by side never share state:

    [[say:Hello.]]         this text, exactly                [[slow]]      60 tokens, 50 ms apart
    [[n=200,gap=50]]       200 tokens, 50 ms apart           [[ttft=800]]  the first token after 800 ms
    [[500]] [[429]] [[401]] ... the status, with an error    [[500,times=1]]  only the first time
    [[hang]]       never answers (also with times=)          [[stall]]     half of it, then silence
    [[cut]]        half of it, then a clean end of stream    [[reset]]     half of it, then the line breaks
    [[garbage]]    half of it, then broken JSON              [[error]]     half of it, then an error event
    [[html]]       a proxy's page instead of an answer       [[empty]]     an end without any text
    [[filter]]     the filter of the provider steps in half way
    [[length]]     the token limit ends the reply
    [[script:7]]   what `Provider.reply_with` was told
"""

import re
from dataclasses import dataclass, field, replace

_MARKER = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_TOKEN = re.compile(r"\S+\s*|\s+")
_ENDINGS = {"hang", "stall", "cut", "reset", "garbage", "error", "html"}
_FINISH_REASONS = {"filter": "content_filter", "length": "length"}


@dataclass(frozen=True)
class Script:
    """One reply. Times in seconds; `ending` is empty for a reply that ends as it should."""

    tokens: tuple[str, ...] = ()
    ttft: float = 0.0
    gap: float = 0.0
    status: int = 200
    times: int | None = None
    ending: str = ""
    finish_reason: str = "stop"

    @property
    def sent_tokens(self) -> tuple[str, ...]:
        """The tokens that go out: half of them when the reply does not end well."""
        is_whole = not self.ending and self.finish_reason != "content_filter"
        return self.tokens if is_whole else self.tokens[: max(1, len(self.tokens) // 2)]


@dataclass
class Scripts:
    """Scripts by marker; `prepared` are those of `Provider.reply_with`."""

    prepared: dict[str, Script] = field(default_factory=dict)

    def choose(self, content: str) -> Script:
        """The script for the last user message; without a marker it repeats what was said."""
        script = Script(split_tokens(f"You said: {_MARKER.sub('', content).strip()}"))
        for marker in _MARKER.findall(content):
            script = self.prepared.get(marker) or _apply(script, marker)
        return script


def split_tokens(text: str) -> tuple[str, ...]:
    """Pieces that join to exactly the text."""
    return tuple(_TOKEN.findall(text))


def numbered_tokens(count: int) -> tuple[str, ...]:
    """`count` tokens that tell when one is lost or comes twice."""
    return tuple(f"t{number} " for number in range(count))


def _apply(script: Script, marker: str) -> Script:
    if marker.startswith("say:"):
        return replace(script, tokens=split_tokens(marker.removeprefix("say:")))
    for option in marker.split(","):
        script = _apply_option(script, *option.strip().partition("=")[::2])
    return script


def _apply_option(script: Script, name: str, value: str) -> Script:
    if name == "slow":
        return replace(script, tokens=numbered_tokens(60), gap=0.05)
    if name == "empty":
        return replace(script, tokens=())
    if name == "n":
        return replace(script, tokens=numbered_tokens(int(value)))
    if name in ("gap", "ttft"):
        return replace(script, **{name: float(value) / 1000})
    if name == "times":
        return replace(script, times=int(value))
    if name in _ENDINGS:
        return replace(script, ending=name)
    if name in _FINISH_REASONS:
        return replace(script, finish_reason=_FINISH_REASONS[name])
    if name.isdigit() and 400 <= int(name) <= 599:
        return replace(script, status=int(name))
    raise ValueError(f"the test provider knows no marker [[{name}]]")
