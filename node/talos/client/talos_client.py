"""What an embedding agent holds: a node that runs beside it, in the same process and the same trio run.

    async with TalosClient.create("ada", data_dir=folder, password=secret) as client: ...
    client = await TalosClient.create("ada"); ...; await client.aclose()

Both forms run the node in a trio system task. (A nursery held open across `await create()` would corrupt the
caller's nursery stack.) Whatever crashes the node closes the client, and never the program around it.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Generator, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

from talos.client.audit import ClientAudit
from talos.client.run import Run
from talos.config import DEFAULTS, Config, parse_address, parse_topic
from talos.core.did_document import DidDocument
from talos.core.inbox import Arrived
from talos.core.names import PeerAddress
from talos.core.report import NodeStatus, Offer, PeerStatus, Receipt
from talos.errors import PassphraseNeeded
from talos.runtime import Node
from talos.services.messages import Mail, Message, OnFailure, by_way_of

LISTEN_DEFAULT: Final = ("127.0.0.1:0",)


class TalosClient:
    """One running node. Make it with `create`; `aclose` it, or leave its `async with`, when done."""

    def __init__(self, run: Run, node: Node) -> None:
        self._run = run
        self._node = node
        self._audit = ClientAudit(run, node)

    @classmethod
    def create(
        cls,
        name: str = "talos",
        *,
        data_dir: Path | str | None = None,
        password: str | None = None,
        no_passphrase: bool = False,
        listen: Iterable[str] = LISTEN_DEFAULT,
        peers: Iterable[str] = (),
        bootstrap: Iterable[str] = (),
        discovery: Iterable[str] = DEFAULTS.discovery,
        lan: bool = True,
        registries: Iterable[str] = (),
        registry: bool = False,
        topics: Iterable[str] = (),
        relay: bool = False,
        relays: Iterable[str] = (),
        advertise: Iterable[str] = (),
        offline_mode: bool = False,
        queue_limit: int = 1000,
        replay_window: int = 3600,
        retry_interval: float = 30,
        store_size_max_mib: int = 4096,
    ) -> Opening:
        """Open the identity in `data_dir`, or make one there; None keeps all in memory until the client closes.

        `password` seals the keystore; to go without one on disk, say `no_passphrase=True`. `listen` are HOST:PORT, port
        0 takes any free one, and `advertise` where others can dial this node, if not there. `peers` are DID@HOST:PORT,
        and so are `bootstrap`, nodes that let this one into the DHT, and `registries`, which are asked and told
        directly; `registry=True` makes this one of them. `discovery` says whom to ask where a peer is, in this order,
        after those on the same network or machine, which find this one too, unless `lan` is False. `topics` are what
        this identity offers. A node that can only dial is reached through one or two `relays`; `relay=True` makes this
        one of them. `replay_window` and `retry_interval` are in seconds.

        Await the result, or use it in `async with`: raises `UsageError`, `PassphraseNeeded`, `Locked`, `Damaged` or
        `StoreFailed`. An identity is made whole or not at all, and stays, its seed in `root.sealed`, if starting fails.
        """
        config = Config(
            name=name,
            data_dir=None if data_dir is None else Path(data_dir),
            listen=tuple(parse_address(one) for one in listen),
            peers=tuple(PeerAddress.parse(one) for one in peers),
            bootstrap=tuple(PeerAddress.parse(one) for one in bootstrap),
            discovery=tuple(discovery),
            lan=lan,
            registries=tuple(PeerAddress.parse(one) for one in registries),
            registry=registry,
            topics=tuple(topics),
            relay=relay,
            relays=tuple(PeerAddress.parse(one) for one in relays),
            advertise=tuple(parse_address(one) for one in advertise),
            offline_mode=offline_mode,
            queue_limit=queue_limit,
            replay_window_s=replay_window,
            retry_interval_s=retry_interval,
            store_size_max_mib=store_size_max_mib,
        )
        if config.data_dir is not None and password is None and not no_passphrase:
            raise PassphraseNeeded("no password was given", fix="Pass password=, or ask for none: no_passphrase=True")
        return Opening(cls, Run(config, password))

    # Who this is

    @property
    def did(self) -> str:
        return self._node.did

    @property
    def peer_id(self) -> str:
        return self._node.peer_id

    @property
    def public_key(self) -> bytes:
        """The identity's current Ed25519 key, 32 bytes."""
        return self._node.public_key

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the node listens: DID@HOST:PORT, as a peer must be told."""
        return tuple(f"{self.did}@{address}" for address in self._node.addresses)

    @property
    def recovery_seed(self) -> bytes | None:
        """The 32 bytes that recover this identity, if it was made on disk just now; show them once."""
        return self._run.recovery_seed

    def status(self) -> NodeStatus:
        """Raises `NodeStopped`."""
        self._run.check()
        return self._node.status()

    # Peers and messages

    async def add_peer(self, address: str) -> PeerStatus:
        """Keep where a peer may be reached (DID@HOST:PORT), and connect if it can be reached now."""
        peer = PeerAddress.parse(address)
        return await self._run.call(lambda: self._node.add_peer(peer))

    async def establish_session(self, peer_id: str) -> PeerStatus:
        """Return once there is a session with a peer (a peer id or DID), and both have proved that they hold it.

        The peer is dialled if there is no link. Raises `NotReachable` with the reason, `UsageError`, `Refused`,
        `Damaged`, `StoreFailed` or `NodeStopped`.
        """
        return await self._run.call(lambda: self._node.establish_session(peer_id))

    async def reset_session(self, peer_id: str) -> PeerStatus:
        """Have a new session made, from fresh secrets, in place of the one with a peer; return once there is one.

        Nothing that was sent is lost: what is not acknowledged goes out again on the new session. The old one is given
        up even if the peer cannot be reached now: then this raises as `establish_session` does, and the next link makes
        the new one. Raises `Refused`, with nothing done, within 10 s of the last reset.
        """
        return await self._run.call(lambda: self._node.reset_session(peer_id))

    async def resolve(self, did: str) -> DidDocument:
        """Return the DID document of an identity (a DID or peer id), or of a did:key: its keys, and where it is now.

        Our own needs no network, nor does a did:key. Raises `UsageError` for what names nobody, `NotReachable`, with
        every reason, if nobody shows its key log, or `NodeStopped`.
        """
        return await self._run.call(lambda: self._node.resolve(did))

    async def find(self, topic: str) -> tuple[Offer, ...]:
        """Return who offers a topic, at most 20: each has said so itself, within four hours.

        Raises `UsageError` for what is no topic, or where discovery is off, or `NodeStopped`.
        """
        name = parse_topic(topic)
        return await self._run.call(lambda: self._node.find(name))

    async def send(
        self,
        peer_id: str,
        message: bytes,
        timeout: float = 30,
        retry_count: int = 3,
        on_failure: OnFailure = "queue",
    ) -> Receipt:
        """Send to a peer id or DID; see it delivered, or queued for as long as it takes.

        `timeout` (seconds) bounds one try on a live link, `retry_count` is how often it is tried again. With
        `on_failure="raise"` what could not be delivered is given up, and `DeliveryFailed` raised. Also raises
        `UsageError`, `Refused`, `QueueFull`, `StoreFailed` or `NodeStopped`, with nothing sent.
        """
        return await self._run.call(
            lambda: self._node.send(peer_id, message, timeout=timeout, retry_count=retry_count, on_failure=on_failure)
        )

    async def receive(self) -> Message:
        """Return the oldest message that nobody holds; wait for one. It comes again until `ack` has returned."""
        return self._watched(await self._run.call(self._node.receive))

    def messages(self) -> AsyncIterator[Message]:
        """Iterate over messages as they come, for ever. Raises `NodeStopped` when the node stops."""
        return _Messages(self)

    def _watched(self, message: Message) -> Message:
        return by_way_of(partial(_Mail, self._run), message)

    # What was written down

    @property
    def audit(self) -> ClientAudit:
        """The node's audit log."""
        return self._audit

    # The end

    async def aclose(self) -> None:
        """Finish what is queued, and stop the node: within 5 s. Closing twice is no error."""
        await self._run.stop()

    def __del__(self) -> None:
        if not self._run.is_over:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        return f"TalosClient({self._node.did})"


