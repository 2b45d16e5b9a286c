"""The reading half of the SQL store. Large key sets are answered by one scan, small ones by index look-ups."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from reconciler.base.canonical import digest, loads
from reconciler.model.plan import Stored
from reconciler.model.resource import Key, Reference
from reconciler.model.slice import NO_ENVIRONMENT, Slice, SliceKey
from reconciler.store.database import Database
from reconciler.store.port import GenerationRow, Mismatch, OutsideWrite, SliceRow, SourceRow
from reconciler.store.rows import RESOURCE_COLUMNS, add_seals, resource_seal, slice_seal, stored
from reconciler.store.worker_rows import WorkerRows

_CHUNK = 300
_SCAN_FROM = 3000
_NOW = "until is null"
_AT = "since <= ? and (until is null or until > ?)"


def _chunks(items: Collection[Any]) -> Iterator[list[Any]]:
    it = iter(items)
    while chunk := list(islice(it, _CHUNK)):
        yield chunk


def _marks(n: int, width: int = 1) -> str:
    one = "(" + ",".join("?" * width) + ")" if width > 1 else "?"
    return ",".join([one] * n)


class SqlReader(WorkerRows):
    """Implements :class:`reconciler.store.port.Reader`."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.where, self.address = db.path, db.address

    def snapshot(self) -> AbstractContextManager[None]:
        """See the port."""
        return self.db.snapshot()

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.db.translated():
            return self.db.run(sql, values).fetchall()

    def _stored(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Stored]:
        for row in rows:
            try:
                yield stored(row)
            except (ValueError, TypeError, AttributeError) as error:
                raise self.db.damaged(error) from error

    def _json(self, text: str) -> Any:
        try:
            return loads(text)
        except ValueError as error:
            raise self.db.damaged(error) from error

    def _one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        rows = self._all(sql, values)
        return rows[0] if rows else None

    # -- positions ---------------------------------------------------------------------------------------------------

    def generation(self) -> int:
        """See the port."""
        row = self._one("select coalesce(max(n), 0) from generation")
        return int(row[0]) if row else 0

    def next_uid(self) -> int:
        """See the port."""
        row = self._one("select next_uid from generation order by n desc limit 1")
        return int(row[0]) if row else 1

    def source(self, name: str) -> SourceRow | None:
        """See the port."""
        return next((s for s in self.sources() if s.name == name), None)

    def sources(self) -> list[SourceRow]:
        """See the port."""
        rows = self._all('select name, "commit", tree, inputs, held, totals, at from source order by name')
        return [SourceRow(row[0], row[1], row[2], row[3], row[4], self._json(row[5]), row[6]) for row in rows]

    def blobs(self, source: str) -> dict[str, str]:
        """See the port."""
        return dict(self._all("select path, sha from blob where source = ?", (source,)))

    def blob_notes(self, source: str) -> list[tuple[str, int, int, str]]:
        """See the port."""
        sql = (
            "select path, documents, passed_over, warnings from blob where source = ? and warnings <> '' order by path"
        )
        return self._all(sql, (source,))

    def count_documents(self, source: str, paths: Collection[str] | None = None) -> tuple[int, int, int]:
        """See the port."""
        what = "select count(*), coalesce(sum(documents), 0), coalesce(sum(passed_over), 0) from blob where source = ?"
        if paths is None:
            return self._all(what, (source,))[0]
        total = (0, 0, 0)
        for chunk in _chunks(paths):
            row = self._all(f"{what} and path in ({_marks(len(chunk))})", (source, *chunk))[0]
            total = (total[0] + row[0], total[1] + row[1], total[2] + row[2])
        return total

    # -- resources ---------------------------------------------------------------------------------------------------

    def resources(
        self, *, keys: Collection[Key] | None = None, source: str | None = None, paths: Collection[str] | None = None
    ) -> Iterator[Stored]:
        """See the port."""
        head = f"select {RESOURCE_COLUMNS} from resource where {_NOW}"
        if keys is not None:
            wanted = set(keys)
            if len(wanted) > _SCAN_FROM:
                yield from (s for s in self._stored(self._all(head)) if s.resource.key in wanted)
                return
            for kind in sorted({key.kind for key in wanted}):
                for chunk in _chunks([key.name for key in wanted if key.kind == kind]):
                    rows = self._all(f"{head} and kind = ? and name in ({_marks(len(chunk))})", (kind, *chunk))
                    yield from self._stored(rows)
        elif source is None:
            yield from self._stored(self._all(f"{head} order by kind, name"))
        elif paths is None or len(paths) > _SCAN_FROM:
            among = None if paths is None else set(paths)
            of_source = self._stored(self._all(f"{head} and source = ?", (source,)))
            yield from (s for s in of_source if among is None or s.resource.path in among)
        else:
            for chunk in _chunks(paths):
                rows = self._all(f"{head} and source = ? and path in ({_marks(len(chunk))})", (source, *chunk))
                yield from self._stored(rows)

    def resources_at(self, generation: int, source: str | None = None) -> Iterator[Stored]:
        """See the port."""
        sql = f"select {RESOURCE_COLUMNS} from resource where {_AT}" + (" and source = ?" if source else "")
        values = (generation, generation, source) if source else (generation, generation)
        yield from self._stored(self._all(f"{sql} order by kind, name", values))

    def referrers(self, keys: Collection[Key], kind: str | None = None) -> Iterator[tuple[int, Key, Reference]]:
        """See the port."""
        sql = (
            "select e.from_uid, r.kind, r.name, e.to_kind, e.to_name, e.path, e.lenient from edge e "
            "join resource r on r.uid = e.from_uid and r.until is null"
        )
        for chunk in _chunks(set(keys)):
            flat = [v for key in chunk for v in key]
            where = f" where (e.to_kind, e.to_name) in (values {_marks(len(chunk), 2)})"
            for uid, fkind, fname, tkind, tname, path, lenient in self._all(sql + where, flat):
                if kind is None or fkind == kind:
                    yield uid, Key(fkind, fname), Reference(tkind, tname, tuple(self._json(path)), bool(lenient))

    def names(self, uids: Collection[int] | None = None) -> dict[int, Key]:
        """See the port."""
        sql = "select uid, kind, name from resource"
        if uids is None or len(uids) > _SCAN_FROM:
            rows = self._all(f"{sql} order by since")
            return {uid: Key(kind, name) for uid, kind, name in rows if uids is None or uid in uids}
        found: dict[int, Key] = {}
        for chunk in _chunks(uids):
            rows = self._all(f"{sql} where uid in ({_marks(len(chunk))}) order by since", chunk)
            found.update((uid, Key(kind, name)) for uid, kind, name in rows)
        return found

    def orphans(self) -> list[Stored]:
        """See the port."""
        sql = (
            # The first condition on the status is the one that the partial index names.
            f"select {RESOURCE_COLUMNS} from resource where {_NOW} and status <> 'active' and status = 'orphaned' "
            "order by source, kind, name"
        )
        return list(self._stored(self._all(sql)))

    # -- slices ------------------------------------------------------------------------------------------------------

    def slice_digests(self, systems: Collection[int] | None = None) -> dict[SliceKey, str]:
        """See the port."""
        sql = f'select system, "check", environment, digest from slice {self.db.slices_by_index} where {_NOW}'
        if systems is None or len(systems) > _SCAN_FROM:
            rows = self._all(sql)
            return {SliceKey(s, c, e): d for s, c, e, d in rows if systems is None or s in systems}
        found: dict[SliceKey, str] = {}
        for chunk in _chunks(systems):
            rows = self._all(f"{sql} and system in ({_marks(len(chunk))})", chunk)
            found.update((SliceKey(s, c, e), d) for s, c, e, d in rows)
        return found

    def slices(self, keys: Collection[SliceKey]) -> dict[SliceKey, Slice]:
        """See the port."""
        sql = f'select system, "check", environment, digest, body from slice where {_NOW}'
        if len(keys) > _SCAN_FROM:
            wanted = set(keys)
            rows = [row for row in self._all(sql) if row[:3] in wanted]
        else:
            rows = []
            for chunk in _chunks(keys):
                flat = [v for key in chunk for v in key]
                where = f'{sql} and (system, "check", environment) in (values {_marks(len(chunk), 3)})'
                rows += self._all(where, flat)
        return {SliceKey(s, c, e): Slice(SliceKey(s, c, e), d, body.encode()) for s, c, e, d, body in rows}

    def all_bodies(self) -> Iterator[bytes]:
        """See the port."""
        with self.db.translated():
            for (body,) in self.db.run(f"select body from slice where {_NOW}"):
                yield body.encode()

    def slice_rows(self, generation: int | None = None) -> Iterator[SliceRow]:
        """See the port."""
        names = self.names()
        sources = dict(self._all("select uid, source from resource order by since"))
        when, values = (_NOW, ()) if generation is None else (_AT, (generation, generation))
        sql = f'select system, "check", environment, digest, body, since from slice where {when}'
        rows = []
        for s, c, e, d, body, since in self._all(sql, values):
            parts = [names[u].name if u in names else f"#{u}" for u in (s, c, e)]
            environment = None if e == NO_ENVIRONMENT else parts[2]
            rows.append(
                SliceRow(
                    parts[0], parts[1], environment, SliceKey(s, c, e), d, body.encode(), sources.get(s, ""), since
                )
            )
        yield from sorted(rows, key=lambda r: (r.system, r.check, r.environment or ""))

    def slice_changes(self, generation: int) -> Iterator[tuple[SliceKey, str, str, str]]:
        """See the port."""
        columns = 'system, "check", environment, digest'
        new = {tuple(r[:3]): r[3] for r in self._all(f"select {columns} from slice where since = ?", (generation,))}
        old = {tuple(r[:3]): r[3] for r in self._all(f"select {columns} from slice where until = ?", (generation,))}
        for key in sorted(new.keys() | old.keys()):
            kind = "update" if key in new and key in old else "create" if key in new else "delete"
            yield SliceKey(*key), old.get(key, ""), new.get(key, ""), kind

    def slice_bodies(self, generation: int, *, keys: Collection[SliceKey]) -> dict[SliceKey, bytes]:
        """See the port."""
        sql = f'select system, "check", environment, body from slice where {_AT}'
        when = (generation, generation)
        if len(keys) > _SCAN_FROM:
            wanted = set(keys)
            rows = [row for row in self._all(sql, when) if row[:3] in wanted]
        else:
            one = f'{sql} and system = ? and "check" = ? and environment = ?'
            rows = [row for key in keys for row in self._all(one, (*when, *key))]
        return {SliceKey(s, c, e): body.encode() for s, c, e, body in rows}

    # -- history, drift, settings ------------------------------------------------------------------------------------

    def counts(self, source: str | None = None) -> tuple[int, int]:
        """See the port."""
        if source is None:
            return (
                self._all(f"select count(*) from resource where {_NOW}")[0][0],
                self._all(f"select count(*) from slice where {_NOW}")[0][0],
            )
        by = self.db.slices_by_index
        mine = f"select uid from resource where {_NOW} and source = ?"
        return (
            self._all(f"select count(*) from ({mine}) as mine", (source,))[0][0],
            self._all(f"select count(*) from slice {by} where {_NOW} and system in ({mine})", (source,))[0][0],
        )

    def history(self, limit: int | None = None) -> list[GenerationRow]:
        """See the port."""
        sql = (
            'select n, parent, at, actor, host, kind, source, "commit", tree, duration_ms, counts, note from generation'
        )
        rows = self._all(f"{sql} order by n desc" + (f" limit {int(limit)}" if limit is not None else ""))
        return [GenerationRow(*[*row[:10], self._json(row[10]), row[11]]) for row in rows]

    def outside(self, source: str | None = None) -> list[OutsideWrite]:
        """See the port."""
        sql = 'select at, source, tab, op, uid, "check", environment, digest, body, kind, name, status from outside'
        where = (" where source in (?, '')", (source,)) if source is not None else ("", ())
        return [OutsideWrite(*row) for row in self._all(f"{sql}{where[0]} order by id", where[1])]

    def outside_count(self, source: str | None = None) -> int:
        """See the port."""
        where = (" where source in (?, '')", (source,)) if source is not None else ("", ())
        return int(self._all(f"select count(*) from outside{where[0]}", where[1])[0][0])

    def mismatches(self) -> list[Mismatch]:
        """See the port."""
        found = []
        with self.db.translated():
            for uid, d, body in self.db.run(f"select uid, digest, body from resource where {_NOW}"):
                if digest(body.encode()) != d:
                    found.append(Mismatch("resource", uid, 0, 0))
            sql = f'select system, "check", environment, digest, body from slice where {_NOW}'
            for s, c, e, d, body in self.db.run(sql):
                if digest(body.encode()) != d:
                    found.append(Mismatch("slice", s, c, e))
        return found

    def seal_holds(self) -> bool:
        """See the port."""
        row = self._one("select seal from generation order by n desc limit 1")
        return row is None or row[0] == self.seal()

    def seal(self) -> str:
        """The seal over the current rows."""
        total = 0
        for uid, d, status in self._all(f"select uid, digest, status from resource where {_NOW}"):
            total += resource_seal(uid, d, status)
        for s, c, e, d in self._all(f'select system, "check", environment, digest from slice where {_NOW}'):
            total += slice_seal((s, c, e), d)
        return add_seals("", total)

    def grants(self, source: str) -> list[tuple[str, str]]:
        """See the port."""
        sql = "select what, pattern from source_grant where source = ? order by what, pattern"
        return self._all(sql, (source,))

    def setting(self, key: str) -> str | None:
        """See the port."""
        row = self._one("select value from setting where key = ?", (key,))
        return str(row[0]) if row else None
