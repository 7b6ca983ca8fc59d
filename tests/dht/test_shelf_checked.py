"""What is held is checked again when it is told, and when it was kept over a restart."""

from __future__ import annotations

import pytest

from talos_dht import BadStatement, KeyOf, NoRoom, Now, Provider, Record
from talos_dht import shelf as limits
from talos_dht.shelf import Shelf
from talos_dht.statement import LIFE_MS, SKEW_MS, TIME_MS_MAX
from tests.dht.people import contact
from tests.dht.publishers import HOUR_MS, NOW, UTC_MS, KeyLogs, Publisher, at

OWN = contact(0)
ADA, EVE = Publisher(1), Publisher(2)
PLACE = ADA.record().places[0]
NET = contact(1).network


def holding(*held: Record | Provider) -> tuple[Shelf, dict[bytes, bytes]]:
    rows: dict[bytes, bytes] = {}
    made = Shelf(OWN.id, rows, NOW)
    for one in held:
        made.put(one.places[0] if isinstance(one, Record) else one.place, one, NET, NOW)
    return made, rows


def has_another_event(*_: object) -> bytes:
    raise BadStatement("the key log has another event there")


def has_another_key(*_: object) -> bytes:
    return bytes(EVE.pair.verify_key)


@pytest.mark.parametrize("key_of", [has_another_event, has_another_key])
def test_what_its_key_log_does_not_bear_out_any_more_is_not_told_and_let_go(key_of: KeyOf) -> None:
    made, rows = holding(ADA.record())
    assert made.checked(PLACE, KeyLogs(ADA).key_of, NOW) == [ADA.record()]
    assert made.checked(PLACE, key_of, NOW) == []
    assert (len(made), rows, made._signers) == (0, {}, {})


def test_what_nobody_can_tell_of_is_not_told_and_kept() -> None:
    made, _ = holding(ADA.record())
    assert made.checked(PLACE, KeyLogs().key_of, NOW) == []
    assert made.checked(PLACE, KeyLogs(ADA).key_of, NOW) == [ADA.record()]


@pytest.mark.parametrize(
    ("now", "count"),
    [
        (at(HOUR_MS - 1), 1),
        (at(HOUR_MS), 0),
        (Now(5, UTC_MS + HOUR_MS), 0),  # The machine slept: the monotonic clock stood still.
        (Now(HOUR_MS, UTC_MS), 0),  # The other was put back.
        (Now(5, UTC_MS - LIFE_MS), 0),
    ],
)
def test_what_has_ended_by_either_clock_is_not_told(now: Now, count: int) -> None:
    made, _ = holding(ADA.record(life_ms=HOUR_MS))
    assert len(made.checked(PLACE, KeyLogs(ADA).key_of, now)) == count
    assert (
        len(made.checked(PLACE, KeyLogs(ADA).key_of, at(1))) == 1
    )  # A clock that is set right again has cost nothing.


def test_a_signature_is_verified_once_for_each_key() -> None:
    made, _ = holding(ADA.record())
    made.checked(PLACE, KeyLogs(ADA).key_of, NOW)
    assert made._signers == {PLACE + ADA.did: bytes(ADA.pair.verify_key)}
    forged = ADA.record(2).signed(EVE.sign)
    made.put(PLACE, forged, NET, NOW)
    assert made.checked(PLACE, KeyLogs(ADA).key_of, NOW) == []


def test_after_a_restart_a_row_is_in_the_share_of_the_network_that_brought_it() -> None:
    publishers = [Publisher(number) for number in range(10, 10 + limits.PER_NETWORK_MAX)]
    made, rows = holding(*(one.provider(f"{number}") for number, one in enumerate(publishers)))
    again = Shelf(OWN.id, rows, NOW)
    assert again.spoilt == []
    assert again._networks == made._networks == {NET: limits.PER_NETWORK_MAX}
    with pytest.raises(NoRoom):
        again.put(PLACE, ADA.record(), NET, NOW)
    again.put(PLACE, ADA.record(), None, NOW)
    assert Shelf(OWN.id, rows, NOW)._rows[PLACE + ADA.did].network is None


def test_a_row_that_cannot_be_read_is_left_out_and_named_and_all_others_are_held() -> None:
    _, rows = holding(ADA.record(), EVE.record(), ADA.provider())
    good = dict(rows)
    name, raw = PLACE + ADA.did, rows[PLACE + ADA.did]
    bad = {
        b"": b"",
        b"x" * 52: raw,
        EVE.record().places[1] + ADA.did: raw,
        PLACE + EVE.did: raw,
        ADA.record().places[1] + ADA.did: raw[:-1],
        ADA.record().places[2] + ADA.did: b"\x02" + raw[1:],
        EVE.record().places[2] + EVE.did: b"\x00\xff" + raw[2:],
    }
    rows.update(bad)
    made = Shelf(OWN.id, rows, NOW)
    assert made.at(PLACE, 0) == [ADA.record()]
    assert {one.name for one in made.spoilt} == set(bad)
    assert all(one.why for one in made.spoilt)
    assert rows == good
    assert Shelf(OWN.id, rows, NOW).spoilt == []
    rows[name] = raw[:50]
    assert [one.why for one in Shelf(OWN.id, rows, NOW).spoilt] == ["record: not one whole canonical array"]


def test_a_row_that_would_never_end_is_left_out_and_one_that_has_ended_is_no_damage() -> None:
    _, rows = holding(ADA.record(), EVE.record(life_ms=TIME_MS_MAX - UTC_MS), Publisher(3).record(life_ms=HOUR_MS))
    made = Shelf(OWN.id, rows, at(HOUR_MS))
    assert len(made) == len(rows) == 1
    assert [one.name[20:] for one in made.spoilt] == [EVE.did]
    assert str(LIFE_MS) in made.spoilt[0].why
    assert SKEW_MS + LIFE_MS < TIME_MS_MAX - UTC_MS


def test_rows_beyond_a_quota_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _, rows = holding(*(ADA.provider(f"topic {number}") for number in range(5)))
    monkeypatch.setattr(limits, "PER_PUBLISHER_MAX", 3)
    made = Shelf(OWN.id, rows, NOW)
    assert len(made) == len(rows) == 3
    assert [one.why for one in made.spoilt] == ["3 of one publisher are held"] * 2


def test_a_restart_writes_nothing() -> None:
    class Unwritten(dict[bytes, bytes]):
        def __setitem__(self, name: bytes, raw: bytes) -> None:
            raise AssertionError("written again")

    _, rows = holding(ADA.record(), ADA.provider())
    assert len(Shelf(OWN.id, Unwritten(rows), NOW)) == 2
