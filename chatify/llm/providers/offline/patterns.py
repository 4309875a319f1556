"""What people write, as patterns: data. In each group the first kind that matches counts."""

from __future__ import annotations

import re

Rules = tuple[tuple[str, re.Pattern[str]], ...]


def _rule(kind: str, *alternatives: str) -> tuple[str, re.Pattern[str]]:
    return kind, re.compile("|".join(alternatives), re.IGNORECASE)


# `x` (or `y`, a name may be used once) are the words that a message is about.
_X = r"(?P<x>[^.!?;\n]+)"
_Y = r"(?P<y>[^.!?;\n]+)"
_I_AM = r"\b(?:i'?m|i am)"
_SO = r"(?:(?:so|really|just|also|very|pretty|quite|a bit|a little|kind of|kinda|too|still|totally|feeling|all) )*"
_FEEL = rf"(?:{_I_AM}|\bi feel|\bi(?:'ve| have) been|\bfeeling|\bi was|\bma[dk]es? me|\bbut|, just|^)\s*{_SO}"
_AI = (
    r"(?:an? )?(?:real |actual )?(?:human|person|bot|robot|machine|ai|program|computer|chatbot|alive|man"
    r"|woman|girl|guy)\b"
)
_KIN = r"(?:mother|mum|mom|father|dad|dog|cat|grand\w+|friend|sister|brother|husband|wife|son|daughter|baby)"
_HERS = r"\b(?:he|she|they)"

# What must never be played with. Words of other languages are here because nobody should fall through.
GRAVE: Rules = (
    _rule(
        "crisis",
        r"suicid|selbstmord|mich umbringen|nicht mehr leben|will sterben|quiero morir|no quiero vivir|matarme",
        r"\bme tuer\b|veux mourir|\boverdos|\bkms\b|\bself[- ]?harm|\bnot worth living|\bend (?:my life|it all)\b",
        r"\b(?:kill|hurt|harm|cut|hang|shoot|killing|hurting|harming|cutting|hanging) myself\b(?! laughing)",
        r"\btake my (?:own )?life\b|\b(?:want|wanna|wish i could|ready|going) (?:to )?die\b",
        r"\bbetter off (?:dead|without me)",
        r"\bi wish i (?:was|were) (?:dead|never born)|\bno (?:reason|point) (?:to live|in living)",
        r"\bdon'?t (?:want to|wanna) (?:live|be alive|exist|be here any ?more|wake up)\b(?! (?:in|with|at"
        r"|near|there|here)\b)",
        r"\bjump off (?:a|the) (?:bridge|roof|building)|\bcan'?t go on (?:like this|any ?more|living)",
    ),
    _rule(
        "abuse",
        r"\b(?:he|she|they|my \w+)\b[^.!?]{0,30}\b(?:hits?|hitting|beats?|beating|chok\w+|threaten\w*"
        r"|rap(?:ed?|es)) me\b",
        r"\b(?:molest\w*|abus(?:es?|ed|ing)) me\b",
        r"\bi(?:'m being| was| am being| got) (?:raped|abused|assaulted|beaten)",
        r"\b(?:is|are|was) (?:being )?abusive\b",
        r"\babusive (?:relationship|partner|home|husband|boyfriend|wife|girlfriend)",
    ),
    _rule(
        "threat",
        r"\bi(?:'m going to|'m gonna| want to| wanna| will|'ll| am going to| could)\s+(?:kill|shoot|stab|murder|hurt) "
        r"(?:him|her|them|you|someone|somebody|everyone|people|my)\b",
    ),
)

