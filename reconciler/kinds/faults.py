"""pydantic's errors in the words of the people who write documents."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.base.diagnostics import Fault, Path
from reconciler.kinds import shape
from reconciler.kinds.checks import quoted
from reconciler.kinds.marks import named
from reconciler.kinds.tags import TAG
from reconciler.kinds.types import NAME_PATTERN, SENTENCES

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "list_type": "a list",
    "none_required": "null",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_PREDICATES = ("has ", "is ", "may ", "can ", "holds ", "needs ")


def translate(error: ValidationError, model: type[BaseModel], prefix: Path = ()) -> list[Fault]:
    """One fault for each of pydantic's, at the path in the document; ``prefix`` leads to what ``model`` was given."""
    # What isn't text among the keys of a config was found already, by the document around it.
    return [
        _fault(details, model, prefix)
        for details in error.errors(include_url=False)
        if not (prefix and details["type"] == "invalid_key")
    ]


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The question with the nearest of ``known``, or None when nothing is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None


def suggest(word: str, known: Iterable[str]) -> str:
    """The nearest of ``known`` as a question, and all of them."""
    everything = list(known)
    near = did_you_mean(word, everything)
    listed = (
        f"there {'is' if len(everything) == 1 else 'are'} {', '.join(everything)}" if everything else "there is none"
    )
    return f"{near} ({listed})" if near else listed


def spelled(path: Path) -> str:
    """The last key of a path with the indexes after it, as messages name a field: ``tags[1]``."""
    tail = ""
    for step in reversed(path):
        if isinstance(step, str):
            return f"{step}{tail}"
        tail = f"[{step}]{tail}"
    return f"the document{tail}"


def _fault(details: ErrorDetails, model: type[BaseModel], prefix: Path) -> Fault:
    context = details.get("ctx", {})
    kind = details["type"]
    below = tuple(step for step in details["loc"] if not (isinstance(step, str) and step.startswith(TAG)))
    at_key = bool(below) and below[-1] == "[key]"
    below = below[:-1] if at_key else below
    path = (*prefix, *below, *context.get("below", ()))
    name = spelled(path)
    if "sentence" in context:
        sentence = str(context["sentence"])
        message = f"{name} {sentence}" if sentence.startswith(_PREDICATES) else sentence
        return Fault(kind, message, path, context.get("hint"), at="key" if at_key else "value")
    if kind in ("bad-action", "bad-condition"):
        if (misspelt := _misspelt_block(details, path, name)) is not None:
            return misspelt
        return Fault(kind, details["msg"], path, _block_hint(details["input"]))
    if kind == "missing":
        return Fault("missing-key", f"{name} is missing", path, _describe(model, below))
    if kind == "extra_forbidden":
        return _unknown_key(model, prefix, below)
    if at_key or kind == "invalid_key":
        return _bad_key(details, path, details["input"] if at_key else path[-1])
    code, message, hint = _standard(kind, context, details)
    return Fault(code, f"{name} {message}", path, hint)


def _bad_key(details: ErrorDetails, path: Path, key: Any) -> Fault:
    """A key that isn't text, or whose text is none that is allowed there."""
    if details["type"] not in ("invalid_key", "string_type"):
        _, message, hint = _standard(details["type"], details.get("ctx", {}), details)
        return Fault("bad-key", f"the key {message}", path, hint, at="key")
    return Fault("bad-key", f"a key has to be text, not {named(key)}", path, f'put it in quotes: "{key}"', at="key")


def _standard(kind: str, context: dict[str, Any], details: ErrorDetails) -> tuple[str, str, str | None]:
    value = details["input"]
    if kind in _TYPES:
        return "wrong-type", f"has to be {_TYPES[kind]}, not {named(value)}", _conversion(kind, value)
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return "out-of-range", f"has to be {words} {context[key]}, not {value}", None
    if kind == "literal_error":
        return _literal(context, value)
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        sentence = SENTENCES.get(pattern, f"has to match {pattern}")
        code = "bad-name" if pattern == NAME_PATTERN else "bad-format"
        return code, f"{sentence}; {quoted(value)} doesn't fit", None
    if kind == "string_too_short":
        return "out-of-range", "is empty", None
    if kind == "string_too_long":
        return "out-of-range", f"is longer than {context['max_length']} characters ({len(value)})", None
    if kind == "too_short":
        return "out-of-range", f"needs at least {context['min_length']}, and has {context['actual_length']}", None
    if kind == "too_long":
        return "out-of-range", f"has more than {context['max_length']}", None
    if kind.startswith("recursion_"):
        return "too-deep", "is nested too deep", None
    if kind == "string_unicode":
        return "bad-value", "holds characters that can't be written as UTF-8", None
    return "invalid", f"is invalid: {details['msg']}", None


def _conversion(kind: str, value: Any) -> str | None:
    """How to write a value of the right type, where it looks like one."""
    if kind == "string_type" and isinstance(value, bool):
        return f'put it in quotes: "{str(value).lower()}"'
    if kind == "string_type" and isinstance(value, (int, float)):
        return f'put it in quotes: "{value}"'
    if isinstance(value, str) and kind in ("int_type", "float_type", "bool_type"):
        return "leave out the quotes" if value.replace(".", "", 1).isdigit() or value in ("true", "false") else None
    return None


def _literal(context: dict[str, Any], value: Any) -> tuple[str, str, str | None]:
    expected = str(context["expected"])
    words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(", ")]
    hint = did_you_mean(value, words) if isinstance(value, str) else None
    return "unknown-value", f"has to be {expected}, not {named(value)}", hint


def _unknown_key(model: type[BaseModel], prefix: Path, below: Path) -> Fault:
    key = str(below[-1])
    known = [name for candidate in shape.models_at(model, below[:-1]) for name, _ in shape.fields(candidate)]
    where = spelled((*prefix, *below[:-1])) if (*prefix, *below[:-1]) else "the document"
    hint = suggest(key, dict.fromkeys(known)) if known else "nothing can be set here"
    return Fault("unknown-key", f"{where} has no key {quoted(key)}", (*prefix, *below), hint, at="key")


def _misspelt_block(details: ErrorDetails, path: Path, name: str) -> Fault | None:
    """The one key of a block that nobody knows, where it is nearly one of those that tell blocks apart."""
    value = details["input"]
    if not isinstance(value, dict):
        return None
    known = details["msg"].rpartition(": ")[2].split(", ")
    near = {key: did_you_mean(key, known) for key in value if isinstance(key, str) and key not in known}
    found = [(key, hint) for key, hint in near.items() if hint is not None]
    if len(found) != 1 or not value.keys().isdisjoint(known):
        return None
    key, hint = found[0]
    return Fault("unknown-key", f"{name} has no key {quoted(key)}", (*path, key), hint, at="key")


def _block_hint(value: Any) -> str | None:
    if isinstance(value, dict):
        return f"this one has {', '.join(str(key) for key in value)}" if value else "this one is empty"
    return f"this one is {named(value)}"


def _describe(model: type[BaseModel], below: Path) -> str | None:
    for candidate in shape.models_at(model, below[:-1]):
        for key, info in shape.fields(candidate):
            if key == below[-1]:
                return info.description
    return None
