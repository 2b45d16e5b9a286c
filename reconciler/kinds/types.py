"""Field types that many models share: names, durations, plain JSON."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from reconciler.base.durations import format_duration, parse_duration
from reconciler.kinds.marks import TEMPLATE_PATTERN, named

DURATION_PATTERN = r"^\s*(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+\s*$"
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]*$"
"""Version 1 tolerated a trailing dash; whether it is one is judged apart, by the version that was declared."""
STRICT_NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
SLUG_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
ENV_NAME_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
TIME_PATTERN = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?$"
SECRET_NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]*$"

SENTENCES = {
    NAME_PATTERN: "may hold small letters, digits and dashes, and starts with a letter or a digit",
    SLUG_PATTERN: "may hold letters, digits and underscores (no dashes), and starts with a letter or an underscore",
    ID_PATTERN: "may hold letters, digits, dashes and underscores, and starts with a letter or a digit",
    ENV_NAME_PATTERN: "may hold letters, digits and underscores, and starts with a letter or an underscore",
    SECRET_NAME_PATTERN: "may hold letters, digits, dashes and underscores, and starts with a letter",
    TIME_PATTERN: "is a time of day as in 06:30",
}
"""What each pattern means, for messages."""

Name = Annotated[
    str,
    Field(
        pattern=NAME_PATTERN,
        min_length=1,
        max_length=63,
        json_schema_extra={"pattern": STRICT_NAME_PATTERN},
    ),
]
"""The name of a resource."""
Slug = Annotated[str, Field(pattern=SLUG_PATTERN, max_length=64)]
"""An id that expressions read, so it holds no dash."""
Identifier = Annotated[str, Field(pattern=ID_PATTERN, max_length=64)]
EnvName = Annotated[str, Field(pattern=ENV_NAME_PATTERN, max_length=128)]
Text = Annotated[str, Field(min_length=1)]
"""Text that isn't empty."""

_parse = lru_cache(4096)(parse_duration)
_PER_NUMBER = {"ms": 1, "s": 1000, "m": 60_000}
_IN_WORDS = {"ms": "milliseconds", "s": "seconds", "m": "minutes"}


class DurationType:
    """A duration: text with a unit, kept as whole milliseconds.

    ``number`` is the unit in which version 1 wrote a bare number, which stays accepted; None: there never was one.
    ``least`` and ``most`` are in milliseconds. ``template``: text with a template is kept, for the run time.
    """

    def __init__(
        self,
        *,
        number: Literal["ms", "s", "m"] | None = None,
        least: int = 1,
        most: int | None = None,
        template: bool = False,
    ) -> None:
        self.number = number
        self.template = template
        self.least = least
        self.most = most

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.simple_ser_schema("any" if self.template else "int")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = {"type": "string", "pattern": DURATION_PATTERN}
        bounds = f"from {format_duration(self.least)}" + (f" to {format_duration(self.most)}" if self.most else "")
        forms: list[dict[str, Any]] = [text]
        if self.number is not None:
            words = f"in {_IN_WORDS[self.number]}; a duration with its unit says so itself"
            forms.append({"type": "number", "description": words, "deprecated": True})
        if self.template:
            forms.append({"type": "string", "pattern": TEMPLATE_PATTERN})
        return {**(text if len(forms) == 1 else {"anyOf": forms}), "x-duration": bounds}

    def read(self, value: Any) -> int | str:
        """Milliseconds of what stands in the document. Raises a fault with a sentence for users."""
        if isinstance(value, str):
            if "{{" in value:
                if self.template:
                    return value
                raise _fault("bad-value", "is not rendered, so it can't hold a template")
            try:
                ms = _parse(value)
            except ValueError as error:
                raise _fault("bad-duration", str(error)) from None
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            ms = self._number(value)
        else:
            raise _fault("wrong-type", f"has to be a duration such as 8s, not {named(value)}")
        if ms < self.least or (self.most is not None and ms > self.most):
            limit = (
                f"at least {format_duration(self.least)}"
                if ms < self.least
                else f"at most {format_duration(self.most or 0)}"
            )
            raise _fault("out-of-range", f"has to be {limit}, not {format_duration(ms) if ms >= 0 else value}")
        return ms

    def _number(self, value: float) -> int:
        if self.number is None:
            raise _fault("bad-duration", f"the duration {value} has no unit", f"write {value}s or {value}ms")
        ms = value * _PER_NUMBER[self.number]
        if ms != ms or ms in (float("inf"), float("-inf")) or ms != int(ms):
            raise _fault("bad-duration", f"{value} {_IN_WORDS[self.number]} is no whole number of milliseconds")
        return int(ms)


class PlainJson:
    """Any JSON value: text keys only, finite numbers, whole numbers of at most 64 bits. Read back as it was written."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        _plain(value, ())
        return value


Json = Annotated[Any, PlainJson()]
JsonMap = Annotated[dict[str, Any], PlainJson()]


def _plain(value: Any, path: tuple[str | int, ...]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise _fault("bad-key", f"a key has to be text, not {named(key)}", f'put it in quotes: "{key}"', path)
            if item.__class__ is not str:
                _plain(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _plain(item, (*path, index))
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _fault("bad-value", f"{value} is no number that JSON can hold", None, path)
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise _fault("bad-value", "is a whole number beyond 64 bits", "put it in quotes", path)


def _fault(code: Any, sentence: str, hint: str | None = None, below: tuple[str | int, ...] = ()) -> PydanticCustomError:
    context: Mapping[str, Any] = {"sentence": sentence, "hint": hint, "below": below}
    return PydanticCustomError(code, "{sentence}", dict(context))
