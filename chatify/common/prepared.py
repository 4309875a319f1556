"""Queries that are compiled once.

The ORM builds each query anew from its parts, which takes several times as long as running it. What reads at
every turn is written with the ORM once, with stand-ins for its values, and executed from then on as text; what
writes at every turn has no more to it than a table, columns and values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Model, QuerySet


class PreparedQuery:
    """A `values_list()` query with named values.

    `build` gets a stand-in for each name and gives the queryset; stand-ins have to differ from one another
    and from everything else in the query, and to be of the type of the values. Slices and conditions stay
    as they were built.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], **stand_ins: Any) -> None:
        self._build = build
        self._stand_ins = stand_ins
        self._compiled: tuple[str, list[Any], list[tuple[int, str]], Any, Any] | None = None

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Run it with these values, all of them, and give its rows."""
        sql, parameters, places, compiler, converters = self._compiled or self._compile()
        filled = list(parameters)
        for place, name in places:
            filled[place] = _stored(values[name])
        with connection.cursor() as cursor:
            cursor.execute(sql, filled)
            rows = cursor.fetchall()
        if converters:
            rows = compiler.apply_converters(rows, converters)
        return [tuple(row) for row in rows]

    def _compile(self) -> tuple[str, list[Any], list[tuple[int, str]], Any, Any]:
        queryset = self._build(**self._stand_ins)
        compiler = queryset.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters([item[0] for item in compiler.select])
        names = {_stored(value): name for name, value in self._stand_ins.items()}
        places = [(place, names[value]) for place, value in enumerate(parameters) if value in names]
        if {name for _, name in places} != set(self._stand_ins):
            raise ValueError("A stand-in does not come up in the query as it was given.")
        self._compiled = sql, list(parameters), places, compiler, converters
        return self._compiled


class Write(NamedTuple):
    """A statement that writes, with its values as the database takes them."""

    sql: str
    values: list[Any]


def insertion(rows: Sequence[Model]) -> Write:
    """Inserts rows of one model, all fields as they are on the instances; no signals, no expressions."""
    fields = rows[0]._meta.concrete_fields
    values = [_prepared(field, getattr(row, field.attname)) for row in rows for field in fields]
    return Write(_insert_sql(type(rows[0]), len(rows)), values)


def change(model: type[Model], where: Mapping[str, Any], values: Mapping[str, Any]) -> Write:
    """Sets fields to plain values where fields equal values; names as in `attname`."""
    named = [*values.items(), *where.items()]
    stored = [_prepared(_field(model, name), value) for name, value in named]
    return Write(_update_sql(model, tuple(values), tuple(where)), stored)


def addition(model: type[Model], key: Mapping[str, Any], fixed: Mapping[str, Any], amounts: Mapping[str, int]) -> Write:
    """Adds to the numbers of the row with this key, which has to be unique; the row is made if it is missing.

    Both databases do it in one statement (INSERT ... ON CONFLICT), so that two at once lose nothing.
    """
    named = [*key.items(), *fixed.items(), *amounts.items()]
    stored = [_prepared(_field(model, name), value) for name, value in named]
    return Write(_add_sql(model, tuple(key), tuple(fixed), tuple(amounts)), stored)


def write(*writes: Write) -> int:
    """Write to different rows, in one round trip where the database can. Gives the number of rows of the last.

    PostgreSQL runs each statement in WITH exactly once, whether anything asks for it or not (its manual, 7.8.4).
    """
    *others, last = writes
    if others and connection.vendor == "postgresql":
        named = ", ".join(f"w{number} AS ({other.sql})" for number, other in enumerate(others))
        values = [value for one in writes for value in one.values]
        others, last = [], Write(f"WITH {named} {last.sql}", values)
    with connection.cursor() as cursor:
        for one in (*others, last):
            cursor.execute(one.sql, one.values)
        return int(cursor.rowcount)


def write_each(writes: Sequence[Write]) -> int:
    """One statement with each of these values, in one round trip where the database can. Gives the number of rows."""
    (sql,) = {one.sql for one in writes}
    with connection.cursor() as cursor:
        cursor.executemany(sql, [one.values for one in writes])
        return int(cursor.rowcount)


@lru_cache(maxsize=16)
def _add_sql(model: type[Model], key: tuple[str, ...], fixed: tuple[str, ...], amounts: tuple[str, ...]) -> str:
    table, columns = _quoted(model._meta.db_table), {n: _quoted(_field(model, n).column) for n in key + fixed + amounts}
    values = ", ".join(["%s"] * len(columns))
    sums = ", ".join(f"{columns[name]} = {table}.{columns[name]} + excluded.{columns[name]}" for name in amounts)
    unique = ", ".join(columns[name] for name in key)
    return (
        f"INSERT INTO {table} ({', '.join(columns.values())}) VALUES ({values}) "  # noqa: S608
        f"ON CONFLICT ({unique}) DO UPDATE SET {sums}"
    )


@lru_cache
def _insert_sql(model: type[Model], count: int) -> str:
    fields = model._meta.concrete_fields
    columns = ", ".join(_quoted(str(field.column)) for field in fields)
    row = f"({', '.join(['%s'] * len(fields))})"
    return f"INSERT INTO {_quoted(model._meta.db_table)} ({columns}) VALUES {', '.join([row] * count)}"  # noqa: S608


@lru_cache(maxsize=256)
def _update_sql(model: type[Model], values: tuple[str, ...], where: tuple[str, ...]) -> str:
    assignments = ", ".join(f"{_quoted(_field(model, name).column)} = %s" for name in values)
    conditions = " AND ".join(f"{_quoted(_field(model, name).column)} = %s" for name in where)
    return f"UPDATE {_quoted(model._meta.db_table)} SET {assignments} WHERE {conditions}"  # noqa: S608


@lru_cache(maxsize=256)
def _field(model: type[Model], name: str) -> Any:
    return next(field for field in model._meta.concrete_fields if field.attname == name)


def _prepared(field: Any, value: Any) -> Any:
    return None if value is None else field.get_db_prep_save(value, connection)  # half of a message's fields are empty


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _stored(value: Any) -> Any:
    """The value as the database takes it: SQLite has no UUIDs."""
    return value.hex if isinstance(value, UUID) and not connection.features.has_native_uuid_field else value
