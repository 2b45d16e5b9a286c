"""A configuration that is stored with its version, and read by later code.

What is stored is a :class:`Record`. Reading it migrates its data to the head first and validates leniently then:
unknown keys are left out, because a newer sibling may have written them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reconciler.base.errors import ChainError
from reconciler.versioning.chain import Chain, Data, Migration, MigrationError, check, relevant

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """``data`` at ``version``. ``migrated_at`` and ``original_version`` are there once it was migrated, ``plugin_id``
    where a plugin owns it."""

    version: int
    data: T
    migrated_at: datetime | None = None
    original_version: int | None = None
    plugin_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data as it is stored, keys in camelCase, what is absent left out. ``data`` has to be plain itself."""
        optional = {
            "migratedAt": None if self.migrated_at is None else self.migrated_at.isoformat(),
            "originalVersion": self.original_version,
            "pluginId": self.plugin_id,
        }
        return {"version": self.version, "data": self.data} | {k: v for k, v in optional.items() if v is not None}

    @staticmethod
    def from_json(stored: dict[str, Any]) -> Record[Any]:
        """The record of what :meth:`as_json` wrote. Raises ``ValueError`` for what is none."""
        version = stored.get("version")
        if type(version) is not int or "data" not in stored:
            raise ValueError("a record holds a whole number as its version, and data")
        migrated = stored.get("migratedAt")
        return Record(
            version,
            stored["data"],
            datetime.fromisoformat(migrated) if migrated is not None else None,
            stored.get("originalVersion"),
            stored.get("pluginId"),
        )


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a ``safe_`` call found: ``data``, or the ``error`` that the other call raises."""

    success: bool
    data: T | None = None
    error: Exception | None = None


class Versioned(Generic[T]):
    """A schema (a pydantic model, or any type pydantic knows) at ``version``, with the steps that lead there.

    Raises :class:`ChainError` at once for steps that don't. Reading raises ``ValueError`` for data that don't fit
    (pydantic's), :class:`NewerVersion` for a record of a newer release, and :class:`MigrationError` for a step that
    throws.
    """

    def __init__(
        self,
        schema: type[T],
        *,
        version: int,
        migrations: Sequence[Migration] = (),
        subject: str = "config",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        faults = check(subject, migrations, first=1, head=version)
        if faults:
            raise ChainError(faults)
        self.version = version
        self._schema = schema
        self._chain = Chain(subject, 1, version, relevant(migrations, 1, version))
        self._clock = clock
        self._adapter: TypeAdapter[T] | None = None

    def needs_migration(self, record: Record[Any]) -> bool:
        """Whether the record is of another version than the code."""
        return record.version != self.version

    def parse(self, record: Record[Any]) -> T:
        """The record's data at head, validated leniently."""
        return self.validate(self._chain.migrate(record.data, record.version))

    def safe_parse(self, record: Record[Any]) -> Outcome[T]:
        """As :meth:`parse`, with the error as a value."""
        return _safely(lambda: self.parse(record))

    def parse_record(self, record: Record[Any]) -> Record[T]:
        """The record at head. ``migrated_at`` and ``original_version`` are set when it was migrated; an original
        version from before stays."""
        data = self.parse(record)
        if not self.needs_migration(record):
            return replace(record, data=data)
        original = record.version if record.original_version is None else record.original_version
        return Record(self.version, data, self._clock(), original, record.plugin_id)

    def parse_assuming_v1(self, raw: Data) -> T:
        """Bare data without a version, read as version 1; steps leave newer shapes alone."""
        return self.validate(self._chain.migrate(raw, 1))

    def parse_strict_assuming_v1(self, raw: Data) -> T:
        """The same, but an unknown key is an error. Only a model can be strict; other schemas validate as ever."""
        data = self._chain.migrate(raw, 1)
        strict = self._strict()
        if strict is None:
            return self.validate(data)
        strict.validate_python(data)
        return self._validate(data)

    def validate(self, raw: Any) -> T:
        """Data at head, unknown keys left out."""
        from pydantic import ValidationError

        try:
            return self._validate(raw)
        except ValidationError as error:
            for unknown in _unknown(error, union=not self._is_model()):
                with suppress(ValidationError):
                    return self._validate(_without(raw, unknown))
            raise

    def safe_validate(self, raw: Any) -> Outcome[T]:
        """As :meth:`validate`, with the error as a value."""
        return _safely(lambda: self.validate(raw))

    def create(self, data: Any, *, plugin_id: str | None = None) -> Record[T]:
        """Validated data as a record at head."""
        return Record(self.version, self.validate(data), plugin_id=plugin_id)

    def _is_model(self) -> bool:
        from pydantic import BaseModel

        schema: Any = self._schema
        return isinstance(schema, type) and issubclass(schema, BaseModel)

    def _strict(self) -> TypeAdapter[Any] | None:
        """The schema with unknown keys forbidden, whatever the model itself says; None where it is no model."""
        from pydantic import TypeAdapter, create_model

        schema: Any = self._schema
        if not self._is_model():
            return None
        closed: Any = create_model(schema.__name__, __base__=schema, __cls_kwargs__={"extra": "forbid"})
        return TypeAdapter(closed)

    def _validate(self, data: Any) -> T:
        if self._adapter is None:
            from pydantic import TypeAdapter

            self._adapter = TypeAdapter(self._schema)
        return self._adapter.validate_python(data)


def _safely(call: Callable[[], T]) -> Outcome[T]:
    try:
        return Outcome(True, call())
    except (ValueError, MigrationError) as error:
        return Outcome(False, error=error)


def _unknown(error: ValidationError, *, union: bool) -> list[list[Loc]]:
    """The places of unknown keys; of a union one list for each variant that has no other fault, in their order."""
    variants: dict[Any, list[tuple[str, Loc]]] = {}
    for found in error.errors(include_url=False):
        variants.setdefault(found["loc"][0] if union and found["loc"] else "", []).append((found["type"], found["loc"]))
    if not union:
        return [[loc for kind, loc in faults if kind == "extra_forbidden"] for faults in variants.values()]
    return [
        [loc for _, loc in faults]
        for faults in variants.values()
        if all(kind == "extra_forbidden" for kind, _ in faults)
    ]


def _without(raw: Any, places: Sequence[Loc]) -> Any:
    """A copy of the data without the keys at these places; parts of a place that only name a union are passed over."""
    raw = deepcopy(raw)
    for place in places:
        node: Any = raw
        for part in place[:-1]:
            with suppress(KeyError, IndexError, TypeError):
                node = node[part]
        if isinstance(node, dict):
            node.pop(place[-1], None)
    return raw
