"""What a buyer may choose of a design: read from its JSON Schema, checked, in words and forms.

A schema is an object of draft 2020-12 with at most 64 properties, each a number, an integer,
a text or a truth value with a `default`. It may use `title`, `description`, `minimum`,
`maximum`, `multipleOf`, `enum`, `maxLength`, and two keys of ours: `unit` of a property, and
`checks` of the whole, `{"holds": "lens_width < pd", "says": "…"}`. Anything else is refused:
nothing is looked up elsewhere, and no pattern can take for ever (specs/measures.md).
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from commonfab.protocol.errors import UsageError
from commonfab.protocol.measures import MEASURES_MAX

from . import arithmetic

SCHEMA_BYTES_MAX = 64 * 1024
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_TEXT_MAX = 80
_NUMBER_MAX = 1_000_000.0

Value = int | float | bool | str
Words = Annotated[str, Meta(max_length=400)]


class ParametersRefused(UsageError):
    """A design's parameters, or what was chosen of them, cannot be used."""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One thing to choose."""

    type: Literal["number", "integer", "string", "boolean"]
    default: Value
    title: Words = ""
    description: Words = ""
    unit: Annotated[str, Meta(max_length=20)] = ""
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: Annotated[float, Meta(gt=0)] | None = None
    max_length: Annotated[int, Meta(ge=0, le=_TEXT_MAX)] | None = None
    enum: Annotated[tuple[Value, ...], Meta(min_length=1, max_length=100)] | None = None

    def limits(self) -> str:
        """Return in words what may be chosen."""
        unit = f" {self.unit}" if self.unit else ""
        if self.enum is not None:
            return " or ".join(_shown(value) for value in self.enum)
        if self.type == "boolean":
            return "true or false"
        if self.type == "string":
            return f"at most {self.max_length or _TEXT_MAX} letters"
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            return f"{low:g} to {high:g}{unit}"
        if low is not None:
            return f"{low:g}{unit} or more"
        return f"at most {high:g}{unit}" if high is not None else f"a number{unit}"


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold between what was chosen."""

    holds: Annotated[str, Meta(max_length=arithmetic.CHARS_MAX)]
    says: Words


class _Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    properties: Annotated[dict[str, Parameter], Meta(min_length=1, max_length=MEASURES_MAX)]
    type: Literal["object"] = "object"
    draft: Annotated[str, Meta(max_length=200)] = msgspec.field(default=_DRAFT, name="$schema")
    title: Words = ""
    description: Words = ""
    additional_properties: Literal[False] = False
    required: tuple[str, ...] = ()
    checks: Annotated[tuple[Check, ...], Meta(max_length=MEASURES_MAX)] = ()


class Parameters:
    """All that may be chosen of one design."""

    def __init__(self, schema: bytes) -> None:
        """Raises `ParametersRefused`; also where the defaults break a rule of the schema."""
        if len(schema) > SCHEMA_BYTES_MAX:
            raise ParametersRefused(f"the parameters take more than {SCHEMA_BYTES_MAX >> 10} KiB")
        try:
            read = msgspec.json.decode(schema, type=_Schema)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ParametersRefused(f"the parameters cannot be read: {error}") from error
        if read.draft != _DRAFT:
            raise ParametersRefused(f"the parameters are of {read.draft}; {_DRAFT} is read")
        for name in read.properties:
            if not _NAME.fullmatch(name):
                raise ParametersRefused(f"{name!r} cannot be the name of a parameter")
        self.all: Mapping[str, Parameter] = read.properties
        self.checks = read.checks
        self._validator = _validator(json.loads(schema, parse_float=Decimal))
        self.defaults = self.check({name: each.default for name, each in self.all.items()})

    def read(self, chosen: Mapping[str, str]) -> dict[str, Value]:
        """Return all values from what a person typed; what was not chosen is as by default."""
        values = dict(self.defaults)
        for name, typed in chosen.items():
            if name not in self.all:
                there = ", ".join(self.all)
                raise ParametersRefused(f"{name}: no such parameter; there are {there}")
            values[name] = _typed(name, self.all[name], typed)
        return self.check(values)

    def check(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values if they are allowed, whole numbers as such.

        Raises `ParametersRefused` that names the first that is not, and the limits.
        """
        missing = [name for name in self.all if name not in values]
        if missing:
            raise ParametersRefused(f"{', '.join(missing)}: not chosen")
        for name, value in values.items():
            if isinstance(value, float | int) and not -_NUMBER_MAX <= value <= _NUMBER_MAX:
                raise ParametersRefused(f"{name} is {_shown(value)}; give a number of this world")
            if isinstance(value, str) and (len(value) > _TEXT_MAX or not value.isprintable()):
                raise ParametersRefused(f"{name}: give one line of at most {_TEXT_MAX} letters")
        for error in self._validator.iter_errors(_exact(values)):
            name = str(next(iter(error.absolute_path), ""))
            if name not in self.all:
                raise ParametersRefused(str(error.message)[:300])
            limits = self.all[name].limits()
            raise ParametersRefused(f"{name} is {_shown(values[name])}; choose {limits}")
        for rule in self.checks:
            try:
                is_kept = arithmetic.holds(rule.holds, values)
            except arithmetic.NotWorkedOut as error:
                raise ParametersRefused(f"the parameters: {error}") from error
            if not is_kept:
                raise ParametersRefused(f"{rule.says} ({rule.holds})")
        return {name: _plain(values[name]) for name in self.all}


def to_texts(values: Mapping[str, Value]) -> dict[str, str]:
    """Return values as what is sealed carries them: each as JSON writes it."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}


def of_texts(texts: Mapping[str, str]) -> dict[str, Value]:
    """Return what `to_texts` was given. Raises `ParametersRefused`."""
    try:
        found = {name: json.loads(text) for name, text in texts.items()}
    except (ValueError, RecursionError) as error:
        raise ParametersRefused("what was chosen cannot be read") from error
    if not all(isinstance(value, int | float | str) for value in found.values()):
        raise ParametersRefused("what was chosen is no numbers and texts")
    return cast("dict[str, Value]", found)


def _typed(name: str, parameter: Parameter, typed: str) -> Value:
    if parameter.type == "string":
        return typed
    try:
        value: object = json.loads(typed)
    except (ValueError, RecursionError):
        value = None
    is_kind = isinstance(value, bool) == (parameter.type == "boolean")
    if is_kind and isinstance(value, float | int) and -_NUMBER_MAX <= value <= _NUMBER_MAX:
        return value
    raise ParametersRefused(f"{name}: {typed[:40]!r} is none; choose {parameter.limits()}")


def _exact(values: Mapping[str, Value]) -> dict[str, object]:
    """Return the values with decimal fractions: in binary ones 62.3 is no multiple of 0.1."""
    return {
        name: Decimal(repr(value)) if isinstance(value, float) else value
        for name, value in values.items()
    }


def _plain(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _validator(schema: object) -> Any:  # The library's own type of a schema is any JSON.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(cast("dict[str, Any]", schema))
    except SchemaError as error:
        raise ParametersRefused(f"the parameters are no JSON Schema: {error.message}") from error
    return Draft202012Validator(cast("dict[str, Any]", schema))
