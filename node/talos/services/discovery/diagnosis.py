"""What is well about finding and being found, and what is not: each point with its reason, and what mends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from talos.core.report import Diagnosis
from talos_dht import Contact, Record

if TYPE_CHECKING:
    from talos.services.discovery.service import Discovery


def network(here: Discovery) -> list[Diagnosis]:
    """Look at ports, neighbours, our own network, registries and relays, and at what others hold of us."""
    return [*_ports(here), *_neighbours(here), *_near(here), *_homes(here), *_published(here)]


async def duplicates(here: Discovery) -> list[Diagnosis]:
    """Ask every source whether anybody else publishes under our identity."""
    others = []
    async for name, record in _records(here):
        what = _of_another(here, record)
        if what is not None:
            others.append(f"{name} has {what}")
    if others:
        return [
            Diagnosis(
                "duplicates",
                ok=False,
                what="; ".join(others),
                fix="Stop the other node: two with one identity confuse everybody, and use keys twice",
            )
        ]
    return [Diagnosis("duplicates", ok=True, what="nobody else was found under this identity")]


def _ports(here: Discovery) -> Iterator[Diagnosis]:
    ports = ", ".join(str(port.address) for port in here.ports.opened)
    traffic = here.ports.traffic
    heard = f"{ports}: {traffic.received} datagrams came, {traffic.refused} of them refused, {traffic.sent} were sent"
    if here.ports.opened or here.trouble is not None:
        if here.ports.by_stream:
            silent = f"{ports}: no datagram comes from others, so they are asked over streams, and cannot ask us"
            yield Diagnosis("udp", ok=False, what=silent, fix="Let UDP through to and from that port")
        yield Diagnosis("ports", ok=here.trouble is None, what=here.trouble or heard, fix=None)
    said = ", ".join(f"{one.host}:{one.port}" + (" (relay)" if one.relay else "") for one in here.addresses())
    if said:
        yield Diagnosis("addresses", ok=True, what=said)
    else:
        fix = "Set `listen`, or `relays` if it can only dial"
        yield Diagnosis("addresses", ok=False, what="nobody can dial this node, and no relay has a way to it", fix=fix)


def _neighbours(here: Discovery) -> Iterator[Diagnosis]:
    if "dht" in here.settings.sources:
        known, held = len(here.dht.table), len(here.dht.shelf)
        seen = "nobody has told us" if here.dht.seen is None else _place(here, here.dht.seen)
        text = f"{known} other nodes are known, {held} statements are held; we are seen at {seen}"
        why = "; ".join(f"{way}: {why}" for way, why in here.ways_in.failures.items())
        fix = "Set `bootstrap` to a node that is up"
        yield Diagnosis("dht", ok=known > 0, what=text + (f"; {why}" if why and not known else ""), fix=fix)
    for registry in here.settings.registries:
        why = here.ways_in.failures.get(registry, "")
        yield Diagnosis(f"registry {registry.host}:{registry.port}", ok=not why, what=why or "it answers", fix=None)


def _near(here: Discovery) -> Iterator[Diagnosis]:
    if here.settings.lan:
        lan, traffic = here.lan, here.lan.traffic
        what = f"{lan.heard} nodes are near; {traffic.received} beacons came, {traffic.refused} of them refused"
        what += f", {traffic.sent} were sent"
        fix = "It is tried again all the time; `lan = false` does without"
        yield Diagnosis("lan", ok=lan.trouble is None, what=f"{lan.trouble}; {what}" if lan.trouble else what, fix=fix)


def _homes(here: Discovery) -> Iterator[Diagnosis]:
    for home in here.homes.homes:
        name = f"relay {home.at.host}:{home.at.port}"
        fix = "Is it up, and does it run with --relay?"
        yield Diagnosis(name, ok=home.is_reserved, what=home.reason or "we can be called there", fix=fix)


def _published(here: Discovery) -> Iterator[Diagnosis]:
    if here.addresses() and here.finder.sources.keys() - {"lan"}:  # Who hears a beacon holds nothing for us.
        what = f"{here.holders} other nodes said that they hold our record"
        fix = "Wait a minute after a start; else nobody is there to hold it, see above"
        yield Diagnosis("published", ok=here.holders > 0, what=what, fix=fix)


async def _records(here: Discovery) -> AsyncIterator[tuple[str, Record]]:
    for name, source in here.finder.sources.items():
        finding = await source.find(here.me.did)
        if finding.record is not None:
            yield name, finding.record


def _of_another(here: Discovery, record: Record) -> str | None:
    """Return what a record of our identity says that we have not said."""
    ours, others = here.me.party.ed25519, [one.key for one in record.instances]
    if ours not in others:
        return f"a record of another instance, {others[0].hex()[:16]}, number {record.seq}"
    if record.seq > here.newest_seq:
        return f"a record of this very instance that it has not published, number {record.seq}: a copy of this folder?"
    return None


def _place(here: Discovery, seen: bytes) -> str:
    contact = Contact(here.me.pair.public + seen)
    return f"{contact.host}:{contact.port}"
