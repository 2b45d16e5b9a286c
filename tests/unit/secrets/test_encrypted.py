"""Secrets in the store: what stands there, who can read it, and what becomes of rows that somebody changed."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.base.errors import StoreError
from reconciler.secrets.encrypted import LARGEST, Encrypted, Row
from reconciler.secrets.keys import Key, master_keys
from reconciler.secrets.port import SecretName, SecretsError
from reconciler.store.shared import SharedStore

VALUE = "correct horse battery staple"
TOKEN = SecretName("TOKEN")
IN_PRODUCTION = SecretName("TOKEN", "production")


def key(filler: int = 1) -> Key:
    return master_keys({"GITOPS_MASTER_KEY": bytes([filler] * 32).hex()})[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the store's file."""
    return tmp_path / "store.db"


@pytest.fixture
def rows(path: Path) -> Iterator[SharedStore]:
    """A store."""
    opened = SharedStore(str(path), create=True)
    yield opened
    opened.close()


def test_there_and_back(rows: SharedStore) -> None:
    kept = Encrypted(rows, [key()])
    kept.set(TOKEN, VALUE, actor="ann")
    kept.set(IN_PRODUCTION, "другой пароль", actor="bob")
    assert kept.get(TOKEN) == VALUE
    assert kept.get(IN_PRODUCTION) == "другой пароль"
    assert kept.get(SecretName("OTHER")) is None
    kept.set(TOKEN, "new", actor="bob")
    assert Encrypted(rows, [key()]).get(TOKEN) == "new"
    listed = kept.list()
    assert [(f.name, f.actor) for f in listed] == [(TOKEN, "bob"), (IN_PRODUCTION, "bob")]
    assert all(f.at is not None and f.at > 1e9 for f in listed)
    assert kept.delete(TOKEN)
    assert not kept.delete(TOKEN)
    assert kept.get(TOKEN) is None


def test_no_value_stands_in_the_file(rows: SharedStore, path: Path) -> None:
    Encrypted(rows, [key()]).set(TOKEN, VALUE, actor="ann")
    rows.close()
    for file in path.parent.iterdir():
        data = file.read_bytes()
        assert VALUE.encode() not in data
        assert base64.b64encode(VALUE.encode()).rstrip(b"=")[:-1] not in data


def test_equal_values_look_different(rows: SharedStore) -> None:
    kept = Encrypted(rows, [key()])
    kept.set(TOKEN, VALUE, actor="ann")
    kept.set(SecretName("SAME"), VALUE, actor="ann")
    first, second = rows.read_all()
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext


def test_another_key_is_told_by_its_id_alone(rows: SharedStore) -> None:
    Encrypted(rows, [key(1)]).set(TOKEN, VALUE, actor="ann")
    with pytest.raises(SecretsError) as caught:
        Encrypted(rows, [key(2)]).get(TOKEN)
    assert caught.value.message == (
        f"the secret TOKEN was encrypted with the key {key(1).id}, and GITOPS_MASTER_KEY holds {key(2).id}"
    )
    said = str(caught.value) + str(caught.value.hint)
    assert VALUE not in said
    assert key(1).secret.hex() not in said
    assert repr(key(1)) == f"Key({key(1).id})"


def test_without_any_key_only_names_can_be_had(rows: SharedStore) -> None:
    Encrypted(rows, [key()]).set(TOKEN, VALUE, actor="ann")
    keyless = Encrypted(rows, ())
    assert [f.name for f in keyless.list()] == [TOKEN]
    with pytest.raises(SecretsError, match="isn't set"):
        keyless.get(TOKEN)
    with pytest.raises(SecretsError, match="isn't set"):
        keyless.set(TOKEN, "a", actor="ann")
    assert keyless.delete(TOKEN)


@pytest.mark.parametrize("column", ["name", "environment", "ciphertext", "nonce"])
def test_a_changed_row_is_not_trusted(rows: SharedStore, path: Path, column: str) -> None:
    kept = Encrypted(rows, [key()])
    kept.set(TOKEN, VALUE, actor="ann")
    row = rows.read_all()[0]
    changed = {
        "name": "ADMIN",
        "environment": "production",
        "ciphertext": base64.b64encode(bytes(b ^ 1 for b in base64.b64decode(row.ciphertext))).decode(),
        "nonce": "not base64!",
    }[column]
    with sqlite3.connect(path) as db:
        db.execute(f"update secret set {column} = ?", (changed,))
    db.close()
    name = rows.read_all()[0]
    with pytest.raises(SecretsError, match="was changed outside") as caught:
        kept.get(SecretName(name.name, name.environment or None))
    assert caught.value.__cause__ is None


def test_rows_can_not_be_swapped(rows: SharedStore, path: Path) -> None:
    kept = Encrypted(rows, [key()])
    kept.set(TOKEN, VALUE, actor="ann")
    kept.set(SecretName("PUBLIC"), "harmless", actor="ann")
    with sqlite3.connect(path) as db:
        for column in ("nonce", "ciphertext"):
            db.execute(f"update secret set {column} = (select {column} from secret where name = 'TOKEN')")
    db.close()
    assert kept.get(TOKEN) == VALUE
    with pytest.raises(SecretsError, match="PUBLIC was changed"):
        kept.get(SecretName("PUBLIC"))


