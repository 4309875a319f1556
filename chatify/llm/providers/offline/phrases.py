"""What the offline companion can say; the phrases themselves are in `phrases.txt`.

There, `# kind` or `# kind.tone` starts a list of phrases. A phrase is what it says and, after a bar, what it asks.
Slots: `<about>` what the user named, `<earlier>` something they named before, `<, name>` their name after a comma
if it is known, `<me>` the personality; upper case starts a sentence.
"""

from __future__ import annotations

from pathlib import Path

TONES = {
    "warm": (
        "warm",
        "friendly",
        "kind",
        "caring",
        "empathetic",
        "supportive",
        "encouraging",
        "gentle",
        "loving",
        "cheerful",
    ),
    "playful": (
        "playful",
        "funny",
        "witty",
        "humorous",
        "cheeky",
        "energetic",
        "silly",
        "sarcastic",
        "easygoing",
        "fun",
    ),
    "direct": (
        "direct",
        "honest",
        "practical",
        "straightforward",
        "concise",
        "blunt",
        "confident",
        "pragmatic",
        "bold",
    ),
    "thoughtful": (
        "thoughtful",
        "wise",
        "philosophical",
        "intelligent",
        "analytical",
        "well-read",
        "deep",
        "serious",
        "poetic",
    ),
    "flirty": ("flirty", "charming", "romantic", "seductive", "teasing", "flirtatious"),
    "calm": ("calm", "patient", "soothing", "relaxed", "peaceful", "quiet", "respectful"),
    "curious": ("curious", "inquisitive", "adventurous", "creative", "imaginative", "open-minded"),
}
"""The voices that there are phrases for, each with the traits that mean it."""

OFFERS = {
    "Another riddle?": "riddle",
    "Another round?": "rather",
    "Another story?": "story",
    "Another joke?": "joke",
    "Another little poem?": "poem",
    "A riddle, perhaps?": "riddle",
    "Shall we play": "rather",
    "Want a story": "story",
}
"""Questions to which "yes" starts something."""


def _parse(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    phrases: list[str] = []
    for line in text.splitlines():
        if line.startswith("# "):
            phrases = found.setdefault(line[2:], [])
        elif line:
            phrases.append(line.removeprefix("- "))
    return {kind: tuple(phrases) for kind, phrases in found.items()}


PHRASES = _parse(Path(__file__).with_name("phrases.txt").read_text(encoding="utf-8"))
"""Kind (or kind.tone) to phrases."""
