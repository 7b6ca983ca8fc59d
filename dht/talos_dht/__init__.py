"""Who is near a key: routing, lookups, signed records. Sans-IO.

Knows nothing of Talos: datagrams go in and come out as bytes, `now` and `entropy` are arguments.
"""

from __future__ import annotations

from talos_dht.calls import Send
from talos_dht.contact import Contact, node_id
from talos_dht.dht import Dht, Done, Effect
from talos_dht.errors import BadStatement, DhtError, KeyLogUnknown, Malformed, NoRoom, Outdated
from talos_dht.jobs import Browse, Find, Job, Publish, Read
from talos_dht.lookup import Lookup, Report
from talos_dht.messages import BODY_MAX, DATAGRAM_MAX, SEAL_SIZE, Answer, Kind, Reason, Reply, Request, is_reply
from talos_dht.moment import Now
from talos_dht.provider import Provider, topic_of
from talos_dht.record import Address, Instance, Record
from talos_dht.row import Held, Spoilt
from talos_dht.statement import LIFE_MS, REPUBLISH_MS, KeyOf, check, place_of, rank
from talos_dht.table import K, Table, load

__all__ = [
    "BODY_MAX",
    "DATAGRAM_MAX",
    "LIFE_MS",
    "REPUBLISH_MS",
    "SEAL_SIZE",
    "Address",
    "Answer",
    "BadStatement",
    "Browse",
    "Contact",
    "Dht",
    "DhtError",
    "Done",
    "Effect",
    "Find",
    "Held",
    "Instance",
    "Job",
    "K",
    "KeyLogUnknown",
    "KeyOf",
    "Kind",
    "Lookup",
    "Malformed",
    "NoRoom",
    "Now",
    "Outdated",
    "Provider",
    "Publish",
    "Read",
    "Reason",
    "Record",
    "Reply",
    "Report",
    "Request",
    "Send",
    "Spoilt",
    "Table",
    "check",
    "is_reply",
    "load",
    "node_id",
    "place_of",
    "rank",
    "topic_of",
]
