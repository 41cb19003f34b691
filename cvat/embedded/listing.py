"""Lists as CVAT gives them: equal-to parameters, `search`, `filter` (JSON logic), `sort` and pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from starlette.datastructures import URL, QueryParams

from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.tables import Base, User

#: A column, or an expression over columns.
Column = ColumnElement[Any] | InstrumentedAttribute[Any]

Row = TypeVar("Row", bound=Base)

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 10, 500


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """What can be asked of one list: `fields` by name, those that `search` looks through, the usual order."""

    table: type[Row]
    fields: Mapping[str, Column]
    search: Sequence[str] = ("name",)
    sort: str = "-id"
    only: Sequence[ColumnElement[bool]] = field(default_factory=tuple)

    def page(self, session: Session, query: QueryParams, url: URL) -> tuple[list[Row], dict[str, Any]]:
        """The rows of the page asked for, and the answer's `count`, `next` and `previous`."""
        statement = self._matching(query)
        count = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
        number, size = (
            _number(query, "page", 1),
            min(_number(query, "page_size", DEFAULT_PAGE_SIZE), MAX_PAGE_SIZE),
        )
        if number > 1 and (number - 1) * size >= count:
            raise NotFound("page")
        rows = session.scalars(statement.order_by(*self._order(query)).limit(size).offset((number - 1) * size)).all()
        after = str(url.include_query_params(page=number + 1)) if number * size < count else None
        before = str(url.include_query_params(page=number - 1)) if number > 1 else None
        return list(rows), {"count": count, "next": after, "previous": before}

    def _matching(self, query: QueryParams) -> Select[tuple[Row]]:
        conditions = [*self.only]
        for name, value in query.items():
            if name in self.fields:
                conditions.append(_equal(name, self.fields[name], value))
        if text := query.get("search"):
            conditions.append(or_(*(self.fields[name].icontains(text, autoescape=True) for name in self.search)))
        if rule := query.get("filter"):
            conditions.append(_read_rule(rule, self.fields))
        return select(self.table).where(*conditions)

    def _order(self, query: QueryParams) -> list[ColumnElement[Any]]:
        names = [name for name in (query.get("sort") or self.sort).split(",") if name.lstrip("-") in self.fields]
        columns = [(self.fields[name.lstrip("-")], name.startswith("-")) for name in names]
        return [column.desc() if descending else column.asc() for column, descending in columns]


def username(user_id: Any) -> Column:
    """The name of the user whose id is in a column."""
    return select(User.username).where(User.id == user_id).scalar_subquery()


def _number(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise BadRequest({name: [f"{text!r} is not a number above zero."]})
    return int(text)


def _equal(name: str, column: Column, text: str) -> ColumnElement[bool]:
    if column.type.python_type is int:
        if not text.lstrip("-").isdigit() or abs(int(text)) >= 2**63:
            raise BadRequest({name: ["Enter a number."]})
        return column == int(text)
    if column.type.python_type is bool:
        if text.lower() not in _TRUTHS:
            raise BadRequest({name: ["Enter true or false."]})
        return column == _TRUTHS[text.lower()]
    return column == text


_TRUTHS = {"true": True, "false": False, "1": True, "0": False}

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def _read_rule(text: str, fields: Mapping[str, Column]) -> ColumnElement[bool]:
    try:
        condition: ColumnElement[bool] = _truth(_compile(orjson.loads(text), fields))
        return condition
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadRequest({"filter": [f"This filter cannot be read: {error}"]}) from None


def _compile(rule: Any, fields: Mapping[str, Column]) -> Any:
    """A rule of JSON logic (https://jsonlogic.com/operations.html) as a condition; the part that CVAT's SDK uses."""
    if not isinstance(rule, dict):
        return rule
    [(operator, operands)] = rule.items()
    if operator == "var":
        return fields[operands]
    values = [_compile(operand, fields) for operand in (operands if isinstance(operands, list) else [operands])]
    if operator in ("and", "or"):
        return (and_ if operator == "and" else or_)(*map(_truth, values))
    if operator == "!":
        return not_(_truth(values[0]))
    if operator == "!!":
        return _truth(values[0])
    if operator == "in":
        return _contains(*values)
    return _chain(_COMPARISONS[operator], values)


def _chain(compare: Callable[[Any, Any], Any], values: Sequence[Any]) -> Any:
    """`{"<=": [1, x, 9]}` means 1 <= x and x <= 9."""
    return reduce(and_, [compare(left, right) for left, right in pairwise(values)])


def _contains(needle: Any, haystack: Any) -> ColumnElement[bool]:
    if isinstance(haystack, list):
        found: ColumnElement[bool] = needle.in_(haystack)
        return found
    inside: ColumnElement[bool] = haystack.icontains(needle, autoescape=True)
    return inside


def _truth(value: Any) -> Any:
    """A bare field stands for "is set"."""
    return value.is_not(None) if value.type.python_type is not bool else value