# Of a message's main kinds the first one is answered.
MAIN: Rules = (
    _rule("age", rf"{_I_AM} (?:only |just )?(?P<x>\d{{1,2}})(?: years? old| yo)?(?=\W*$|[.,!?]| (?:and|but)\b)"),
    _rule("edgy", r"\b(?:nazis?|hitler|rape|murder\w*|genocide|terroris\w*|kkk)\b"),
    _rule(
        "sexual",
        r"\b(?:sex|sexy|sexual|sext\w*|nudes?|naked|horny|porn\w*|dick|pussy|tits|boobs|nsfw|undress|orgasm|kinky)\b",
    ),
    _rule("grief", rf"\b(?:my|our) (?:\w+ )?{_KIN} (?:just |has |have )?(?:died|passed away|is dying)|\bfuneral\b"),
    _rule(
        "human",
        rf"\b(?:are|r) (?:you|u) (?:\w+ ){{0,2}}?(?:{_AI}|real\b)|\byou(?:'re| are)(?: not| just| only)* {_AI}",
        rf"\b(?:am i|are we|i'm|im) (?:really )?(?:talking|chatting|speaking|texting) (?:to|with) {_AI}",
        rf"\bis (?:this|there|it) {_AI}",
    ),
    _rule(
        "model",
        r"\b(?:openai|(?:chat)?gpt\w*|claude|gemini|llm|language model|api key|(?:which|what|real) model|offline)\b",
    ),
    _rule(
        "recall", r"\bmy name\?|\bremember me\b|\bwho am i\b|\b(?:know|remember) (?:my name|about me|anything|what i)"
    ),
    _rule("riddle", r"\briddle|\bpuzzle"),
    _rule("rather", r"\bwould you rather\b|\bthis or that\b"),
    _rule("story", r"\bstory\b(?! of my life)|\bstories\b|\btell me something\b"),
    _rule("joke", r"\bjokes?\b|\bmake me laugh|\bsomething funny"),
    _rule("poem", r"\bpoems?\b|\bhaiku"),
    _rule(
        "game",
        r"\b(?:let'?s|can we|wanna|want to|shall we|could we) play\b|\b(?:play|know) (?:a|any|some) games?\b|^games?\b",
        r"\bentertain me|\bsurprise me|\bwhat (?:can|should|shall) we (?:do|play|talk about)",
    ),
    _rule("flatter", r"\b(?:compliment me|say something nice|flirt with me|cheer me up)"),
    _rule(
        "love_you",
        r"\b(?:i (?:really |think i )?(?:love|adore|miss|fancy) (?:you|u)\b(?! too much)|marry me|kiss me|date me)",
        r"\b(?:go out with me|be my (?:girl|boy)friend|do you (?:love|like|miss|fancy) me|are you single|crush on you)",
    ),
    _rule(
        "insult",
        r"\b(?:you(?:'re| are)|ur|u r) (?:(?:so|really|such|an?|very|pretty|just|fucking) )*"
        r"(?:stupid|dumb|useless|boring|annoying|idiot|ugly|bad|terrible|lame|moron|trash|creepy|weird|wrong)\b",
        r"\bfuck (?:you|off)|\bshut up\b|\bbad bot\b|\byou suck\b|\bhate you\b",
    ),
    _rule(
        "compliment",
        r"\byou(?:'re| are) (?:(?:so|really|very|pretty|quite|such|an?|actually|too) )*(?:funny|cute|nice|sweet|great"
        r"|awesome|smart|clever|cool|amazing|kind|lovely|beautiful|charming|good|wonderful|adorable|hot|the best)\b",
        r"\bi like you\b|\bgood bot|\byou have a way with\b|\bwell said\b",
    ),
    _rule(
        "who",
        r"\bwho are you|\bwhat(?:'s| is) your name|\bwhat are you\W*$|\babout (?:you|yourself)\W*$",
        r"\bintroduce yourself",
    ),
    _rule("abilities", r"\bwhat (?:can|do) you do\b|\bhow (?:do you|does this) work|\bcan you help|^help\b"),
    _rule(
        "origin",
        r"\bwhere (?:are you|do you live)\b|\bhow old are you|\bwho (?:made|created|built) you|\byour age\b",
    ),
    _rule(
        "confused",
        r"^(?:what|huh|pardon|eh|wtf)\W*$|\bwhat do you mean|\bdon'?t (?:understand|get (?:it|you))\b|\bno sense\b",
    ),
    _rule("sorry", r"^(?:\w+ ){0,3}sorry\b.{0,12}$|^my bad\b"),
    _rule("trust", r"\btrust (?:issues|people|anyone|him|her|them|again)\b|\bcheat(?:ed|ing|s)?\b"),
    _rule("breakup", r"\bbroke up|\bbreak(?:ing)?[ -]?up|\bmy ex\b|\bdumped\b|\bdivorc|\bleft me\b|\bheart ?broken"),
    _rule(
        "silence",
        r"\bghost(?:ed|ing)|\bon (?:read|seen)\b|\btext\w* (?:me )?back|\bno (?:reply|answer|response)\b",
        rf"{_HERS} (?:\w+ )?(?:not|\w+n't|never|stopped) (?:\w+ )?(?:repl|answer|text|writ|respon)",
        r"(?<!what )(?<!how )(?<!when )\bshould i (?:text|write|message|call) (?:him|her|them)\b",
    ),
    _rule(
        "texting",
        r"\b(?:text|write|message|texted|messaged) (?:to )?(?:him|her|them)\b|\bfirst message|\bopener\b",
        r"\bwhat (?:should|do|can|could) i (?:text|write|say|reply|answer)\b",
    ),
    _rule("profile", r"\b(?:tinder|bumble|hinge|grindr|okcupid|dating (?:app|profile|site))\b"),
    _rule("ask_out", r"\bask(?:ing|ed)? (?:\w+ ){1,3}out\b|\binvit(?:e|ing) (?:him|her|them)\b"),
    _rule("wear", r"\bwear\b|\boutfit\b"),
    _rule("date", r"\b(?:first|second|third|a|our|my|the|blind) date\b"),
    _rule(
        "crush",
        r"\b(?:girl|boy|guy|woman|man|someone|somebody|colleague|friend) i (?:really )?like\b",
        r"\bcrush\b|\bin love\b|\bfeelings for|\bfalling for",
        r"\bi (?:really )?like (?:a|this|that) (?:girl|boy|guy|woman|man)\b",
    ),
    _rule(
        "couple",
        r"\bmy (?:\w+ )?(?:boyfriend|girlfriend|husband|wife|partner|fianc\w+|marriage|relationship)\b|\bjealous",
    ),
    _rule("single", rf"{_I_AM} single\b|\bfind (?:love|someone)\b|\bforever alone|\bno (?:girl|boy)friend"),
    _rule(
        "hurtful",
        r"\b(?:yell|shout|scream|laugh|lie)(?:ed|d)? (?:at|to) me\b",
        r"\b(?:bullied|fired|rejected|ignored|insulted|betrayed) me\b",
        r"\bi(?:'ve been| was| got| am being) (?:fired|bullied|rejected|laid off|robbed|scammed|betrayed)\b",
    ),
    _rule("unwell", rf"{_FEEL}(?:sick|ill|not well|unwell)\b(?! of)|\b(?:headache|migraine|fever|the flu)\b"),
    _rule(
        "lonely", rf"{_FEEL}(?:lonely|isolated|left out|alone)\b|\bno friends\b|\bnobody (?:likes|loves|cares|talks)"
    ),
    _rule(
        "sad",
        rf"{_FEEL}(?:sad|down|unhappy|depressed|miserable|crying|cried|upset|hopeless|awful|terrible|hurt|low)\b",
        rf"{_FEEL}not (?:so |too |very |really |doing )*(?:good|great|happy|ok|okay|well|fine)\b",
        r"\b(?:bad|rough|awful|terrible|horrible|hard) (?:day|week|night|year)\b|\bi (?:want to )?cry\b",
    ),
    _rule(
        "anxious",
        rf"{_FEEL}(?:anxious|nervous|worried|scared|afraid|stressed|overwhelmed|panick\w*|tense)\b|\bpanic attack",
        r"\bstress(?:ed|ful)?\b|\bi worry\b",
    ),
    _rule("angry", rf"{_FEEL}(?:angry|mad|furious|annoyed|pissed|frustrated|irritated)\b"),
    _rule("tired", rf"{_FEEL}(?:tired|exhausted|sleepy|worn out|drained|burn[et]d? out|knackered)\b|\bcan'?t sleep"),
    _rule("bored", rf"{_FEEL}(?:ok )?bored\b|\bboredom\b|\bnothing to do\b|^(?:\w+ )?bored\b"),
    _rule(
        "happy",
        rf"{_FEEL}(?:happy|glad|excited|amazing|awesome|wonderful|proud|great|fantastic|thrilled"
        rf"|over the moon)\b(?! at| idea)",
        r"\b(?:best|great|lovely|wonderful|good|nice) (?:day|week|weekend|news|time)\b",
        r"\bi (?:got the job|passed|won)\b",
    ),
    _rule(
        "fine",
        rf"(?:{_I_AM} |\bi feel |\bdoing ){_SO}(?:fine|good|well|alright|okay|ok|not (?:too )?bad)\b(?! idea| at)",
        rf"^{_SO}(?:fine|good|well|alright|not (?:too )?bad)(?= thank|\W|$)(?! \w)",
    ),
    _rule("what_if", r"^(?:but |and )?what if\b"),
    _rule(
        "advice",
        r"\b(?:any|some|need|want|give me) (?:advice|tips?|help)\b",
        r"\b(?:what|how|where|when) (?:should|can|would) (?:i|we)\b",
        r"\bwhat (?:do i|would you) do\b",
    ),
    _rule("should", rf"\b(?:should|shall) (?:i|we) {_X}|\bcan'?t (?:decide|choose)\b|\btorn between\b"),
    _rule("favourite", rf"\byour favou?rite {_X}|\byou have an? favou?rite {_Y}"),
    _rule("view", rf"\bwhat do you think (?:about|of) {_X}|\byour (?:opinion|view|thoughts?) (?:on|about|of) {_Y}"),
    _rule("do_you_think", rf"\bdo you think (?:that )?{_X}"),
    _rule("taste", rf"\bdo you (?:really )?(?:like|love|enjoy|prefer) {_X}"),
    _rule("do_you", r"\b(?:do|did|have|can|could|would|will|are|were) you\b[^.!?;\n]*\?"),
    _rule("why", r"^(?:so |and |but |ok )?why\b"),
    _rule("wonder", rf"\bi(?:'ve been|'m| am| have been| was)? (?:wonder|wondering|asking myself) {_X}"),
    _rule("how_to", r"^(?:so |and |but |ok )?how (?:do|can|could|should|would|to)\b"),
    _rule(
        "knowledge",
        r"^(?:so |and |but |ok |hey |please |can you )*(?:what|who|when|where|which|how|is|are|does|did|was|explain)\b",
        r"^(?:please |can you )*(?:define|translate|calculate|solve|write|code|summari[sz]e|search|google"
        r"|(?:tell|give|show) me)\b",
    ),
    _rule("dislike", rf"\bi (?:\w+ )?(?:hate|dislike|can'?t stand|don'?t (?:really )?like|detest|loathe) {_X}"),
    _rule("theirs", rf"{_HERS} (?:\w+ )?(?:likes?|loves?|enjoys?|is into|are into) {_X}"),
    _rule(
        "like",
        rf"\bi (?:(?:really|just|also|absolutely|totally|do|so|always|still) )*(?:love|like|enjoy|adore"
        rf"|prefer) (?:to )?{_X}",
        rf"(?:{_I_AM} (?:\w+ )?(?:into|fond of|obsessed with|an? (?:big |huge )?fan of)|\bmy (?:favou?rite \w+"
        rf"|hobby) is) {_Y}",
    ),
    _rule("struggle", rf"\bi (?:can'?t|cannot|couldn'?t|don'?t know how to) {_X}"),
    _rule("duty", rf"\bi(?:'ve)? (?:have|need|got|ought)(?: got)? to {_X}|\bi must {_Y}"),
    _rule(
        "plan",
        rf"\b(?:i|we)(?:'m| am|'ll|'d|'re| are)? (?:\w+ )?(?:going to|gonna|planning to|want to|wanna) {_X}",
        r"\b(?:i|we)(?:'m| am|'d)? (?:\w+ )?(?:would like to|love to|like to|hope to|hoping to|plan to|about to"
        rf"|thinking (?:of|about)|dream of) {_Y}",
        r"\b(?:i'?ll|we'?ll) (?P<z>[^.!?;\n]+)",
    ),
    _rule("wish", rf"\bi (?:\w+ )?(?:want|wish(?: for)?|need) {_X}"),
    _rule(
        "event",
        r"\b(?:i|we)(?:'ve| have)?(?: just| also| finally| recently)? (?P<x>(?:went|saw|did|made|bought|got|had|watched"
        r"|played|read|cooked|ate|finished|started|met|visited|found|lost|broke|moved|baked|built|failed|learn(?:ed|t)"
        r"|tried|heard|wrote|ran|walked|swam|cleaned|worked|spent|forgot|missed|quit|flew|drove|adopted|painted|booked"
        r"|fixed|planted|slept|took|dream(?:ed|t)|been (?:to|\w+ing))\b[^.!?;\n]*)",
    ),
    _rule("doing", rf"{_I_AM} (?:\w+ly |just |still )?(?P<x>\w+ing\b[^.!?;\n]*)"),
    _rule("identity", rf"{_I_AM} (?P<x>an? [^.!?;\n]+)"),
    _rule("life", r"\b(?:i|we) (?P<x>(?:work|study|live|play|teach|speak|come from)\b[^.!?;\n]+)"),
    _rule(
        "someone",
        rf"\bmy (?P<x>(?:(?:little|big|best|older|younger|new|old) )?(?:{_KIN}|kids?|friends|boss|colleague|neighbou?r"
        r"|parents|family|roommate|flatmate|teacher|uncle|aunt|cousin|hamster|rabbit|horse|team))\b",
    ),
    _rule("opinion", rf"\bi (?:think|believe|guess|feel like|suppose|reckon)(?: that)? {_X}"),
    _rule("it_was", rf"^(?:it's|(?:it|that) (?:was|is)) {_SO}(?P<x>\w{{4,}})\W*$"),
    _rule("them", rf"^(?:and |but |so |because |well )?{_HERS}\b"),
    _rule("reason", r"^(?:because|cause|cuz|cos)\b"),
)

