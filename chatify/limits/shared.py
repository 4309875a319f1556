"""Moving windows on Redis, which all processes share."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from typing import Any

from limits.storage import RedisStorage
from redis.exceptions import ConnectionError as LineBroken
from redis.exceptions import NoScriptError

from chatify.limits.windows import Taken, Window

TIMEOUT_SECONDS = 0.5
MAX_IDLE_LINES = 16

# Lists of times, the latest first, as the library keeps them. It takes of one window, and needs a second question to
# know what is left: this takes of several, all or none, and tells in the same answer. The clock is Redis' own, so
# that processes on different machines agree.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local amount = tonumber(ARGV[1])

local function state(place)
  local key, limit, seconds = KEYS[place], tonumber(ARGV[2 * place]), tonumber(ARGV[2 * place + 1])
  local low, high = 0, redis.call('LLEN', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', key, middle)) > now - seconds then low = middle + 1 else high = middle end
  end
  local oldest = low > 0 and tonumber(redis.call('LINDEX', key, low - 1)) or now
  return low, limit, tostring(oldest + seconds - now)
end

for place = 1, #KEYS do
  local hits, limit, wait = state(place)
  if hits + amount > limit then return {place, hits, wait} end
end
if amount > 0 then
  for place, key in ipairs(KEYS) do
    for _ = 1, amount do redis.call('LPUSH', key, string.format('%.6f', now)) end
    redis.call('LTRIM', key, 0, tonumber(ARGV[2 * place]) - 1)
    redis.call('EXPIRE', key, ARGV[2 * place + 1])
  end
end
local hits, _, wait = state(1)
return {0, hits, wait}
"""
_TAKE_SHA = sha1(_TAKE.encode()).hexdigest()  # noqa: S324  (what Redis knows scripts by)


class RedisWindows(RedisStorage):
    """The library's storage, which takes of several windows at once. Raises RedisError.

    This is on the way of every message, and redis-py's client would take four times as long for it, most of it with
    its pool, retries and telemetry. So it has lines of its own, which are redis-py's connections.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            url, key_prefix="chatify:limits", socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._redis: Any = self.get_connection()
        self._idle: deque[Any] = deque()

    def take_all(self, windows: Sequence[Window], amount: int = 1) -> Taken:
        """See Windows."""
        keys = [self.prefixed_key(window.key) for window in windows]
        numbers = [str(number) for window in windows for number in (window.limit, window.seconds)]
        command = _pack("EVALSHA", _TAKE_SHA, str(len(keys)), *keys, str(amount), *numbers)
        try:
            refused, hits, seconds = self._ask(command)
        except NoScriptError:  # a Redis that has just started
            self._redis.script_load(_TAKE)
            refused, hits, seconds = self._ask(command)
        return Taken(refused - 1 if refused else None, hits, float(seconds))

    def give_back(self, windows: Sequence[Window]) -> None:
        """See Windows."""
        for window in windows:
            self._redis.lpop(self.prefixed_key(window.key))

    def _ask(self, command: bytes) -> Any:
        try:
            line = self._idle.pop()
        except IndexError:
            return self._ask_on(self._new_line(), command)
        try:
            return self._ask_on(line, command)
        except LineBroken:  # Redis was started again meanwhile: then the others are broken, too
            with suppress(IndexError):
                while True:
                    self._idle.pop().disconnect()
            return self._ask_on(self._new_line(), command)

    def _ask_on(self, line: Any, command: bytes) -> Any:
        try:
            line.send_packed_command((command,), check_health=False)
            answer = line.read_response()
        except BaseException:
            line.disconnect()
            raise
        if len(self._idle) < MAX_IDLE_LINES:
            self._idle.append(line)
        else:
            line.disconnect()
        return answer

    def _new_line(self) -> Any:
        pool = self._redis.connection_pool
        return pool.connection_class(**pool.connection_kwargs)


def _pack(*parts: str) -> bytes:
    """A command of ASCII parts in Redis' protocol (RESP)."""
    return (f"*{len(parts)}\r\n" + "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)).encode()