@pytest.mark.parametrize("value", ["", "a\0b", "x" * (LARGEST + 1)])
def test_values_that_can_not_be(rows: SharedStore, value: str) -> None:
    with pytest.raises(SecretsError, match="1 to 65536 bytes"):
        Encrypted(rows, [key()]).set(TOKEN, value, actor="ann")


def test_rotation_leaves_nothing_behind(rows: SharedStore) -> None:
    old, new = key(1), key(2)
    before = Encrypted(rows, [old])
    before.set(TOKEN, VALUE, actor="ann")
    before.set(IN_PRODUCTION, "special", actor="bob")
    was = before.list()
    both = Encrypted(rows, [new, old])
    both.set(SecretName("NEWER"), "newer", actor="eve")
    assert both.get(TOKEN) == VALUE
    assert both.rotate() == 2
    assert both.rotate() == 0
    after = Encrypted(rows, [new])
    assert (after.get(TOKEN), after.get(IN_PRODUCTION)) == (VALUE, "special")
    assert [(f.name, f.at, f.actor) for f in after.list() if f.actor != "eve"] == [(f.name, f.at, f.actor) for f in was]
    with pytest.raises(SecretsError, match="was encrypted with the key"):
        before.get(TOKEN)


def test_a_rotation_that_can_not_read_one_changes_none(rows: SharedStore) -> None:
    Encrypted(rows, [key(1)]).set(TOKEN, VALUE, actor="ann")
    Encrypted(rows, [key(3)]).set(SecretName("LOST"), "lost", actor="ann")
    kept = rows.read_all()
    with pytest.raises(SecretsError, match="LOST"):
        Encrypted(rows, [key(2), key(1)]).rotate()
    assert rows.read_all() == kept


def test_a_rotation_does_not_undo_what_was_set_meanwhile(rows: SharedStore) -> None:
    Encrypted(rows, [key(1)]).set(TOKEN, VALUE, actor="ann")

    class Late(SharedStore):
        raced = False

        def read_all(self) -> list[Row]:
            found = super().read_all()
            if not self.raced:
                self.raced = True
                Encrypted(rows, [key(1)]).set(TOKEN, "newer", actor="bob")
            return found

    late = Late(rows.where)
    try:
        assert Encrypted(late, [key(2), key(1)]).rotate() == 1
    finally:
        late.close()
    assert Encrypted(rows, [key(2)]).get(TOKEN) == "newer"


def test_many_threads_take_turns(rows: SharedStore) -> None:
    kept = Encrypted(rows, [key()])

    def work(n: int) -> list[str | None]:
        name = SecretName(f"N{n}")
        kept.set(name, f"value {n}", actor="ann")
        return [kept.get(name) for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(24)))
    assert found == [[f"value {n}"] * 20 for n in range(24)]


def test_a_file_that_may_only_be_read_is_read(path: Path, rows: SharedStore) -> None:
    Encrypted(rows, [key()]).set(TOKEN, VALUE, actor="ann")
    rows.close()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    again = SharedStore(str(path))
    try:
        assert Encrypted(again, [key()]).get(TOKEN) == VALUE
    finally:
        again.close()
        path.parent.chmod(0o700)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = SharedStore(str(tmp_path / "none.db"))
    with pytest.raises(StoreError, match="isn't there"):
        Encrypted(missing, [key()]).get(TOKEN)
    assert not (tmp_path / "none.db").exists()
    missing.close()
    with pytest.raises(StoreError, match="was closed"):
        missing.read_all()


RAW = bytes(range(32))


@pytest.mark.parametrize(
    "text",
    [
        RAW.hex(),
        RAW.hex().upper(),
        base64.b64encode(RAW).decode(),
        base64.b64encode(RAW).decode().rstrip("="),
        base64.urlsafe_b64encode(RAW).decode(),
        f" {RAW.hex()} ",
    ],
)
def test_keys_as_text(text: str) -> None:
    (found,) = master_keys({"GITOPS_MASTER_KEY": text})
    assert found.secret == RAW


@pytest.mark.parametrize("content", [RAW, RAW.hex().encode() + b"\n", base64.b64encode(RAW) + b"\r\n"])
def test_keys_in_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    found = master_keys({"GITOPS_MASTER_KEY": f"file:{path},{bytes(32).hex()}"})
    assert [k.secret for k in found] == [RAW, bytes(32)]


@pytest.mark.parametrize("text", ["short", "g" * 64, RAW.hex()[:-2], base64.b64encode(RAW[:-1]).decode()])
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    with pytest.raises(SecretsError, match="32 bytes") as caught:
        master_keys({"GITOPS_MASTER_KEY": text})
    assert text not in str(caught.value)


def test_no_key_and_files_that_can_not_be_read(tmp_path: Path) -> None:
    for text in ("", " , "):
        with pytest.raises(SecretsError, match="isn't set"):
            master_keys({"GITOPS_MASTER_KEY": text})
    with pytest.raises(SecretsError, match="No such file"):
        master_keys({"GITOPS_MASTER_KEY": f"file:{tmp_path}/none"})
    with pytest.raises(SecretsError, match="is no file"):
        master_keys({"GITOPS_MASTER_KEY": f"file:{tmp_path}"})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SecretsError, match="is no file"):
        master_keys({"GITOPS_MASTER_KEY": f"file:{tmp_path}/pipe"})
    with pytest.raises(SecretsError, match="key 2 of GITOPS_MASTER_KEY"):
        master_keys({"GITOPS_MASTER_KEY": f"{RAW.hex()},nonsense"})