# What stands beside a main kind.
SOCIAL: Rules = (
    _rule(
        "how_are_you",
        r"\bhow (?:are|r) (?:you|u)\b(?: doing| today| feeling)*|\bhow(?:'s| is) (?:it going|life)\b",
        r"\bwhat'?s up\b|\bwassup\b",
        r"\b(?:and|what about|how about) (?:you|yourself|u)\W*$|(?:^|, )(?:you|u)\?+$",
        r"\bwhat are you (?:doing|up to)\b[^.!?]*",
        r"\bhow (?:is|'s|was) your (?:day|night|evening|weekend)\b",
    ),
    _rule(
        "greeting",
        r"^(?:hi+|hey+|hello+|hiya|yo|howdy|good (?:morning|afternoon|evening|day)|greetings|heya|sup)\b"
        r"(?: there| again)?",
        r"\b(?:nice|good|great|pleased|lovely) to (?:meet|see) you(?: too)?\b",
    ),
    _rule(
        "thanks",
        r"\b(?:thanks?(?: (?:you|u))?(?: (?:so|very) much| a lot)?|thx|ty|cheers)\b(?:,? (?:that|it|this) helps?\b)?",
        r"\bappreciate (?:it|that|you)",
    ),
    _rule(
        "farewell",
        r"\b(?:bye+|good ?bye|good ?night|see (?:you|ya)(?: \w+)?|talk (?:to you )?(?:later|tomorrow|soon)"
        r"|ttyl|cya|gn|ciao)\b",
        r"\bi?'?(?:ve )?(?:gotta|got to|have to|must|should) (?:go|run|leave)\b(?! to)(?: now)?|\bi'?m off\b",
    ),
    _rule("laugh", r"^(?:a?(?:ha){2,}h?|lo+l|lmao|rofl|(?:he){2,}|xd+)\b|\b(?:lol|lmao|haha)\W*$|😂|🤣"),
)

