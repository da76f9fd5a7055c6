"""Works out the checks of a design's parameters, such as `lens_width + bridge <= pd`.

A stranger wrote them, so they are numbers, names, the four operations, comparisons, `and`,
`or` and `not`. No calls, no powers, no texts that grow: whatever fits into the allowed length
is worked out at once.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from commonfab.protocol.errors import UsageError

CHARS_MAX = 300
_DEPTH_MAX = 40

_TWO: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
}
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}

Value = int | float | bool | str


class NotWorkedOut(UsageError):
    """An expression cannot be worked out with these values."""


def holds(expression: str, values: Mapping[str, Value]) -> bool:
    """Tell whether an expression is true. Raises `NotWorkedOut`."""
    if len(expression) > CHARS_MAX:
        raise NotWorkedOut(f"a check is longer than {CHARS_MAX} characters")
    try:
        tree = ast.parse(expression, mode="eval").body
        return bool(_work_out(tree, values, _DEPTH_MAX))
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise NotWorkedOut(f"{expression!r} is no comparison of numbers") from error
    except (TypeError, ArithmeticError) as error:
        raise NotWorkedOut(f"{expression!r} cannot be worked out: {error}") from error


def _work_out(node: ast.expr, values: Mapping[str, Value], depth: int) -> Value:
    if depth == 0:
        raise NotWorkedOut("a check is nested too deeply")

    def below(arm: ast.expr) -> Value:
        return _work_out(arm, values, depth - 1)

    match node:
        case ast.Constant(int() | float() | str() as constant):
            return constant
        case ast.Name(name):
            if name not in values:
                raise NotWorkedOut(f"{name} is none of the parameters")
            return values[name]
        case ast.BinOp(left, kind, right) if type(kind) in _TWO:
            return _TWO[type(kind)](_number(below(left)), _number(below(right)))
        case ast.UnaryOp(ast.USub(), arm):
            return -_number(below(arm))
        case ast.UnaryOp(ast.Not(), arm):
            return not below(arm)
        case ast.BoolOp(ast.And(), arms):
            return all(below(arm) for arm in arms)
        case ast.BoolOp(ast.Or(), arms):
            return any(below(arm) for arm in arms)
        case ast.Compare(left, kinds, arms) if all(type(kind) in _COMPARED for kind in kinds):
            found = [below(arm) for arm in (left, *arms)]
            pairs = zip(kinds, found, found[1:], strict=False)
            return all(_COMPARED[type(kind)](one, other) for kind, one, other in pairs)
        case _:
            raise NotWorkedOut(f"{ast.unparse(node)[:60]!r} is no comparison of numbers")


def _number(value: Value) -> float:
    if isinstance(value, str):
        raise TypeError(f"{value!r} is no number")
    return float(value)
