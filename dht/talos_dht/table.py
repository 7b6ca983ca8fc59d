"""Who is near whom: k-buckets, and the rules by which a contact gets a place in them and keeps it.

The buckets and their splitting are those of the kademlia package; what reads a clock there, starts a task, or is wrong
is overridden here, so that nothing of it runs (docs/decisions/0013-discovery.md says what and why).

    in        only who has answered us there; a full bucket takes nobody, but asks who was silent longest
    caps      2 of one network in a bucket, 3 in the table, one for each address and port
    out       after two requests in a row without an answer; the newest in waiting takes the place

Source: Maymounkov and Mazières, "Kademlia" (2002), sections 2.2, 2.4 and 4.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, cast

from kademlia.node import Node
from kademlia.routing import KBucket, RoutingTable

from talos_dht import codec
from talos_dht.contact import CONTACT_SIZE, ID_SIZE, Contact, number_of
from talos_dht.errors import Malformed

K: Final = 20  # Contacts of a bucket, copies of a record. With 8, a fifth of colluders cost 73% of all reads.
PER_BUCKET_NETWORK_MAX: Final = 2  # Contacts of one /24 or /48 in a bucket ...
PER_TABLE_NETWORK_MAX: Final = 3  # ... and in the table: its owner is one, however many ids it makes.
FAILURES_MAX: Final = 2  # Requests in a row without an answer, each sent three times: a lost datagram is none.
QUESTIONABLE_MS: Final = 900_000  # Silent for so long, a contact is asked whether it is there: BEP 5.
REFRESH_MS: Final = 3_600_000  # A bucket that no lookup went into for so long is looked up: Kademlia, section 2.3.
DUMP_MAX: Final = 200  # Contacts kept over a restart; one that answers is enough.
DUMP_SIZE_MAX: Final = DUMP_MAX * (CONTACT_SIZE + 2) + 16  # Bytes.

_VERSION: Final = 1
_KEYSPACE: Final = 1 << (8 * ID_SIZE)


class Entry(Node):
    """A contact in the table, and how it has been."""

    def __init__(self, contact: Contact) -> None:
        super().__init__(contact.id)
        self.contact = contact
        self.seen_ms = 0  # When it last answered.
        self.failures = 0  # Since then.


class Bucket(KBucket):
    """Both halves know where the middle belongs, and `last_updated` is the table's time, in ms."""

    fresh: list[Contact] | None = None  # Those who owe us no answer; None after a change.

    def touch_last_updated(self) -> None:
        """Called by the base's constructor alone, and it would read a clock there."""
        self.last_updated = 0

    def split(self) -> tuple[KBucket, KBucket]:
        low, high = self.range
        middle = (low + high) // 2
        halves = Bucket(low, middle, self.ksize), Bucket(middle + 1, high, self.ksize)
        for half in halves:
            half.last_updated = self.last_updated
        for node in self.nodes.values():  # Only our own id's bucket is split, and nobody waits for a place in that.
            halves[node.long_id > middle].add_node(node)
        return halves

    @property
    def entries(self) -> Iterator[Entry]:
        return cast("Iterator[Entry]", iter(self.nodes.values()))

    def heard(self) -> list[Contact]:
        """Return those who owe us no answer, in no order."""
        if self.fresh is None:
            self.fresh = [entry.contact for entry in self.entries if not entry.failures]
        return self.fresh

    def contacts(self) -> list[Contact]:
        """Return all, in no order."""
        return [entry.contact for entry in self.entries]

    def gap(self, target: int) -> int:
        """Return the least distance that an id of this bucket may have from `target`."""
        low, high = self.range
        return (low ^ target) & ~(high - low)


