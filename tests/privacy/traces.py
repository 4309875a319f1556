"""Where a text is still to be found: in every table, in Redis, and in what servers have printed."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import redis

from tests.services.server import Server


def traces(word: str, *servers: Server) -> set[str]:
    """The places (`table accounts_enduser`, `redis <key>`, `log`) that hold the word."""
    return {place for place, text in _texts(servers) if word in text}


def tables(server: Server) -> list[str]:
    """The names of all tables."""
    return [name for name, _ in _rows(server)]


def _texts(servers: Iterable[Server]) -> Iterator[tuple[str, str]]:
    for server in servers:
        yield "log", server.log_text()
        for table, rows in _rows(server):
            yield from ((f"table {table}", row) for row in rows)
        if "REDIS_URL" in server.env:
            yield from ((f"redis {key}", f"{key} {value}") for key, value in _redis(server.env["REDIS_URL"]))


def _rows(server: Server) -> Iterator[tuple[str, list[str]]]:
    """Each table with its rows as texts, all columns of whatever type."""
    if server.database_url.startswith("sqlite"):
        with closing(sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=20)) as connection:
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            for (name,) in names.fetchall():
                yield name, [repr(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
        return
    with psycopg.connect(server.database_url) as postgres:
        names = postgres.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in names.fetchall():
            yield name, [text for (text,) in postgres.execute(f'SELECT t::text FROM public."{name}" AS t'.encode())]


def _redis(url: str) -> Iterator[tuple[str, Any]]:
    with closing(redis.Redis.from_url(url)) as client:
        read = {
            "string": client.get,
            "list": lambda key: client.lrange(key, 0, -1),
            "set": client.smembers,
            "zset": lambda key: client.zrange(key, 0, -1),
            "hash": client.hgetall,
            "stream": client.xrange,
            "none": lambda key: "",  # expired in this moment
        }
        for key in client.scan_iter(count=1000):
            yield repr(key), repr(read[client.type(key).decode()](key))
