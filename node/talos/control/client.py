"""A program's end of the control socket: the same calls as on a node in the program's own process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import trio

from talos import errors
from talos.control import audit_values, values
from talos.control.audit_values import ENTRIES_MAX
from talos.control.did_values import read_document
from talos.control.fields import Fields, pack_octets
from talos.control.protocol import LINE_SIZE_MAX, REQUEST_ID_MAX, LineSplitter, Request, decode_line
from talos.control.values import ON_FAILURE_DEFAULT, RETRIES, TIMEOUT_S
from talos.core.did_document import DidDocument
from talos.core.proof_file import TEXT_SIZE_MAX, Proof
from talos.core.report import AuditEntry, Diagnosis, LogHead, Offer, PeerCard, PeerStatus, Ping, Receipt
from talos.drivers.clock import RealClock
from talos.drivers.control_socket import dial_control
from talos.errors import DeliveryFailed, MalformedMessage, NotReachable, TalosError, UsageError
from talos.host import LinkClosed, Stream

READ_SIZE: Final = 65_536  # Bytes.
ANSWER_S: Final = 10.0  # For what a node answers out of memory: one that takes longer hangs, or was stopped.

_BY_NAME: Final[Mapping[str, type[TalosError]]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TalosError)
}
# For errors of drivers, or of a newer node: who asks cares most about the exit code.
_BY_EXIT_CODE: Final[Mapping[int, type[TalosError]]] = {
    2: errors.UsageError,
    3: errors.NoIdentity,
    4: errors.NotReachable,
    5: errors.Refused,
    7: errors.Damaged,
    8: errors.Locked,
}


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request without an answer yet. `turn` is set when the answer is there, or when it is its turn to read."""

    turn: trio.Event = field(default_factory=trio.Event)
    answer: Fields | None = None


