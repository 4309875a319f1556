"""Long messages, as people paste them: logs, code, other scripts, tables, what no estimate of tokens likes."""

import base64
import itertools
import random
from dataclasses import replace

from benchmarks.memory.scripts import Exchange

EVERY = 4
MOST = 7_900
"""Every so many exchanges one is lengthened, to at most so many code points: Chatify takes 8,000."""

_LINES = {
    "log": "2026-03-0{n} 11:4{n}:07.{n}31 ERROR [worker-{n}] c.e.shop.OrderService - retry {n} of 5 failed: "
    "java.net.SocketTimeoutException: Read timed out (order=00{n}fa{n}e7-9c{n}, took={n}0031ms)\n",
    "code": "    for index, (key, value) in enumerate(sorted(table_{n}.items())):\n"
    '        if not isinstance(value, (int, float)) or value != value:  # NaN\n            errors["{n}"].append(key)\n',
    "chinese": "第{n}天，我们坐慢车去山里看外婆，她在门口晒柿子，说今年的雨水太多，路上的桥又修了{n}个月。\n",
    "hindi": "दिन {n}: बारिश रुकी नहीं, फिर भी नानी ने छत पर अचार के {n} मर्तबान धूप के भरोसे रख दिए और हँस पड़ीं।\n",
    "thai": "วันที่ {n} ฝนตกทั้งคืน คุณยายบอกว่าปลาทูที่ตลาดแพงขึ้น {n} บาท แต่แกงก็ยังอร่อยเหมือนเดิม\n",
    "emoji": "🎉🥳{n}️⃣🫠👩‍👩‍👧‍👦🏳️‍🌈💃🏽🕺🏿🎂🧑‍🚀✨🫶🏼🦔🍄",
    "table": "{n}4,812.07\t{n}1.993e-0{n}\t-0.000{n}71\t{n}/11/2026\t#N/A\t{n}9%\t0x{n}F3A\n",
    "letter": "Dear all, for the {n}th time: the key to the laundry room hangs on the hook, it has always hung on the "
    "hook, and whoever takes it home for the weekend should picture, in detail, {n} neighbours in towels.\n",
    "shouting": "AAAAAAAAARGH!!!!!!{n}{n}{n}!!! ¿¿¿POR QUÉ??? ---===*** >>>>> ///// \\\\\\\\\\ ~~~~~ ((((({n}))))) \n",
}
_NAMES = (*_LINES, "base64")


def lengthen(exchange: Exchange, number: int) -> Exchange:
    """The exchange as it is, or, every few times where it is small talk, with a long text pasted behind."""
    if number % EVERY or not exchange.is_small_talk:
        return exchange
    kind = _NAMES[number // EVERY % len(_NAMES)]
    length = (900, 2_500, MOST)[number // EVERY % 3]
    return replace(exchange, said=f"{exchange.said}\n\n{paste(kind, number, length)}"[:MOST])


def paste(kind: str, seed: int, length: int) -> str:
    """A text of a kind, the same for the same seed."""
    if kind == "base64":
        return base64.b64encode(random.Random(seed).randbytes(length * 3 // 4)).decode()
    text, numbers = "", itertools.cycle(range(1, 10))
    while len(text) < length:
        text += _LINES[kind].replace("{n}", str(next(numbers)))
    return text[:length]
