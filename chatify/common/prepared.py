"""Queries that are compiled once.

The ORM builds each query anew from its parts, which takes several times as long as running it. What runs at
every turn is written with the ORM once, with stand-ins for its values, and executed from then on as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet


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


def _stored(value: Any) -> Any:
    """The value as the database takes it: SQLite has no UUIDs."""
    return value.hex if isinstance(value, UUID) and not connection.features.has_native_uuid_field else value
