"""Ada and Bob's one session, made by the real code from named secrets; and what it derived on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from talos.core.content import Marks, MessageContent, OpenContent, Proof, Welcome
from talos.core.marks import NO_ORIGIN
from talos_ratchet import SUITE_1, Lane, Prekeys, Session, Suite, accept, read_opening, start
from tests.protocol.cast import ADA, BOB, NOW_MS, PANTRY, drawn, encapsulate, secret

ADA_ORIGIN: Final = secret("ada origin", 16)
BOB_ORIGIN: Final = secret("bob origin", 16)
GREETING: Final = b"good morning"
FIRST: Final = Marks(ADA_ORIGIN, NO_ORIGIN, 0).encode()  # Plaintext of the first frame.


class Watched(Suite):
    """Suite 1, that remembers what it derived, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.agreed: list[bytes] = []
        self.mixed: list[bytes] = []
        self.turned: list[tuple[bytes, bytes, bytes]] = []
        self.expanded: dict[bytes, bytes] = {}

    def agree(self, secret: bytes, public: bytes) -> bytes:
        self.agreed.append(super().agree(secret, public))
        return self.agreed[-1]

    def mix(self, secrets: tuple[bytes, ...], info: bytes) -> bytes:
        self.mixed.append(super().mix(secrets, info))
        return self.mixed[-1]

    def turn(self, root: bytes, shared: bytes) -> tuple[bytes, bytes, bytes]:
        self.turned.append(super().turn(root, shared))
        return self.turned[-1]

    def expand(self, secret: bytes, info: bytes, size: int) -> bytes:
        self.expanded[info] = super().expand(secret, info, size)
        return self.expanded[info]

    def lane(self, lane: Lane) -> bytes:
        return self.expanded[self.info(b"lane", bytes([lane]))]


@dataclass
class Meeting:
    """Everything said, in order, and the session of either end."""

    opening: bytes
    ada: Session = field(repr=False)
    bob: Session = field(repr=False)
    adas: Watched
    bobs: Watched
    welcome: Welcome
    frames: dict[str, bytes] = field(default_factory=dict)

    @property
    def proof(self) -> Proof:
        return Proof(sha256(self.frames["frame-welcome"]).digest())

    def say(self, name: str, lane: Lane, plaintext: bytes, *names: str, by_ada: bool = True) -> None:
        """Seal a frame with the secrets of these names, and let the other end take it."""
        speaker, hearer = (self.ada, self.bob) if by_ada else (self.bob, self.ada)
        frame = speaker.seal(lane, plaintext, entropy=drawn(*names))
        opened = hearer.open(lane, frame, now_ms=NOW_MS)
        if opened.plaintext != plaintext:
            raise ValueError(f"{name} is not heard as it was said")
        hearer.take(lane, opened)
        self.frames[name] = frame


def knock(suite: Suite = SUITE_1) -> tuple[Session, bytes]:
    """Return Ada's session, just begun, and her opening."""
    return start(
        pair=ADA.pair,
        party=ADA.party.encode(),
        peer_party=BOB.party.encode(),
        bundle=PANTRY.bundle,
        offer=PANTRY.offer,
        first=FIRST,
        entropy=drawn("ada ephemeral", "ada control 1", "nonce first"),
        encapsulate=encapsulate,
        now_ms=NOW_MS,
        suite=suite,
    )


def answer(opening: bytes, suite: Suite = SUITE_1) -> Session:
    """Return Bob's session, as he accepts an opening."""
    return accept(
        read_opening(opening),
        pair=BOB.pair,
        party=BOB.party.encode(),
        peer_agreement=ADA.pair.public,
        prekeys=Prekeys(PANTRY.signed, PANTRY.one_time, PANTRY.one_time_kem),
        entropy=drawn("bob control 1"),
        now_ms=NOW_MS,
        suite=suite,
    ).session


def meet() -> Meeting:
    """Ada opens a session on Bob's offer; all lanes are opened, and she says good morning."""
    adas, bobs = Watched(), Watched()
    ada, opening = knock(adas)
    bob = answer(opening, bobs)
    lane_keys = bob.offer_lanes(drawn("bob message 0", "bob bulk 0"))
    welcome = Welcome(lane_keys, Marks(BOB_ORIGIN, NO_ORIGIN, 0, sha256(opening).digest()))
    meeting = Meeting(opening, ada, bob, adas, bobs, welcome)
    meeting.frames["frame-first"] = read_opening(opening).frame
    meeting.say("frame-welcome", Lane.CONTROL, welcome.encode(), "nonce welcome", by_ada=False)
    ada.open_lanes(lane_keys, drawn("ada message 1", "ada bulk 1"))
    meeting.say("frame-proof", Lane.CONTROL, meeting.proof.encode(), "ada control 2", "nonce proof")
    open_ = OpenContent().encode()
    meeting.say("frame-open-message", Lane.MESSAGE, open_, "nonce open message")
    meeting.say("frame-open-bulk", Lane.BULK, open_, "nonce open bulk")
    message = MessageContent(ADA_ORIGIN, 1, GREETING)
    meeting.say("frame-message", Lane.MESSAGE, message.encode(), "nonce message")
    return meeting


MEETING: Final = meet()
