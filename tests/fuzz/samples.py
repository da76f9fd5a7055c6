"""Values of any type that msgspec can read: what a frame in form may hold, from a seed."""

from random import Random
from typing import Any

import msgspec.inspect as inspect

_MORE_MAX = 3
"""How much longer than the least a sample is."""


def a_value(form: inspect.Type, random: Random, *, has_none: bool = True) -> Any:
    """Return a value in the builtin form that msgspec's decoders take for this type."""
    match form:
        case inspect.IntType():
            low = form.ge if form.ge is not None else (0 if form.gt is None else form.gt + 1)
            high = form.le if form.le is not None else 2**53 if form.lt is None else form.lt - 1
            return random.choice((low, high, random.randint(low, high)))
        case inspect.BoolType():
            return random.random() < 0.5
        case inspect.FloatType():
            return random.random()
        case inspect.BytesType():
            return random.randbytes(_length(form.min_length, form.max_length, random))
        case inspect.StrType():
            return "x" * _length(form.min_length, form.max_length, random)
        case inspect.NoneType():
            return None
        case inspect.LiteralType():
            return random.choice(form.values)
        case inspect.EnumType():
            return random.choice(list(form.cls)).value
        case inspect.ListType() | inspect.VarTupleType():
            count = _length(form.min_length, form.max_length, random)
            return [a_value(form.item_type, random, has_none=has_none) for _ in range(count)]
        case inspect.TupleType():
            return [a_value(item, random, has_none=has_none) for item in form.item_types]
        case inspect.UnionType():
            some = [each for each in form.types if not isinstance(each, inspect.NoneType)]
            types = form.types if has_none and random.random() < 0.2 else some
            return a_value(random.choice(types), random, has_none=has_none)
        case inspect.StructType():
            return _struct(form, random, has_none=has_none)
        case inspect.DictType():
            key = a_value(form.key_type, random)
            return {key: a_value(form.value_type, random, has_none=has_none)}
        case _:
            raise NotImplementedError(f"no sample of {form}")


def _struct(form: inspect.StructType, random: Random, *, has_none: bool) -> Any:
    values = {
        field.encode_name: a_value(field.type, random, has_none=has_none) for field in form.fields
    }
    if form.array_like:
        tag = [] if form.tag is None else [form.tag]
        return [*tag, *values.values()]
    left = {
        field.encode_name: values[field.encode_name]
        for field in form.fields
        if field.required or random.random() < 0.7
    }
    return left if form.tag is None else {form.tag_field: form.tag, **left}


def _length(least: int | None, most: int | None, random: Random) -> int:
    low = least or 0
    more = _MORE_MAX if random.random() < 0.8 else 40
    return min(low + random.randint(0, more), most if most is not None else low + more)
