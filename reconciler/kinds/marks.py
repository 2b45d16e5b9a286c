"""What a field's annotation says about its text: templatable, secret, a reference, or a template of the run time.

A mark is put beside the type (``Annotated[str, Templatable("url")]``) and read back by ``reconciler.kinds.marked``. The
marks that restrict the text also take part in validation, so that the one pydantic pass is enough.
"""

import re
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from reconciler.kinds.checks import CHECKS, quoted

TemplateText = str
"""Text that holds a template, as an alternative to a number: ``Annotated[int | TemplateText, Templatable("port")]``."""

SECRET = re.compile(r"\$\{\{\s*secrets\.([A-Za-z][A-Za-z0-9_-]{0,62})\s*\}\}")
SECRET_LIKE = re.compile(r"\$\{\{\s*secrets\b")
TEMPLATE_PATTERN = r"\{\{.*\}\}"

_NUMBERS = {"port": (1, 65535), "int": (-(2**63), 2**63 - 1)}


class Templatable:
    """Rendered for each environment before it is used. ``check`` names what the rendered text has to be."""

    def __init__(self, check: str = "text") -> None:
        self.check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if self.check in _NUMBERS:
            return core_schema.no_info_plain_validator_function(self._number)
        inner = handler(source)
        if self.check == "text":
            return inner
        return core_schema.no_info_after_validator_function(self._text, inner)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        if self.check in _NUMBERS:
            least, most = _NUMBERS[self.check]
            number = {"type": "integer", "minimum": least, "maximum": most}
            return {"anyOf": [number, {"type": "string", "pattern": TEMPLATE_PATTERN}], "x-templatable": self.check}
        return handler(schema) | {"x-templatable": self.check}

    def _text(self, value: str) -> str:
        if "{{" in value:
            return value
        _judge(self.check, value)
        return value

    def _number(self, value: Any) -> int | str:
        if isinstance(value, int) and not isinstance(value, bool):
            _judge(self.check, str(value))
            return value
        if isinstance(value, str) and "{{" in value:
            return value
        raise PydanticCustomError(
            "wrong-type", "{sentence}", {"sentence": f"has to be a whole number or a template, not {named(value)}"}
        )


class Checked:
    """Judged by a check of ``CHECKS`` as it stands; never a template."""

    def __init__(self, check: str) -> None:
        self.check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._judge, handler(source))

    def _judge(self, value: Any) -> Any:
        _judge(self.check, value)
        return value


class Secret:
    """May hold ``${{ secrets.NAME }}``; never templated.

    ``literal`` tells what a text without a reference is: ``warn`` (a password in plain sight), or ``fine`` (a script
    variable that happens to be public). ``check`` judges such a text.
    """

    def __init__(self, *, literal: Literal["warn", "fine"] = "warn", check: str | None = None) -> None:
        self.literal = literal
        self.check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if self.check is None:
            return handler(source)
        return core_schema.no_info_after_validator_function(self._judge, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"x-secret": True}

    def _judge(self, value: str) -> str:
        if self.check is not None and "${{" not in value:
            _judge(self.check, value)
        return value


class SecretName:
    """The bare name of a secret, as in ``valueFrom: {secret: NAME}``."""


class Ref:
    """The name of another resource of ``kind``. ``templatable``: may be a template of the run time instead."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Runtime:
    """Evaluated while an automation runs: a ``template`` (text with ``{{ }}``) or a bare ``expression``."""

    def __init__(self, form: Literal["template", "expression"] = "template") -> None:
        self.form = form

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"x-runtime": self.form}


MARKS = (Templatable, Secret, SecretName, Ref, Runtime)
Mark = Templatable | Secret | SecretName | Ref | Runtime


def named(value: Any) -> str:
    """A value as a message shows it: its kind in words, and the value itself where it is short."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return f"the whole number {value}"
        case float():
            return f"the number {value}"
        case str():
            return f"the text {quoted(value)}"
        case dict():
            return "a map"
        case _:
            return "a list"


def _judge(check: str, value: str) -> None:
    try:
        CHECKS[check](value)
    except ValueError as error:
        raise PydanticCustomError("bad-value", "{sentence}", {"sentence": str(error)}) from None
