"""What `proof.json` may not be: any other text, however it came to be; and what no proof is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.diary_read import Reader
from talos.core.proof_file import FORMAT, PATH_MAX, TEXT_SIZE_MAX, Proof, check_proof, make_proof
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, META, TREE, entry_key, tree_key
from talos.errors import Damaged, MalformedMessage, UsageError
from tests.node.core.logs import VECTORS, Log, flipped, leaf, note, put, row, short_log

TEXT: Final[str] = VECTORS["proof"]
HASH: Final = "00" * 32
# As JSON, because some of it no Python value is written as.
VALUES: Final = [
    *("null", "true", "0", "-1", "1.0", "2.5", "NaN", "1e3", str(2**63), "9" * 5_000),
    *('""', '"0"', '"zz"', '"0 0"', '"\\u00e9"', '"\\ud800"', '"\\u0000"', '"' + "00" * 500 + '"'),
    *("[]", "[null]", "[[]]", '["00"]', "{}", '{"size": 1}'),
    "[" * 5_000 + "]" * 5_000,
]


def value() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(TEXT)
    return loaded


def text_of(changed: dict[str, Any]) -> str:
    """Return a proof's text as the node would write it."""
    return json.dumps(changed, indent=1) + "\n"


def with_raw(name: str, raw: str, *, inner: str | None = None) -> str:
    """Return the text with a member's value replaced by any JSON."""
    changed = value()
    if inner is None:
        changed[name] = "THE VALUE"
    else:
        changed[name][inner] = "THE VALUE"
    return text_of(changed).replace('"THE VALUE"', raw)


def believe(text: str) -> None:
    """Check a proof against the earlier root that is known."""
    check_proof(Proof.decode(text), bytes.fromhex(value()["earlier"]["root"]))


def test_the_text_is_taken_as_it_was_written_and_in_no_other_form() -> None:
    assert text_of(value()) == TEXT == Proof.decode(TEXT).encode()
    believe(TEXT)
    others = [
        json.dumps(value()),
        json.dumps(value(), indent=2) + "\n",
        json.dumps(value(), indent=1, sort_keys=True) + "\n",
        json.dumps(value(), indent=1, ensure_ascii=False) + "\n",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + " ",
        "\ufeff" + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace('"index": 2', '"index": 2, "index": 2', 1),
        TEXT.replace('{\n "format"', '{\n "comment": "",\n "format"'),
    ]
    for other in others:
        with pytest.raises(Damaged):
            Proof.decode(other)


@pytest.mark.parametrize("name", list(value()))
def test_a_proof_with_a_member_missing_or_added_is_refused(name: str) -> None:
    changed = value()
    del changed[name]
    with pytest.raises(Damaged):
        Proof.decode(text_of(changed))
    changed = value() | {name + " again": value()[name]}
    with pytest.raises(Damaged):
        Proof.decode(text_of(changed))


@pytest.mark.parametrize("name", list(value()))
def test_a_member_of_any_other_value_is_refused_and_nothing_else_escapes(name: str) -> None:
    for raw in VALUES:
        if name in {"earlier", "opened"} and raw == "null":
            continue  # A proof may do without; what it then says is another test.
        with pytest.raises(Damaged):
            believe(with_raw(name, raw))


@pytest.mark.parametrize("inner", ["size", "root", "path"])
def test_a_member_of_the_earlier_root_of_any_other_value_is_refused(inner: str) -> None:
    for raw in VALUES:
        with pytest.raises(Damaged):
            believe(with_raw("earlier", raw, inner=inner))


def test_a_number_written_as_true_is_refused() -> None:
    log = short_log(5)
    text = make_proof(log.store, Reader(log.store, log.vault), 1, since=1, reveal=True).encode()
    check_proof(Proof.decode(text), log.checkpoint().root)
    for changed in (text.replace('"size": 1,', '"size": true,'), text.replace('"index": 1,', '"index": true,')):
        assert changed != text
        with pytest.raises(Damaged):
            Proof.decode(changed)


@pytest.mark.parametrize("name", ["leaf", "opened", "card", "key_log"])
def test_hex_in_capitals_or_with_spaces_is_refused(name: str) -> None:
    for other in (value()[name].upper(), value()[name][:2] + " " + value()[name][2:]):
        with pytest.raises(Damaged):
            Proof.decode(text_of(value() | {name: other}))


def test_what_an_entry_says_in_words_is_what_it_says_in_bytes() -> None:
    for name, other in (("type", "SESSION"), ("time_ms", 0), ("peer", ""), ("details", None), ("index", 1)):
        changed = value()
        changed["entry"][name] = other
        with pytest.raises(Damaged, match="not as it was written"):
            Proof.decode(text_of(changed))
    for name, other in (("did", "did:talos:" + "a" * 52), ("origin", "talos/audit/a/b/1")):
        with pytest.raises(Damaged, match="not as it was written"):
            Proof.decode(text_of(value() | {name: other}))


