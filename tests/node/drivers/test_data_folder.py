"""The data folder: what is left where making one fails, and what is refused where something of it is gone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from talos.drivers.data_folder import DID_FILE, DataFolder, finish_replace
from talos.drivers.folder_lock import hold_folder
from talos.drivers.keystore import ROOT_FILE, UNLOCK_FILE
from talos.drivers.lmdb_rows import DATA_FILE
from talos.errors import Damaged, NoIdentity, PassphraseNeeded, Refused, StoreFailed, UsageError

SIZE_MIB: Final = 64


def made(path: Path) -> DataFolder:
    folder = DataFolder(path, SIZE_MIB)
    folder.create("ada", passphrase=None)
    return folder


def names(path: Path) -> set[str]:
    return {each.name for each in path.rglob("*")}


def test_a_making_that_fails_leaves_nothing_but_the_lock(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "node", SIZE_MIB)
    with pytest.raises(UsageError, match="must not be empty"):
        folder.create("ada", passphrase="")
    (folder.path / f".{UNLOCK_FILE}.new").mkdir()  # So that the last of its files cannot be written.
    for _ in range(2):
        with pytest.raises(StoreFailed, match="cannot write"):
            folder.create("ada", passphrase=None)
    assert names(folder.path) == {"lock", f".{UNLOCK_FILE}.new"}


def test_a_folder_open_to_others_or_a_seed_in_the_way_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_bytes(b"of another identity")
    for folder in (DataFolder(tmp_path / "node", SIZE_MIB, seed), DataFolder(tmp_path, SIZE_MIB)):
        tmp_path.chmod(0o755)
        with pytest.raises(UsageError):
            folder.create("ada", passphrase=None)
    assert (names(tmp_path), seed.read_bytes()) == ({"seed"}, b"of another identity")


def test_a_store_and_a_seed_without_an_identity_are_moved_aside_together_and_kept(tmp_path: Path) -> None:
    folder = made(tmp_path)
    seed = (tmp_path / ROOT_FILE).read_bytes()
    (tmp_path / UNLOCK_FILE).unlink()
    (tmp_path / "store.old-1").mkdir()
    folder.create("ada", passphrase=None)
    assert (tmp_path / f"{ROOT_FILE}.old-2").read_bytes() == seed
    assert (tmp_path / "store.old-2" / "state" / "data.mdb").exists()
    assert (tmp_path / ROOT_FILE).read_bytes() != seed


def test_a_seed_file_that_is_named_but_lies_in_the_folder_is_moved_aside_too(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path, SIZE_MIB, tmp_path / "kept" / "seed")
    folder.create("ada", passphrase=None)
    (tmp_path / UNLOCK_FILE).unlink()
    folder.create("ada", passphrase=None)
    assert (tmp_path / "kept" / "seed.old-1").exists()


def test_an_identity_is_refused_and_not_moved(tmp_path: Path) -> None:
    folder = made(tmp_path)
    did = folder.did()
    with pytest.raises(Refused, match="there is an identity"):
        folder.create("ada", passphrase=None)
    assert folder.did() == did


def test_open_keys_are_refused_to_whoever_brings_a_passphrase(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with pytest.raises(PassphraseNeeded, match="lie open"), folder.open("a passphrase"):
        pass
    with folder.open(None) as opened:
        assert opened.me.did == folder.did()


def test_an_identity_without_its_store_is_damaged_and_nothing_takes_its_place(tmp_path: Path) -> None:
    folder = made(tmp_path)
    shutil.rmtree(tmp_path / "store" / "state")
    (tmp_path / "lock").unlink()
    left = names(tmp_path)
    with pytest.raises(Damaged, match="is gone"), folder.open(None):
        pass
    with pytest.raises(Damaged, match="is gone"):
        folder.did()
    assert names(tmp_path) == left


def test_a_damaged_cache_says_that_it_can_be_deleted_and_then_the_node_opens(tmp_path: Path) -> None:
    folder = made(tmp_path / "node")
    with folder.open(None):
        pass
    cache = folder.path / "store" / "cache"
    (cache / DATA_FILE).write_bytes((cache / DATA_FILE).read_bytes()[:5_000])
    with pytest.raises(Damaged, match="cache is damaged") as caught, folder.open(None):
        pass
    assert caught.value.fix == f"Check the disk, then delete {cache}: what is in it is fetched again"
    shutil.rmtree(cache)
    with folder.open(None):
        pass


def test_nothing_is_made_where_there_is_no_identity(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path, SIZE_MIB)
    with pytest.raises(NoIdentity), folder.open(None):
        pass
    with pytest.raises(NoIdentity):
        folder.did()
    assert names(tmp_path) == set()


def test_who_it_is_can_be_asked_while_the_folder_is_held_and_its_store_open(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with hold_folder(tmp_path):
        did = folder.did()
    with folder.open(None) as opened:
        assert folder.did() == did == opened.me.did


@pytest.mark.parametrize("harm", [b"", b"\xff\xfe", b"did:talos:abc\n"])
def test_a_did_that_is_not_as_it_was_written_is_damaged_until_a_start_writes_it_anew(
    tmp_path: Path, harm: bytes
) -> None:
    folder = made(tmp_path)
    did = folder.did()
    (tmp_path / DID_FILE).write_bytes(harm)
    with pytest.raises(Damaged, match="names no identity"):
        folder.did()
    with folder.open(None):
        assert folder.did() == did


def test_replacing_moves_all_aside_and_copies_what_is_to_be_kept(tmp_path: Path) -> None:
    folder = made(tmp_path / "node")
    did = folder.did()
    (folder.path / "settings").write_bytes(b"mine")
    aside = folder.replace(keep=("settings", "absent"))
    assert (aside, DataFolder(aside, SIZE_MIB).did()) == (tmp_path / "node.old-1", did)
    assert names(folder.path) == {"settings"}
    assert (folder.path / "settings").read_bytes() == (aside / "settings").read_bytes() == b"mine"


def test_what_a_killed_replacement_has_prepared_is_never_put_over_a_folder_that_is_there(tmp_path: Path) -> None:
    folder = made(tmp_path / "node")
    (tmp_path / ".node.new").mkdir()
    finish_replace(folder.path)
    assert folder.has_identity()
    folder.replace()
    finish_replace(folder.path)
    assert (names(folder.path), (tmp_path / ".node.new").exists()) == (set(), False)


def test_a_folder_that_cannot_be_renamed_is_refused_with_the_mend(tmp_path: Path) -> None:
    folder = made(tmp_path / ("x" * 250))  # With ".old-1" its name is longer than the 255 bytes of a file name.
    with pytest.raises(UsageError, match="cannot move"):
        folder.replace()
    assert folder.has_identity()


def test_keys_that_cannot_be_read_are_an_error_of_the_folder_and_not_ours(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (tmp_path / UNLOCK_FILE).unlink()
    (tmp_path / UNLOCK_FILE).mkdir(0o700)
    with pytest.raises(UsageError, match="cannot read"), folder.open(None):
        pass