class _Mail:
    """Where messages go back to, for an application: once the node has stopped it says why."""

    def __init__(self, run: Run, mail: Mail) -> None:
        self._run = run
        self._mail = mail

    async def done(self, row: Arrived) -> None:
        await self._run.call(lambda: self._mail.done(row))

    def release(self, row: Arrived) -> None:
        self._mail.release(row)


class _Messages:
    """An iterator, not an async generator: one that is left halfway has nothing to clean up."""

    def __init__(self, client: TalosClient) -> None:
        self._client = client

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> Message:
        return await self._client.receive()


class Opening:
    """A client that is about to open: await it, or enter it."""

    def __init__(self, cls: type[TalosClient], run: Run) -> None:
        self._cls = cls
        self._run = run
        self._client: TalosClient | None = None  # Held while entered, though nobody else may hold it.

    def __await__(self) -> Generator[object, object, TalosClient]:
        return self._open().__await__()

    async def __aenter__(self) -> TalosClient:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._run.stop()

    async def _open(self) -> TalosClient:
        return self._cls(self._run, await self._run.start())


async def receive_at_once(client: TalosClient) -> Message:
    """As `receive`, but a message that is there is returned without a pause, even to who has no time to wait."""

    async def look() -> Message | None:
        return client._node.receive_nowait()

    message = await client._run.call(look)
    return await client.receive() if message is None else client._watched(message)
