"""The node: opens what it stands on, builds the cores, starts the services in one nursery, stops them in reverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import trio

from talos.config import Config
from talos.core.diary import Diary
from talos.core.did_document import DidDocument
from talos.core.names import PeerAddress, did_of, parse_peer, peer_id_of
from talos.core.report import Diagnosis, NodeStatus, Offer, PeerCard, PeerStatus, Ping, Receipt
from talos.core.sessions import WEAR, Wear
from talos.drivers.data_folder import Opened
from talos.errors import NodeStopped, TalosError, UsageError
from talos.host import Address
from talos.runtime.doors import Doors
from talos.services.audit import Audit
from talos.services.commit import Committer
from talos.services.discovery import diagnosis
from talos.services.discovery.finder import Finder
from talos.services.discovery.resolver import resolve
from talos.services.discovery.service import Discovery
from talos.services.furnish import furnish
from talos.services.links import Links
from talos.services.messages import Message, Messages, OnFailure
from talos.services.peer import Peer
from talos.services.ping import ping
from talos.services.redial import Redial
from talos.services.relaying.homes import Homes
from talos.services.relaying.relay import Relay
from talos.services.requests import Handler, Requests, RequestType
from talos.services.resets import Resets
from talos.services.roll import peer_status, roll
from talos.services.storage import Storage
from talos.services.upkeep import keep_up, rotate_prekeys
from talos_ratchet import SUITE_1, Suite

DRAIN_S: Final = 2.0  # For what is queued, when the node is asked to stop; with all else it stays below 5 s.


class Node:
    """One node. Make it with `open_node`, and `run` it in a nursery; the rest may be called while it runs."""

    def __init__(self, config: Config, opened: Opened, suite: Suite = SUITE_1, wear: Wear = WEAR) -> None:
        host, me = opened.host, opened.me
        self._config = config
        self._host = host
        self._me = me
        self._committer = Committer(host.store, host.blocking, Diary.open(host.store, opened.vault, host.entropy))
        self._desk = furnish(
            host,
            me,
            opened.vault,
            self._committer,
            suite,
            wear,
            store_size_max_mib=config.store_size_max_mib,
            replay_window_s=config.replay_window_s,
            inbox_limit=config.inbox_limit,
        )
        self._vault = opened.vault
        self.audit = Audit(host, self._committer, self._desk, opened.vault)
        self._storage = Storage(host, self._committer, opened.vault, opened.keep)
        self._running: _Running | None = None
        self._doors = Doors(config, self._desk)
        self._stopping = trio.Event()
        self._started_at = 0.0

    # Running

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled or `stop`. Started when it listens. Raises `UsageError` where it cannot."""
        clock = self._host.clock
        self._started_at = clock.monotonic()
        async with trio.open_nursery() as store:
            await store.start(self._committer.run)
            try:
                if self._me.renewal is not None:
                    await self._committer.commit(self._me.renewal)
                await self._committer.checkpoint()  # Of what a crash has left unsigned; without it nothing is done.
                await rotate_prekeys(self._desk)
                self._desk.post.start()
                await self._introduce_configured()
                async with trio.open_nursery() as nursery:
                    await self._start(nursery)
                    task_status.started()
                    await self._until_stopped()
                    with clock.move_on_after(DRAIN_S):
                        await self._committer.drain()
                        await self._running_now().links.flushed()
                    nursery.cancel_scope.cancel()
            except* NodeStopped:
                pass  # Whoever waited for the committer says so; the committer itself says why it has ended.
            finally:
                self._running = None
                with trio.CancelScope(shield=True), clock.move_on_after(DRAIN_S):
                    await self._doors.close()
                    await self._committer.drain()
                    await self.audit.close()
                store.cancel_scope.cancel()

    async def _until_stopped(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        """Ask the node to finish what is queued, and end. `run` returns within 5 s."""
        self._stopping.set()

    async def _start(self, nursery: trio.Nursery) -> None:
        desk, config = self._desk, self._config
        links = Links(desk, nursery)
        handlers: dict[int, Handler] = {
            RequestType.KEY_LOG: self._own_key_log,
            RequestType.LOG_HEAD: self.audit.show_head,
        }
        requests = Requests(desk.post, self._host.clock, nursery, handlers)
        homes = Homes(desk, links, requests, config.relays)
        if config.relay:
            links.relay = Relay(desk, requests)
        messages = Messages(desk, links, self._vault, queue_limit=config.queue_limit, offline=config.offline_mode)
        self._running = _Running(links, requests, messages, Resets(desk, links, offline=config.offline_mode))
        self.audit.requests = requests
        nursery.start_soon(self.audit.keep_signed)
        nursery.start_soon(self.audit.keep_tally)
        nursery.start_soon(self._storage.run)
        nursery.start_soon(desk.post.keeper.run)
        if config.offline_mode:
            return
        await self._doors.open(nursery, links, homes)
        nursery.start_soon(homes.run)
        nursery.start_soon(Redial(desk, links, retry_interval_s=config.retry_interval_s).run)
        nursery.start_soon(keep_up, desk, requests)

    async def _introduce_configured(self) -> None:
        for peer in self._config.peers:
            address = Address(peer.host, peer.port)
            if address not in self._desk.directory.addresses(peer.did):
                await self._desk.add_address(peer.did, address)

    async def _own_key_log(self, peer: Peer, body: bytes) -> bytes:
        return self._me.key_log.encode()

    def _running_now(self) -> _Running:
        if self._running is None:
            raise NodeStopped("the node is not running")
        return self._running

    # Who we are, and how we are

    @property
    def did(self) -> str:
        return did_of(self._me.did)

    @property
    def peer_id(self) -> str:
        return peer_id_of(self._me.did)

    @property
    def public_key(self) -> bytes:
        """The identity's current Ed25519 key, 32 bytes."""
        return self._me.key_log.state.key

    @property
    def addresses(self) -> tuple[str, ...]:
        """HOST:PORT of every listener, with the real port."""
        return tuple(str(listener.address) for listener in self._doors.listeners)

    def status(self) -> NodeStatus:
        running, post = self._running_now(), self._desk.post
        trouble = self._committer.trouble or self.audit.trouble or post.keeper.reason or self._storage.trouble
        trouble = trouble or self._desk.directory.trouble
        return NodeStatus(
            did=self.did,
            name=self._me.name,
            listening=self.addresses,
            uptime_s=self._host.clock.monotonic() - self._started_at,
            links=running.links.bound,
            undelivered=post.undelivered,
            queue_limit=self._config.queue_limit,
            inbox=post.inbox.not_done,
            refused=post.refusals.total,
            store_ok=trouble is None,
            reason=trouble or running.links.last_crash,
            peers=self.peers(),
        )

    @property
    def last_crash(self) -> str | None:
        """What the newest failure was that no code of ours foresaw: a bug. It cost a link, not the node."""
        return self._running_now().links.last_crash

    def peers(self) -> tuple[PeerStatus, ...]:
        """Return every peer that has an address or a conversation, by DID."""
        return roll(self._desk, self._finder)

    def _peer_status(self, peer: Peer) -> PeerStatus:
        return peer_status(self._desk, self._finder, peer)

    def _discovery(self) -> Discovery:
        self._running_now()
        if self.discovery is None:
            raise UsageError("this node takes no part in discovery", fix="Set `discovery`, and leave offline mode")
        return self.discovery

    @property
    def discovery(self) -> Discovery | None:
        """What finds others, and lets us be found; None while the node takes no part in it."""
        return self._doors.discovery

    @property
    def _finder(self) -> Finder | None:
        return None if self.discovery is None else self.discovery.finder

    # Peers and messages

    async def look(self, address: Address, did: bytes | None = None) -> PeerCard:
        """Return who answers at an address, checked. Raises `DialError`, `LinkClosed`, `Refused` or `Damaged`."""
        seen = await self._running_now().links.look(address, did or b"")
        return PeerCard(did_of(seen.who.did), str(address))

    async def add_peer(self, peer: PeerAddress) -> PeerStatus:
        """Keep where a peer may be reached, and connect if it can be reached now."""
        running = self._running_now()
        await self._desk.add_address(peer.did, Address(peer.host, peer.port))
        known = self._desk.post.peer(peer.did)
        if not self._config.offline_mode:
            try:
                await running.links.connect(known)
            except TalosError as error:
                known.reason = str(error)  # Kept all the same: the peer may be away.
        return self._peer_status(known)

    async def resolve(self, did: str) -> DidDocument:
        """Return the DID document of an identity. What it raises: `services.discovery.resolver.resolve`."""
        running = self._running_now()
        dialler = None if self._config.offline_mode else running.links.dialler
        own = () if self.discovery is None else self.discovery.addresses()
        return await resolve(did, self._desk, dialler, self._finder, own)

    async def find(self, topic: str) -> tuple[Offer, ...]:
        """Return who offers a topic: at most 20. Raises `UsageError` where discovery is off."""
        return await self._discovery().offers(topic)

    async def diagnose(self, *, duplicates: bool = False) -> tuple[Diagnosis, ...]:
        """Look at the network, or for others with our identity. Raises `UsageError` where discovery is off."""
        here = self._discovery()
        return tuple(await diagnosis.duplicates(here) if duplicates else diagnosis.network(here))

    async def ping(self, peer: str) -> Ping:
        """Measure one round trip to a peer. What it raises: `services.ping.ping`."""
        running = self._running_now()
        return await ping(peer, self._desk, running.resets, running.requests, self.discovery)

    async def establish_session(self, peer: str) -> PeerStatus:
        """Return once there is a session that both ends hold. What it raises: `services.resets.Resets.establish`."""
        return self._peer_status(await self._running_now().resets.establish(peer))

    async def reset_session(self, peer: str) -> PeerStatus:
        """Have a new session made in place of the current one. What it raises: `services.resets.Resets.reset`."""
        return self._peer_status(await self._running_now().resets.reset(peer))

    async def send(
        self,
        peer: str,
        message: bytes,
        *,
        timeout: float = 30,
        retry_count: int = 3,
        on_failure: OnFailure = "queue",
    ) -> Receipt:
        """Send to a peer id or DID. What it promises and raises: `services.messages.Messages.send`."""
        messages = self._running_now().messages
        return await messages.send(peer, message, timeout=timeout, retry_count=retry_count, on_failure=on_failure)

    async def receive(self) -> Message:
        """Return the oldest message that nobody holds; waits for one."""
        return await self._running_now().messages.receive()

    def receive_nowait(self) -> Message | None:
        """Return the oldest message that nobody holds; None if there is none."""
        return self._running_now().messages.receive_nowait()

    async def ask_key_log(self, peer: str, *, timeout_s: float = 30) -> bytes:
        """Return the key log that a linked peer shows, unverified. Raises as `Requests.ask` does."""
        asked = self._desk.post.peer(parse_peer(peer))
        return await self._running_now().requests.ask(asked, RequestType.KEY_LOG, timeout_s=timeout_s)


@dataclass(frozen=True, slots=True)
class _Running:
    """What exists only while the node runs."""

    links: Links
    requests: Requests
    messages: Messages
    resets: Resets