# Only where nothing else is heard.
SHORT: Rules = (
    _rule(
        "yes",
        r"^(?:yes|yeah|yep|yup|ya|sure|of course|ok(?:ay)?|absolutely|definitely|please|go ahead|why not|alright|y"
        r"|another|do it|sounds good)(?:,? (?:yes|please|sure|ok|do it|go|on|tell me|why not|i do|i am|it is|let'?s"
        r"|one|more|very much|of course|that|then|again|thanks))*\W*$",
    ),
    _rule("no", r"^(?:no|nope|nah|not really|never|not now|n)(?:,? (?:no|thanks?|sorry|way|not|really|i don't))*\W*$"),
    _rule(
        "dunno",
        r"^(?:i )?(?:really )?(?:don'?t know|dunno|idk|no idea|not sure|give up|tell me)\b.{0,24}$",
        r"^(?:maybe|perhaps|hm+|whatever|nothing|not much|meh|nm)(?: \w+)?\W*$",
    ),
    _rule(
        "praise",
        r"^(?:that'?s |how |very |so |you'?re |makes )*(?:cool|nice|great|wow|awesome|sweet|neat|amazing"
        r"|interesting|good|perfect|lovely|fair|true|exactly|right|agreed|oh|ah|aha|i see|funny|beautiful|sense"
        r"|helpful|honest)(?: \w+){0,2}\W*$",
    ),
)