class ControlClient:
    """A connection to the node that runs in `folder`; `async with` opens and closes it.

    Any number of tasks may call at once. Every call raises what the node raised, `NotReachable` if there is no
    node, it went away, or hangs, and `MalformedMessage` if it talks nonsense. A cancelled call may still be performed;
    what a cancelled `receive` still brought is handed to the next client when this connection closes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream: Stream | None = None
        self._lines = LineSplitter()
        self._sending = trio.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._next_id = 1
        self._is_read = False  # One of those who wait reads for all: no task of our own, so no group of errors.

    async def __aenter__(self) -> Self:
        self._stream = await dial_control(self._folder)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def status(self) -> values.Status:
        return values.read_status(await self._call_in_time("status"))

    async def whoami(self) -> values.Whoami:
        return values.read_whoami(await self._call_in_time("whoami"))

    async def peers(self) -> values.Peers:
        return values.read_peers(await self._call_in_time("peers"))

    async def peers_add(self, address: str) -> PeerStatus:
        """`address` is DID@HOST:PORT."""
        return values.read_peer(await self._call("peers_add", address=address))

    async def establish_session(self, peer: str) -> PeerStatus:
        """Return once there is a session with a peer (a peer id or DID)."""
        return values.read_peer(await self._call("establish_session", peer=peer))

    async def reset_session(self, peer: str) -> PeerStatus:
        """Return once there is a new session in place of the current one."""
        return values.read_peer(await self._call("reset_session", peer=peer))

    async def resolve(self, did: str) -> DidDocument:
        """Return the document of a DID, peer id or did:key."""
        return read_document(await self._call("resolve", did=did))

    async def ping(self, peer: str) -> Ping:
        """Measure one round trip to a peer."""
        return values.read_ping(await self._call("ping", peer=peer))

    async def find(self, topic: str) -> tuple[Offer, ...]:
        """Return who offers a topic."""
        return values.read_offers(await self._call("find", topic=topic))

    async def diagnose(self, *, duplicates: bool = False) -> tuple[Diagnosis, ...]:
        """Look at the network, or for others with the node's identity."""
        return values.read_diagnoses(await self._call("diagnose", duplicates=duplicates))

    async def look(self, address: str, did: str | None = None) -> PeerCard:
        """`address` is HOST:PORT."""
        return values.read_card(await self._call("look", address=address, did=did))

    async def send(
        self,
        peer: str,
        message: bytes,
        *,
        timeout_s: float = TIMEOUT_S,
        retry_count: int = RETRIES,
        on_failure: str = ON_FAILURE_DEFAULT,
    ) -> Receipt:
        arguments = {"timeout_s": timeout_s, "retry_count": retry_count, "on_failure": on_failure}
        return values.read_receipt(await self._call("send", peer=peer, message=pack_octets(message), **arguments))

    async def receive(self, wait_s: float) -> values.Handed | None:
        """Return the next message, or None if none comes within `wait_s` (at most an hour)."""
        answer = await self._call("receive", wait_s=wait_s)
        return None if answer.values.get("message") is None else values.read_handed(answer.nested("message"))

    async def ack(self, ticket: int) -> None:
        """Return once the message is done and on disk: it is never handed out again."""
        await self._call("ack", ticket=ticket)

    async def audit_query(
        self,
        type: str | None = None,
        peer: str | None = None,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        last: int | None = None,
    ) -> list[AuditEntry]:
        """Return the entries asked for, the oldest first; as many requests as it takes."""
        asked = {"type": type, "peer": peer, "from_ms": from_ms, "to_ms": to_ms}
        pages = list[list[AuditEntry]]()
        before, wanted = None, last
        while wanted is None or wanted > 0:
            most = ENTRIES_MAX if wanted is None else min(wanted, ENTRIES_MAX)
            page = audit_values.read_entries(await self._call("audit_query", **asked, last=most, before=before))
            _check_page(page, most, before)
            pages.append(page)
            if len(page) < most:
                break
            before = page[0].index
            wanted = None if wanted is None else wanted - most
        return [entry for page in reversed(pages) for entry in page]

    async def audit_show(self, index: int) -> AuditEntry:
        return audit_values.read_entry(await self._call("audit_show", index=index))

    async def audit_proof(self, index: int, *, since: int | None = None, reveal: bool = True) -> Proof:
        answer = await self._call("audit_proof", index=index, since=since, reveal=reveal)
        return Proof.decode(answer.text("proof", most=TEXT_SIZE_MAX))

    async def audit_root(self, peer: str | None = None) -> LogHead:
        """Return the newest checkpoint of the node, or of a `peer` (a peer id or DID) that it is linked with."""
        return audit_values.read_head(await self._call("audit_root", peer=peer))

    async def audit_verify_proof(self, proof: str, root: str) -> AuditEntry:
        """Return the entry that `proof`, the text of a proof file, shows to be under `root`, in hex."""
        return audit_values.read_entry(await self._call("audit_verify_proof", proof=proof, root=root))

    async def stop(self) -> None:
        """Return when the node has begun to stop."""
        await self._call("stop")

    async def _call_in_time(self, verb: str) -> Fields:
        with RealClock().move_on_after(ANSWER_S):
            return await self._call(verb)
        raise NotReachable(
            f"the node in {self._folder} takes connections and does not answer",
            fix="See whether its process hangs or was stopped",
        )

    async def _call(self, verb: str, **arguments: object) -> Fields:
        request = Request(self._next_id, verb, Fields(verb, arguments))
        self._next_id += 1
        waiting = self._waiting[request.id] = _Waiting()
        try:
            await self._send(request.encode())
            while waiting.answer is None:
                if self._is_read:
                    await waiting.turn.wait()
                    waiting.turn = trio.Event()
                else:
                    await self._read()
        finally:
            del self._waiting[request.id]
            self._pass_turn()
        return _result(waiting.answer)

    async def _send(self, line: bytes) -> None:
        if len(line) > LINE_SIZE_MAX:
            raise UsageError(
                f"this request has {len(line)} bytes; {LINE_SIZE_MAX} are the most", fix="Send it in parts"
            )
        async with self._sending:
            stream = self._require_open()
            is_whole = False
            try:
                await stream.send_all(line)
                is_whole = True
            except LinkClosed as error:
                raise self._gone() from error
            finally:
                if not is_whole:  # Nothing can follow half a line.
                    await self._close()

    async def _read(self) -> None:
        """Take what the node has to say next, for whomever it is."""
        stream = self._require_open()
        self._is_read = True
        try:
            data = await stream.receive_some(READ_SIZE)
        except LinkClosed:
            data = b""  # Broken or ended, the node is gone.
        finally:
            self._is_read = False
        if not data:
            await self._close()
        try:
            for line in self._lines.feed(data):
                self._take(Fields("an answer", decode_line(line)))
        except TalosError:
            await self._close()
            raise

    def _take(self, answer: Fields) -> None:
        if answer.values.get("id") is None:
            raise _error(answer.nested("error"))
        waiting = self._waiting.get(answer.integer("id", least=0, most=REQUEST_ID_MAX))
        if waiting is not None:  # Else its call was cancelled.
            waiting.answer = answer
            waiting.turn.set()

    def _pass_turn(self) -> None:
        if not self._is_read:
            for waiting in self._waiting.values():
                if waiting.answer is None:
                    waiting.turn.set()
                    return

    def _require_open(self) -> Stream:
        if self._stream is None:
            raise self._gone()
        return self._stream

    def _gone(self) -> NotReachable:
        return NotReachable(f"the node in {self._folder} went away", fix=f"talos-node --data-dir {self._folder}")

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()


def _result(answer: Fields) -> Fields:
    if "error" in answer.values:
        raise _error(answer.nested("error"))
    return answer.nested("ok")


def _check_page(page: list[AuditEntry], most: int, before: int | None) -> None:
    """Raises `MalformedMessage` for an answer that would have us ask for ever."""
    bounds = [entry.index for entry in page] + ([] if before is None else [before])
    if len(page) > most or any(low >= high for low, high in pairwise(bounds)):
        raise MalformedMessage(f"audit_query: {len(page)} entries that are too many, or out of order")


def _error(described: Fields) -> TalosError:
    name, what, fix = described.text("type"), described.text("what"), described.optional_text("fix")
    if name == DeliveryFailed.__name__:
        return DeliveryFailed(what, may_have_arrived=described.yes_or_no("may_have_arrived"), fix=fix)
    kind = _BY_NAME.get(name) or _BY_EXIT_CODE.get(described.integer("exit_code", least=1, most=255), TalosError)
    return kind(what, fix=fix)