def test_leaving_out_what_was_revealed_leaves_a_sealed_proof_only_if_the_words_go_too() -> None:
    with pytest.raises(Damaged, match="not as it was written"):
        Proof.decode(text_of(value() | {"opened": None}))
    entry = value()["entry"] | {"peer": None, "details": None}
    assert Proof.decode(text_of(value() | {"opened": None, "entry": entry})).opened is None


# Sizes


def test_a_text_over_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MalformedMessage, match=f"{TEXT_SIZE_MAX + 1} characters, at most {TEXT_SIZE_MAX}"):
        Proof.decode("[" * (TEXT_SIZE_MAX + 1))


def test_a_path_over_the_limit_is_refused() -> None:
    with pytest.raises(Damaged, match="does not hold"):
        believe(text_of(value() | {"path": [HASH] * PATH_MAX}))
    for where in ({"path": [HASH] * (PATH_MAX + 1)}, {"earlier": value()["earlier"] | {"path": [HASH] * 65}}):
        with pytest.raises(MalformedMessage, match=f"at most {PATH_MAX} hashes"):
            Proof.decode(text_of(value() | where))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "7", '"proof"', "{", "\x00", "[" * 100_000])
def test_what_is_no_object_of_this_format_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage, match=r"^proof: "):
        Proof.decode(text)


@pytest.mark.parametrize("other", ["talos-audit-proof/2", "", None, 1, FORMAT + " "])
def test_another_format_is_refused_by_its_name(other: object) -> None:
    with pytest.raises(MalformedMessage, match=f"its format is not {FORMAT}"):
        Proof.decode(text_of(value() | {"format": other}))


@given(st.text(max_size=300))
def test_no_text_that_nobody_wrote_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(Damaged):
        Proof.decode(text)


# Making


def test_an_entry_that_no_checkpoint_covers_is_not_proved() -> None:
    log = Log()
    log.write(*[note(1)] * 5)
    log.sign()
    log.write(note(2))
    for index in (6, 7, 100):
        with pytest.raises(UsageError):
            make_proof(log.store, Reader(log.store, log.vault), index, since=None, reveal=True)
    unsigned = Log("unsigned")
    unsigned.store.commit([Put(META, b"checkpoint", None)])
    with pytest.raises((UsageError, Damaged)):
        make_proof(unsigned.store, Reader(unsigned.store, unsigned.vault), 0, since=None, reveal=True)


@pytest.mark.parametrize("since", [0, -1, 21, 2**63])
def test_nothing_is_proved_since_a_size_that_the_log_never_had(since: int) -> None:
    log = short_log(20)
    with pytest.raises(UsageError):
        make_proof(log.store, Reader(log.store, log.vault), 3, since=since, reveal=True)


def test_an_erased_entry_is_proved_sealed_whatever_was_asked() -> None:
    log = short_log(20)
    put(log, BODIES, entry_key(3), None)
    proof = make_proof(log.store, Reader(log.store, log.vault), 3, since=None, reveal=True)
    assert proof.opened is None
    entry = check_proof(Proof.decode(proof.encode()), log.checkpoint().root)
    assert (entry.index, entry.peer, entry.details) == (3, None, None)


def test_no_proof_goes_on_from_an_earlier_root_if_a_hash_below_it_was_changed() -> None:
    log = short_log(20)
    put(log, TREE, tree_key(0, 0), flipped(row(log, TREE, tree_key(0, 0)), 5 * 256))
    make_proof(log.store, Reader(log.store, log.vault), 17, since=None, reveal=True)
    with pytest.raises(Damaged):
        make_proof(log.store, Reader(log.store, log.vault), 17, since=4, reveal=True)


DAMAGES: Final[dict[str, Callable[[Log], None]]] = {
    "its leaf was changed": lambda log: put(log, ENTRIES, entry_key(3), flipped(leaf(log, 3), 80)),
    "its body was changed": lambda log: put(log, BODIES, entry_key(3), flipped(row(log, BODIES, entry_key(3)), 400)),
    "a hash beside it was changed": lambda log: put(
        log, TREE, tree_key(0, 0), flipped(row(log, TREE, tree_key(0, 0)), 2 * 256)
    ),
    "hashes far from it are gone": lambda log: put(log, TREE, tree_key(0, 1), None),
    "its hashes are gone": lambda log: put(log, TREE, tree_key(0, 0), None),
    "the checkpoint was changed": lambda log: put(
        log, META, b"checkpoint", flipped(row(log, META, b"checkpoint"), -80)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_no_proof_is_made_of_an_entry_if(damage: Callable[[Log], None]) -> None:
    log = short_log(20)
    damage(log)
    with pytest.raises(Damaged):
        make_proof(log.store, Reader(log.store, log.vault), 3, since=None, reveal=True)
