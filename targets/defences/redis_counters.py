"""The counters of ``counters.py`` in Redis: one script a question, so exact among processes and machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

from targets.defences.counters import TICK, CountersGone

# fixed_rule and pour_rule again: Redis runs a script as one step. Numbers leave as text, or they lose their fractions.
_FIXED = """
local index, rows, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local start, used = tonumber(redis.call('HGET', KEYS[1], 'start')), tonumber(redis.call('HGET', KEYS[1], 'used'))
if not start or index > start then start, used = index, 0
elseif index < start - 1 then start = index + 1 end
local granted = used + rows <= limit
if granted then used = used + rows end
redis.call('HSET', KEYS[1], 'start', string.format('%.17g', start), 'used', used)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {granted and 1 or 0, string.format('%.17g', start)}
"""

_POUR = """
local rows, room, rate, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local level, last = tonumber(redis.call('HGET', KEYS[1], 'level')), tonumber(redis.call('HGET', KEYS[1], 'last'))
if not level then level, last = 0, now end
if last > now + room / rate then last = now end
level = math.max(0, level - math.max(0, now - last) * rate)
last = math.max(last, now)
local granted = level + rows <= room + 1e-9
if granted then level = level + rows end
redis.call('HSET', KEYS[1], 'level', string.format('%.17g', level), 'last', string.format('%.17g', last))
redis.call('EXPIRE', KEYS[1], ARGV[5])
return {granted and 1 or 0, string.format('%.17g', level), string.format('%.17g', last)}
"""


class RedisCounters:
    """Counters shared by every process that names the same URL.

    Fails closed: when Redis is away, CountersGone. A Redis that keeps nothing on disk forgets every count when it
    restarts, and everybody starts afresh; for daily budgets set ``appendonly yes``. Give each service a database of its
    own (the number at the end of the URL). All processes should share one clock (NTP): each sends its own time.
    """

    def __init__(self, url: str):
        # One try more mends a connection that a restart has broken; the library's default would sleep for seconds.
        options: Any = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0, "retry": Retry(NoBackoff(), 1)}
        try:
            self._store = RedisStorage(url, key_prefix="targets", **options)
        except Exception as error:  # whatever the URL parser finds
            raise ValueError(f"store is a redis:// URL, and this one cannot be read: {error}") from None
        self._redis = cast(Any, self._store.get_connection())  # a redis.Redis; the library's own type knows less
        self._fixed = self._redis.register_script(_FIXED)
        self._pour = self._redis.register_script(_POUR)

    def fixed(self, key: str, rows: int, limit: int, seconds: int, now: float) -> float:
        """See Counters."""
        granted, start = self._ask(self._fixed, key, int(now // seconds), rows, limit, 2 * seconds)
        return 0.0 if granted else (int(float(start)) + 1) * seconds - now + TICK

    def sliding(self, key: str, rows: int, limit: int, seconds: int, now: float) -> float:
        """See Counters. The library's moving window: one list entry a row, so meant for limits up to some 100,000."""
        if self._ask(self._store.lua_acquire_moving_window, key, now, limit, seconds, rows):
            return 0.0
        deciding = self._call(lambda: self._redis.lindex(self._store.prefixed_key(key), limit - rows))
        return max(0.0, float(deciding or now - seconds) + seconds - now) + TICK

    def pour(self, key: str, rows: int, room: float, rate: float, now: float) -> tuple[float, float]:
        """See Counters."""
        life = int(2 * room / rate) + 1
        granted, level, last = self._ask(self._pour, key, rows, room, rate, now, life)
        if granted:
            return 0.0, float(level)
        return (float(level) + rows - room) / rate + float(last) - now + TICK, float(level)

    def _ask(self, script: Any, key: str, *arguments: float) -> Any:
        return self._call(lambda: script([self._store.prefixed_key(key)], list(arguments)))

    def _call(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except self._store.base_exceptions as error:
            words = "the rate counters cannot be reached, so nothing is answered until they are back"
            raise CountersGone(words) from error

    def __repr__(self) -> str:
        return "redis"
