"""The two sealed files: what opens them, what does not, and what is refused before any work."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from struct import pack_into

import pytest

from talos.core import codec
from talos.drivers.keystore import (
    ROOT_FILE,
    STORAGE_KEYS_MAX,
    UNLOCK_FILE,
    Keystore,
    Sealed,
    Unlocked,
)
from talos.drivers.sealed_file import (
    FILE_SIZE_MAX,
    MEMORY_MAX_KIB,
    PASSES_MAX,
    Cost,
    Purpose,
    seal,
    unseal,
)
from talos.errors import Damaged, MalformedMessage, NoIdentity, PassphraseNeeded, StoreFailed, UsageError

CHEAP = Cost(passes=1, memory_kib=8)
SEED = bytes(range(32))
UNLOCKED = Unlocked(3, b"rotation-key-secret-of-32-bytes!", {1: b"k" * 32, 2: b"l" * 32}, 2)
HASH_SIZE = 32
PASSES_AT, MEMORY_AT = 11, 15  # Offsets in the header, after magic, version, purpose and kdf.


def dice(size: int) -> bytes:
    return bytes(range(100, 100 + size))


def keystore(folder: Path, root_file: Path | None = None) -> Keystore:
    return Keystore(folder, root_file, CHEAP)


def made(folder: Path, passphrase: str | None = "open sesame") -> Keystore:
    store = keystore(folder)
    store.create(sealed(store, passphrase))
    return store


def sealed(store: Keystore, passphrase: str | None = "open sesame") -> Sealed:
    return store.seal(SEED, UNLOCKED, dice, passphrase=passphrase, no_passphrase=passphrase is None)


def rehashed(raw: bytes | bytearray) -> bytes:
    """Return `raw` with the hash at its end made right again, as a forger would."""
    body = bytes(raw[:-HASH_SIZE])
    return body + sha256(body).digest()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("passphrase", ["open sesame", None])
def test_what_was_sealed_opens_with_the_same_passphrase(passphrase: str | None) -> None:
    sealed = seal(Purpose.ROOT, SEED, passphrase, dice, CHEAP)
    assert unseal(Purpose.ROOT, sealed, passphrase) == SEED
    assert SEED not in sealed


def test_the_header_is_as_documented() -> None:
    sealed = seal(Purpose.UNLOCK, SEED, "x", dice, Cost(2, 64))
    assert sealed[:19] == b"TALOSKEY\x01\x02\x01\x00\x00\x00\x02\x00\x00\x00\x40"
    assert sealed[19:59] == dice(16) + dice(24)
    assert len(sealed) == 59 + 32 + 16 + 32


def test_a_missing_or_wrong_passphrase_is_told_from_damage() -> None:
    sealed = seal(Purpose.ROOT, SEED, "open sesame", dice, CHEAP)
    for wrong in (None, "open sesam", "Open sesame"):
        with pytest.raises(PassphraseNeeded) as caught:
            unseal(Purpose.ROOT, sealed, wrong)
        assert "TALOS_PASSPHRASE" in str(caught.value.fix)


def test_a_passphrase_for_what_is_sealed_under_none_is_refused_because_somebody_may_have_exchanged_it() -> None:
    exchanged = seal(Purpose.UNLOCK, SEED, None, dice)
    with pytest.raises(PassphraseNeeded, match="lie open") as caught:
        unseal(Purpose.UNLOCK, exchanged, "open sesame")
    assert "--no-passphrase" in str(caught.value.fix)


def test_a_passphrase_is_the_same_however_its_letters_are_composed() -> None:
    sealed = seal(Purpose.ROOT, SEED, "Schl\u00fcssel", dice, CHEAP)
    assert unseal(Purpose.ROOT, sealed, "Schlu\u0308ssel") == SEED


def test_letters_that_only_look_alike_are_not_the_same_passphrase() -> None:
    sealed = seal(Purpose.ROOT, SEED, "file", dice, CHEAP)
    with pytest.raises(PassphraseNeeded, match="is wrong"):
        unseal(Purpose.ROOT, sealed, "\ufb01le")  # A ligature, which compatibility would take apart.


def test_the_most_passes_that_we_grant_are_granted() -> None:
    sealed = seal(Purpose.ROOT, SEED, "open sesame", dice, Cost(PASSES_MAX, CHEAP.memory_kib))
    assert unseal(Purpose.ROOT, sealed, "open sesame") == SEED


@pytest.mark.parametrize(("passphrase", "why"), [("", "must not be empty"), ("m\udcfcller", "must be UTF-8")])
def test_what_is_no_passphrase_is_refused(passphrase: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        seal(Purpose.ROOT, SEED, passphrase, dice, CHEAP)


@pytest.mark.parametrize("passphrase", ["open sesame", None])
def test_every_flipped_bit_and_every_cut_is_damage(passphrase: str | None) -> None:
    sealed = seal(Purpose.ROOT, SEED, passphrase, dice, CHEAP)
    for at in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(Damaged):
            unseal(Purpose.ROOT, bytes(flipped), passphrase)
    for size in range(len(sealed)):
        with pytest.raises(Damaged):
            unseal(Purpose.ROOT, sealed[:size], passphrase)


def test_a_forged_header_does_not_open_even_with_its_hash_made_right() -> None:
    sealed = seal(Purpose.ROOT, SEED, None, dice, CHEAP)
    for at in range(len(sealed) - HASH_SIZE):
        forged = bytearray(sealed)
        forged[at] ^= 0x40
        with pytest.raises((Damaged, PassphraseNeeded)):
            unseal(Purpose.ROOT, rehashed(forged), None)


@pytest.mark.parametrize(
    ("passes", "memory_kib"),
    [(0, 8), (PASSES_MAX + 1, 8), (2**32 - 1, 8), (1, 7), (1, 0), (1, MEMORY_MAX_KIB + 1), (1, 2**32 - 1)],
)
def test_a_header_that_asks_for_too_much_work_is_refused_before_it(passes: int, memory_kib: int) -> None:
    forged = bytearray(seal(Purpose.ROOT, SEED, "x", dice, CHEAP))
    pack_into(">II", forged, PASSES_AT, passes, memory_kib)
    with pytest.raises(Damaged, match="more than we grant"):
        unseal(Purpose.ROOT, rehashed(forged), "x")


def test_one_file_does_not_serve_as_the_other() -> None:
    with pytest.raises(Damaged, match="no unlock file"):
        unseal(Purpose.UNLOCK, seal(Purpose.ROOT, SEED, None, dice), None)


def test_what_unlocks_is_read_as_it_was_written_up_to_its_limit() -> None:
    assert Unlocked.decode(UNLOCKED.encode()) == UNLOCKED
    full = replace(UNLOCKED, storage_keys={number: bytes(32) for number in range(STORAGE_KEYS_MAX)})
    assert Unlocked.decode(full.encode()) == full
    assert len(seal(Purpose.UNLOCK, full.encode(), None, dice)) <= FILE_SIZE_MAX
    with pytest.raises(MalformedMessage, match=r"^storage_keys: "):
        Unlocked.decode(replace(full, storage_keys={**full.storage_keys, 99: bytes(32)}).encode())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ((2, 3, bytes(32), [(1, bytes(32))], 1), "version"),
        ((1, -1, bytes(32), [(1, bytes(32))], 1), "rotation_index"),
        ((1, 3, bytes(31), [(1, bytes(32))], 1), "rotation_secret"),
        ((1, 3, bytes(32), [], 1), "storage_keys"),
        ((1, 3, bytes(32), [(1, bytes(31))], 1), "storage_key"),
        ((1, 3, bytes(32), [(1, bytes(32)), (1, bytes(32))], 1), "storage_key.id"),
        ((1, 3, bytes(32), [(2, bytes(32)), (1, bytes(32))], 1), "storage_key.id"),
        ((1, 3, bytes(32), [(1,)], 1), "storage_key"),
        ((1, 3, bytes(32), [(1, bytes(32))], 2), "a storage key that it does not hold"),
        ((1, 3, bytes(32), [(1, bytes(32))]), "keys"),
    ],
)
def test_whatever_is_wrong_inside_is_refused(fields: tuple[codec.Field, ...], why: str) -> None:
    with pytest.raises(Damaged, match=why):
        Unlocked.decode(codec.pack(*fields))


def test_no_secret_shows_in_a_repr() -> None:
    assert "secret-of" not in repr(UNLOCKED)
    assert "kkk" not in repr(UNLOCKED)


@pytest.mark.parametrize("passphrase", ["open sesame", None])
def test_a_keystore_is_made_private_and_opens_again(tmp_path: Path, passphrase: str | None) -> None:
    folder = tmp_path / "data"
    store = made(folder, passphrase)
    assert store.exists()
    assert store.unlock(passphrase) == UNLOCKED
    assert store.recovery_seed(passphrase) == SEED
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())}
    assert modes == {"data": "0o700", ROOT_FILE: "0o600", UNLOCK_FILE: "0o600"}


def test_without_a_passphrase_only_if_asked_for_by_name(tmp_path: Path) -> None:
    for passphrase, no_passphrase in ((None, False), ("x", True)):
        with pytest.raises(UsageError) as caught:
            keystore(tmp_path / "data").seal(SEED, UNLOCKED, dice, passphrase=passphrase, no_passphrase=no_passphrase)
        assert "--no-passphrase" in str(caught.value.fix)


def test_the_seed_may_have_a_place_and_a_passphrase_of_its_own(tmp_path: Path) -> None:
    store = keystore(tmp_path / "data", tmp_path / "stick" / "seed")
    store.create(store.seal(SEED, UNLOCKED, dice, passphrase="daily", root_passphrase="rare"))
    assert store.unlock("daily") == UNLOCKED
    assert store.recovery_seed("rare") == SEED
    with pytest.raises(PassphraseNeeded):
        store.recovery_seed("daily")
    assert [path.name for path in (tmp_path / "data").iterdir()] == [UNLOCK_FILE]


def test_an_identity_is_never_overwritten(tmp_path: Path) -> None:
    store = made(tmp_path / "data")
    with pytest.raises(UsageError, match="is there already"):
        store.create(sealed(store, "x"))
    store.unlock_path.unlink()
    with pytest.raises(UsageError, match="is there already"):
        store.create(sealed(store, "x"))
    assert store.recovery_seed("open sesame") == SEED


def test_nothing_half_made_stays_where_making_fails(tmp_path: Path) -> None:
    store = keystore(tmp_path / "data", tmp_path / "stick" / "seed")
    with files_of_at_most(200), pytest.raises(StoreFailed):  # The seed's file fits, the other does not.
        store.create(sealed(store, "x"))
    assert (list(store.folder.iterdir()), list(store.root_path.parent.iterdir())) == ([], [])


def test_a_folder_without_identity_says_how_to_make_one(tmp_path: Path) -> None:
    store = keystore(tmp_path)
    assert not store.exists()
    for read in (store.unlock, store.recovery_seed):
        with pytest.raises(NoIdentity) as caught:
            read(None)
        assert "talos init" in str(caught.value.fix)
    with pytest.raises(NoIdentity) as caught:
        store.require()
    assert caught.value.fix == f"talos init --data-dir {tmp_path}", "a name alone would make another"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_reach_is_refused_with_the_mend(tmp_path: Path, mode: int) -> None:
    store = made(tmp_path / "data")
    store.unlock_path.chmod(mode)
    with pytest.raises(UsageError) as caught:
        store.unlock("open sesame")
    assert caught.value.fix == f"Run `chmod 600 {store.unlock_path}`"


def test_a_folder_that_others_can_reach_is_refused_with_the_mend(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(UsageError) as caught:
        made(folder)
    assert caught.value.fix == f"Run `chmod 700 {folder}`"
    assert list(folder.iterdir()) == []


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    store = made(tmp_path / "data")
    store.unlock_path.write_bytes(bytes(FILE_SIZE_MAX + 1))
    with pytest.raises(Damaged):
        store.unlock("open sesame")


@pytest.mark.parametrize("passphrase", ["open sesame", None])
def test_other_storage_keys_are_kept_without_asking_for_the_passphrase_again(
    tmp_path: Path, passphrase: str | None
) -> None:
    store = made(tmp_path / "data", passphrase)
    before = store.unlock_path.read_bytes()
    store.open(passphrase).keep({1: b"k" * 32, 3: b"m" * 32}, 3)
    assert store.unlock(passphrase) == replace(UNLOCKED, storage_keys={1: b"k" * 32, 3: b"m" * 32}, storage_current=3)
    after = store.unlock_path.read_bytes()
    nonce = slice(MEMORY_AT + 4 + 16, MEMORY_AT + 4 + 16 + 24)
    assert before[nonce] != after[nonce], "no nonce twice under one key"
    assert oct(store.unlock_path.stat().st_mode & 0o777) == "0o600"
    if passphrase is not None:
        with pytest.raises(PassphraseNeeded):
            store.unlock("wrong")


def test_storage_keys_that_cannot_be_written_leave_those_that_were(tmp_path: Path) -> None:
    store = made(tmp_path / "data")
    opened = store.open("open sesame")
    with files_of_at_most(50), pytest.raises(StoreFailed):
        opened.keep({1: b"k" * 32, 3: b"m" * 32}, 3)
    assert store.unlock("open sesame") == UNLOCKED
