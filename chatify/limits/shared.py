"""Moving windows on Redis, which all processes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limits.storage import RedisStorage

from chatify.limits.windows import Taken, Window

TIMEOUT_SECONDS = 0.5

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


class RedisWindows(RedisStorage):
    """The library's storage, which takes of several windows at once. Raises RedisError."""

    def __init__(self, url: str) -> None:
        super().__init__(
            url, key_prefix="chatify:limits", socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._redis: Any = self.get_connection()
        self._take = self._redis.register_script(_TAKE.encode())

    def take_all(self, windows: Sequence[Window], amount: int = 1) -> Taken:
        """See Windows."""
        numbers = [number for window in windows for number in (window.limit, window.seconds)]
        refused, hits, seconds = self._take([self.prefixed_key(window.key) for window in windows], [amount, *numbers])
        return Taken(refused - 1 if refused else None, hits, float(seconds))

    def give_back(self, windows: Sequence[Window]) -> None:
        """See Windows."""
        for window in windows:
            self._redis.lpop(self.prefixed_key(window.key))