class Table(RoutingTable):
    """What one node knows of the others. Times are ms on the monotonic clock."""

    def __init__(self, own_id: bytes, k: int = K) -> None:
        self._placed: dict[bytes, Entry] = {}  # By id.
        self._places: dict[bytes, Entry] = {}  # By address and port.
        self._networks = Counter[bytes]()
        self.answers = 0  # Since the start.
        super().__init__(None, k, Node(own_id))

    def __len__(self) -> int:
        return len(self._placed)

    def __contains__(self, id: bytes) -> bool:
        return id in self._placed

    def answered(self, contact: Contact, now_ms: int) -> Contact | None:
        """Note an answer from there. Returns whom to ask first, if the bucket is full of others."""
        self.answers += 1
        known = self._placed.get(contact.id)
        if known is not None and known.contact.raw == contact.raw:
            self._answered_again(known, now_ms)
            return None
        if contact.id == self.node.id:
            return None
        # It may be somewhere else now; and one address and port is one node: this one, for it answered.
        gone = [entry for entry in (known, self._places.get(contact.place)) if entry is not None]
        may = self._admits(contact, but=gone)
        if known is not None and not may:
            gone.remove(known)  # Who passes datagrams on answers with any key, and shall take no place by that.
        for entry in gone:
            self._drop(entry)
        longest = self._answered_first(Entry(contact), now_ms) if may else None
        for entry in gone:
            self._promote(entry.long_id)
        return longest

    def is_wanted(self, contact: Contact) -> bool:
        """Say whether to ask back who asked us: whether an answer could give it a place, or moves one that it has."""
        entry = self._placed.get(contact.id)
        if entry is not None:
            return entry.contact.raw != contact.raw and self._admits(contact, but=[entry])
        if contact.id == self.node.id or contact.place in self._places or not self._admits(contact):
            return False
        bucket = self._bucket(contact.number)
        return len(bucket) < self.ksize or bucket.has_in_range(self.node)

    def failed(self, contact: Contact) -> bool:
        """Note that a request to this contact was lost: to where it is, not to where somebody said that it is. Returns
        whether it has gone by that."""
        entry = self._placed.get(contact.id)
        if entry is None or entry.contact != contact:
            return False
        entry.failures += 1
        self._bucket(entry.long_id).fresh = None
        if entry.failures < FAILURES_MAX:
            return False
        self.remove(contact.id)
        return True

    def remove(self, id: bytes) -> None:
        """Let go of a contact; whoever is in waiting, and may, takes its place."""
        entry = self._placed.get(id)
        if entry is not None:
            self._drop(entry)
            self._promote(entry.long_id)

    def closest(self, target: bytes, count: int = K, but: bytes = b"") -> list[Contact]:
        """Return the `count` contacts nearest to `target`, in order; none that has the id `but`, or owes us an answer,
        unless all do."""
        # All do when our own line was cut: whoever asks nobody then is never answered again.
        for of in (Bucket.heard, Bucket.contacts):
            found = [one for one in self._closest(target, count + (but in self._placed), of) if one.id != but]
            if found:
                return found[:count]
        return []

    def _closest(self, target: bytes, enough: int, of: Callable[[Bucket], list[Contact]]) -> list[Contact]:
        goal = number_of(target)
        home = self._bucket(goal)
        found = [*of(home)]
        if len(found) < enough:
            # A bucket is a subtree: all of one is nearer than all of the next, in the order of their gaps.
            for bucket in sorted(cast("list[Bucket]", self.buckets), key=lambda bucket: bucket.gap(goal)):
                if bucket is not home:
                    found += of(bucket)
                if len(found) >= enough:
                    break
        found.sort(key=lambda contact: contact.number ^ goal)
        return found[:enough]

    @property
    def owing(self) -> list[Contact]:
        """Those that owe us an answer: no lookup asks them, so somebody else must."""
        return [entry.contact for entry in self._entries() if entry.failures]

    def touch(self, target: bytes, now_ms: int) -> None:
        """Note that a lookup of `target` begins."""
        self._bucket(number_of(target)).last_updated = now_ms

    @property
    def parts(self) -> list[tuple[int, int]]:
        """First and last id of every bucket but that of our own id."""
        return [bucket.range for bucket in self.buckets if not bucket.has_in_range(self.node)]

    def stale(self, now_ms: int) -> list[tuple[int, int]]:
        """Return first and last id of every bucket that is due for a lookup."""
        return [bucket.range for bucket in self.buckets if bucket.last_updated + REFRESH_MS <= now_ms]

    def dump(self, more: Iterable[Contact] = ()) -> bytes:
        """Return the contacts that answered last, and behind them `more`: what to try first after a restart."""
        newest = sorted(self._entries(), key=lambda entry: -entry.seen_ms)
        contacts = [*(entry.contact for entry in newest), *more]
        return codec.pack(_VERSION, b"".join(contact.raw for contact in contacts[:DUMP_MAX]))

    # What the base has, mended.

    def flush(self) -> None:
        self.buckets = [Bucket(0, _KEYSPACE - 1, self.ksize)]
        self._placed.clear()
        self._places.clear()
        self._networks.clear()

    def get_bucket_for(self, node: Node) -> int:
        return self._index(node.long_id)

    def add_contact(self, node: Node) -> None:
        """Give a new `Entry` a place, splitting the bucket of our own id while that helps; else let it wait."""
        entry = cast("Entry", node)
        while True:
            index = self._index(entry.long_id)
            if self.buckets[index].add_node(entry):
                break
            if not self.buckets[index].has_in_range(self.node):
                return
            del self.buckets[index].replacement_nodes[entry.id]
            self.split_bucket(index)
        bucket = cast("Bucket", self.buckets[index])
        bucket.replacement_nodes.pop(entry.id, None)
        bucket.fresh = None
        self._placed[entry.id] = self._places[entry.contact.place] = entry
        if entry.contact.network is not None:
            self._networks[entry.contact.network] += 1

    def remove_contact(self, node: Node) -> None:
        self.remove(node.id)

    def find_neighbors(self, node: Node, k: int | None = None, exclude: Node | None = None) -> list[Node]:
        others = (one for one in self.closest(node.id, len(self)) if exclude is None or one.id != exclude.id)
        return [Node(one.id) for one in others][: k or self.ksize]

    def lonely_buckets(self) -> list[KBucket]:  # The package's reads a clock of its own: nobody shall call it unseen.
        raise NotImplementedError("ask `stale`, which is told the time")

    def _answered_again(self, entry: Entry, now_ms: int) -> None:
        """Keep the entry's place, now at the end of its bucket."""
        bucket = self._bucket(entry.long_id)
        bucket.nodes.move_to_end(entry.id)
        entry.seen_ms = now_ms
        if entry.failures:
            entry.failures, bucket.fresh = 0, None

    def _answered_first(self, entry: Entry, now_ms: int) -> Contact | None:
        """Give the entry a place, at the end of its bucket. Returns whom to ask first, if there is none."""
        entry.seen_ms = now_ms
        self.add_contact(entry)
        if entry.id in self:
            return None
        longest = next(self._bucket(entry.long_id).entries)
        return longest.contact if now_ms - longest.seen_ms >= QUESTIONABLE_MS else None

    def _promote(self, number: int) -> None:
        """Give a place that has become free to the newest in waiting who may have it."""
        bucket = self._bucket(number)
        for other in cast("list[Entry]", [*reversed(bucket.replacement_nodes.values())]):
            if len(bucket) == self.ksize:
                return
            del bucket.replacement_nodes[other.id]
            if self._admits(other.contact) and other.contact.place not in self._places:
                self.add_contact(other)

    def _entries(self) -> Iterator[Entry]:
        return chain.from_iterable(cast("Bucket", bucket).entries for bucket in self.buckets)

    def _bucket(self, number: int) -> Bucket:
        return cast("Bucket", self.buckets[self._index(number)])

    def _index(self, number: int) -> int:
        index = 0
        for bucket in self.buckets:
            if number <= bucket.range[1]:
                break
            index += 1
        return index

    def _drop(self, entry: Entry) -> None:
        bucket = self._bucket(entry.long_id)
        del bucket.nodes[entry.id]
        bucket.fresh = None
        del self._placed[entry.id], self._places[entry.contact.place]
        if entry.contact.network is not None:
            self._networks[entry.contact.network] -= 1
            if not self._networks[entry.contact.network]:
                del self._networks[entry.contact.network]

    def _admits(self, contact: Contact, but: Sequence[Entry] = ()) -> bool:
        """Say whether its network has room for it once those are gone."""
        network = contact.network
        if network is None or not self._networks[network]:
            return True
        left = self._networks[network] - sum(entry.contact.network == network for entry in but)
        bucket = self._bucket(contact.number).entries
        in_bucket = sum(entry.contact.network == network and entry not in but for entry in bucket)
        return in_bucket < PER_BUCKET_NETWORK_MAX and left < PER_TABLE_NETWORK_MAX


def load(raw: bytes) -> list[Contact]:
    """Return the contacts of a dump: to be asked, before any of them gets a place. Raises `Malformed`."""
    version, joined = codec.array(raw, length=2, size_max=DUMP_SIZE_MAX, field="dump")
    codec.integer(version, least=_VERSION, most=_VERSION, field="version")
    contacts = codec.octets(joined, most=DUMP_MAX * CONTACT_SIZE, field="contacts")
    if len(contacts) % CONTACT_SIZE:
        raise Malformed(f"contacts: {len(contacts)} bytes are no whole contacts")
    return [Contact(contacts[at : at + CONTACT_SIZE]) for at in range(0, len(contacts), CONTACT_SIZE)]
