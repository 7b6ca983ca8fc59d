"""Our own identity: what `enrol` writes is what `load` reads, and nothing of another's passes for it."""

from __future__ import annotations

import pytest

from talos.core.identity import CERTIFIED_MS, RENEW_MS, Enrolled, Identity, enrol, load, read_did
from talos.core.keylog import KeyLog
from talos.core.log_rows import DAMAGE_FIX
from talos.core.party import check_party
from talos.core.step import Put
from talos.core.tables import KEYLOGS, META, SECRETS, STATE_TABLES
from talos.core.vault import Vault
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged, NoIdentity, Refused
from tests.node.core.end import dice

NOW_MS = 1_700_000_000_000
VAULT = Vault({1: bytes(range(32))}, 1)


def enrolled(name: str = "alice") -> tuple[MemoryStore, Enrolled]:
    entropy = dice(name)
    made = enrol(name, entropy(32), VAULT, entropy, NOW_MS)
    store = MemoryStore(STATE_TABLES)
    store.commit(made.step.writes)
    return store, made


def loaded(name: str = "alice") -> Identity:
    store, made = enrolled(name)
    return load(store, VAULT, made.rotation_key, NOW_MS)


def test_what_is_enrolled_is_loaded() -> None:
    store, made = enrolled()
    me = load(store, VAULT, made.rotation_key, NOW_MS)
    assert (me.name, me.did, read_did(store)) == ("alice", made.did, made.did)
    assert me.party.x25519 == me.pair.public
    check_party(me.party, me.key_log, NOW_MS)


def test_the_identity_is_the_same_at_every_start() -> None:
    store, made = enrolled()
    first, second = (load(store, VAULT, made.rotation_key, NOW_MS) for _ in range(2))
    assert (first.party, first.origin, first.pair) == (second.party, second.origin, second.pair)


def test_a_certificate_holds_until_its_end_and_no_longer() -> None:
    me = loaded()
    check_party(me.party, me.key_log, NOW_MS + CERTIFIED_MS - 1)
    with pytest.raises(Refused):
        check_party(me.party, me.key_log, NOW_MS + CERTIFIED_MS)


@pytest.mark.parametrize(
    ("age_ms", "is_renewed"), [(CERTIFIED_MS - RENEW_MS, False), (CERTIFIED_MS - RENEW_MS + 1, True)]
)
def test_a_certificate_that_ends_within_a_year_is_renewed_at_the_start(age_ms: int, is_renewed: bool) -> None:
    store, made = enrolled()
    now_ms = NOW_MS + age_ms
    me = load(store, VAULT, made.rotation_key, now_ms)
    assert (me.renewal is not None) == is_renewed
    if me.renewal is not None:
        store.commit(me.renewal.writes)
        check_party(me.party, me.key_log, now_ms + CERTIFIED_MS - 1)
        again = load(store, VAULT, made.rotation_key, now_ms)
        assert (again.renewal, again.party) == (None, me.party)


def test_two_identities_share_nothing() -> None:
    one, other = loaded("alice"), loaded("bob")
    assert not {one.did, one.origin, one.pair.public, one.party.ed25519} & {
        other.did,
        other.origin,
        other.pair.public,
        other.party.ed25519,
    }


def test_nothing_secret_is_in_a_row_or_a_repr() -> None:
    store, made = enrolled()
    me = load(store, VAULT, made.rotation_key, NOW_MS)
    values = b"".join(put.value or b"" for put in made.step.writes)
    assert me.pair.secret not in values
    assert made.rotation_key not in values
    for secret in (made.rotation_key, me.pair.secret):
        assert repr(secret) not in repr(me) + repr(made)


def test_an_empty_store_holds_no_identity() -> None:
    store = MemoryStore(STATE_TABLES)
    for read in (lambda: read_did(store), lambda: load(store, VAULT, bytes(32), NOW_MS)):
        with pytest.raises(NoIdentity, match="talos init"):
            read()


@pytest.mark.parametrize(
    ("table", "key"), [(KEYLOGS, None), (SECRETS, b"instance"), (META, b"name"), (META, b"origin")], ids=str
)
def test_a_row_that_is_missing_is_damage_and_named(table: str, key: bytes | None) -> None:
    store, made = enrolled()
    store.commit([Put(table, key or made.did, None)])
    with pytest.raises(Damaged, match=table):
        load(store, VAULT, made.rotation_key, NOW_MS)


def test_the_keystore_of_another_identity_is_refused() -> None:
    store, _ = enrolled("alice")
    _, other = enrolled("bob")
    with pytest.raises(Damaged, match="another identity"):
        load(store, VAULT, other.rotation_key, NOW_MS)


def test_an_instance_key_that_the_key_log_does_not_know_is_refused() -> None:
    store, made = enrolled()
    secret = VAULT.seal(SECRETS, b"instance", bytes(range(64)), dice("thief"))
    store.commit([Put(SECRETS, b"instance", secret)])
    with pytest.raises(Damaged, match="does not know this instance") as caught:
        load(store, VAULT, made.rotation_key, NOW_MS)
    assert caught.value.fix == DAMAGE_FIX, "`talos init` alone is refused here, and an old copy reuses keys"


def test_another_vault_opens_nothing() -> None:
    store, made = enrolled()
    with pytest.raises(Damaged):
        load(store, Vault({1: bytes(32)}, 1), made.rotation_key, NOW_MS)


def test_a_key_log_of_somebody_else_is_refused() -> None:
    store, made = enrolled("alice")
    theirs, other = enrolled("bob")
    raw = theirs.get(KEYLOGS, other.did)
    assert raw is not None
    assert KeyLog.decode_and_verify(raw).state.did == other.did
    store.commit([Put(KEYLOGS, made.did, raw)])
    with pytest.raises(Damaged):
        load(store, VAULT, made.rotation_key, NOW_MS)


def test_a_certificate_that_ends_within_a_year_is_renewed_and_the_renewal_kept() -> None:
    store, made = enrolled()
    late_ms = NOW_MS + CERTIFIED_MS - RENEW_MS + 1
    young = load(store, VAULT, made.rotation_key, late_ms - 1)
    assert young.renewal is None
    me = load(store, VAULT, made.rotation_key, late_ms)
    assert me.renewal is not None
    store.commit(me.renewal.writes)
    assert me.party.not_after_ms == late_ms + CERTIFIED_MS
    check_party(me.party, me.key_log, late_ms + CERTIFIED_MS - 1)
    again = load(store, VAULT, made.rotation_key, late_ms)
    assert (again.renewal, again.party) == (None, me.party)
