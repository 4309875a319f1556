"""Words that the companion knows: names, topics, pronouns, other languages. Data."""

from __future__ import annotations

import re

NAMED = re.compile(
    r"\b(?:my name(?:'s| is)|call me|the name(?:'s| is)|i go by)\s+([^\W\d_][\w'-]*(?: [A-Z][\w'-]*)?)", re.IGNORECASE
)
NAMED_BY_CASE = re.compile(
    r"(?:\b[Ii]'?m|\bI am|\b[Tt]his is)\s+([A-Z][^\W\d_]+(?:[-'][A-Z]?\w+)?)(?=\W*$|[.,!?]| (?:and|from|by|btw|but)\b)"
)
NO_NAME = re.compile(
    r"(?:german|french|english|american|british|italian|spanish|indian|canadian|jewish|muslim|irish|dutch|polish"
    r"|russian|chinese|japanese|korean|mexican|swedish|turkish|australian|austrian|swiss|european|african|asian"
    r"|ok|okay|good|fine|here|back|sorry|sad|happy|tired|bored|lonely|angry|not|so|very|really|just|a|the|an|what"
    r"|who|why|you|your|it|nothing|nobody|single|sick|hungry|done|ready|sure|kidding|joking|serious|having|going"
    r"|feeling|at|in|on|from|with|all|also|still|now|new|glad|off|home|well)",
    re.IGNORECASE,
)
AGE = re.compile(
    r"\b(?:i'?m|i am) (?:only |just )?(\d{1,2})(?: years? old| yo| y/o)?(?=\W*$|[.,!?]| (?:and|but)\b)", re.IGNORECASE
)

TOPICS = {
    topic: re.compile(rf"\b(?:{words})", re.IGNORECASE)
    for topic, words in {
        "pet": r"dogs?\b|cats?\b|pupp|kitten|hamster|rabbit|parrot|pets?\b",
        "music": r"music|songs?\b|guitar|piano|sing\b|singing|concert|band\b|album|playlist|drums|violin|saxo|jazz",
        "film": r"films?\b|movies?\b|series\b|netflix|tv\b|episode|cinema|anime",
        "book": r"books?\b|novel|reading\b|poetry|library|author",
        "food": r"cook|bak(?:e|ing)|food|pizza|pasta|dinner|lunch|breakfast|soup|cake|recipe|restaurant|coffee|sushi",
        "outdoors": r"hik|mountain|forest|woods|camp|beach|sea\b|nature|walk|climb|garden|plants?\b|lake|ski",
        "travel": r"travel|trip\b|holiday|vacation|flight|paris|rome|japan|tokyo|london|lisbon|italy|spain|abroad",
        "dance": r"danc|salsa|tango|ballet",
        "sport": r"sports?\b|football|soccer|basketball|tennis|running\b|gym\b|yoga|swim|cycl|bike|marathon",
        "gaming": r"video ?games?|gaming|minecraft|zelda|playstation|xbox|nintendo|chess|board games?",
        "art": r"paint|draw|photo|art\b|craft|knit|pottery|sculpt|design",
        "tech": r"coding\b|programm|python|computers?\b|software|django",
        "work": r"work|job\b|boss|office|meeting|colleague|deadline|project|interview",
        "school": r"school|exams?\b|study|studies|studying|homework|university|college|class\b|thesis",
        "weather": r"rain|sunny|snow|weather|storm|cold outside|heat\b",
    }.items()
}

TURNED = {
    "i": "you", "i'm": "you're", "im": "you're", "i've": "you've", "i'll": "you'll", "i'd": "you'd", "me": "you",
    "my": "your", "mine": "yours", "myself": "yourself", "am": "are", "you": "me", "you're": "I'm", "your": "my",
    "yours": "mine", "yourself": "myself", "u": "me",
}  # fmt: skip
"""Words as the other one says them."""

END_OF_ABOUT = re.compile(
    r"[,:()\"/]|\s[-–—]\s|\b(?:because|but|so|cause|cuz|when|since|which|although|though|while|if|too"
    r"|a lot(?! (?:about|of))|very much|right now|at the moment|these days|today|tonight|again|lately|recently"
    r"|last (?:night|week|year|month)|lol|haha|all (?:day|night|week|weekend)"
    r"|and (?:i|i'm|we|it|my|then|you|what|how|that|he|she|they))\b",
    re.IGNORECASE,
)
NO_ECHO = re.compile(
    r"https?:|www\.|\b(?:kill|die|dead|death|fuck|shit|bitch|drugs?|cocaine|blacks|jews|gays|whites|immigrants)\b",
    re.IGNORECASE,
)
"""What is not repeated as the subject of a friendly sentence."""

ENGLISH = re.compile(r"\b(?:the|i|is|you|are|a|my|and|to|it|what|how|hi|hello|this|not|of|do|me)\b", re.IGNORECASE)
FOREIGN = {
    code: re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for code, words in {
        "de": r"ich|nicht|und|ist|das|wie|geht|mir|dir|bin|habe|heute|danke|auch|gut|du|hallo",
        "fr": r"je|est|pas|bonjour|merci|une|les|suis|tu|vous|comment|ça|oui|moi",
        "es": r"hola|estoy|que|qué|como|cómo|gracias|una|muy|por|pero|estás|yo|bien",
        "it": r"ciao|sono|come|che|grazie|non|stai|bene|oggi|ho|sei",
        "pt": r"olá|você|estou|obrigad[oa]|não|uma|tudo|bem|eu|como",
        "nl": r"ik|niet|het|een|hoe|gaat|ben|dank|goed|wat|hallo",
    }.items()
}

MOODS = (
    ("laugh", re.compile("[😂🤣😆😹😄😁😀]")),
    ("sad", re.compile("[😭😢😞😔💔🙁😿]")),
    ("angry", re.compile("[😡🤬😠]")),
    ("tired", re.compile("[😴🥱😪]")),
    ("heart", re.compile("[❤😍🥰😘💕💖💛]")),
)
"""What a message of nothing but emoji says."""

NO_ANSWER = re.compile(
    r"\b(?:i|i'm|i'll|i've|you|you're|he|she|we|they|it|it's|that's|there's|is|was|are|were|don't|can't|haven't|not)\b",
    re.IGNORECASE,
)
"""What tells a sentence from a short answer that can be said back ("jazz, mostly")."""
FILLER = re.compile(
    r"^(?:yeah|yes|yep|no|nope|ok|okay|well|so|oh|um+|hm+|and|but)\b[\s,]*|\b(?:i guess|i think|i suppose|i'd say|maybe"
    r"|probably|perhaps|mostly|of course|just|actually)\b",
    re.IGNORECASE,
)
