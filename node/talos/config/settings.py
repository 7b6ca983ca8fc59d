"""The settings of one node, from four places: flags, then the environment, then talos.toml, then the defaults.

A setting has one name: `queue_limit` here and in talos.toml, TALOS_QUEUE_LIMIT in the environment. Two live in a
section of talos.toml: `store_size_max_mib` is [store] size_max_mib, and `root_file` is [identity] root_file.
In the environment a list is separated by commas, and yes or no is `true` or `false`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from talos.config import kinds
from talos.config.kinds import Kind
from talos.core.inbox import PEER_ROWS_MAX
from talos.core.names import PeerAddress
from talos.errors import UsageError
from talos.host import Address

T = TypeVar("T")

SETTINGS_FILE: Final = "talos.toml"
DATA_DIR_VARIABLE: Final = "TALOS_DATA_DIR"

# Field of `Config` -> its key in talos.toml. `data_dir` has none: it is where talos.toml is.
KEYS: Final[Mapping[str, str]] = {
    "name": "name",
    "listen": "listen",
    "peers": "peers",
    "bootstrap": "bootstrap",
    "discovery": "discovery",
    "lan": "lan",
    "registries": "registries",
    "registry": "registry",
    "topics": "topics",
    "relay": "relay",
    "relays": "relays",
    "advertise": "advertise",
    "queue_limit": "queue_limit",
    "inbox_limit": "inbox_limit",
    "retry_interval_s": "retry_interval_s",
    "offline_mode": "offline_mode",
    "replay_window_s": "replay_window_s",
    "store_size_max_mib": "store.size_max_mib",
    "network_key_file": "network_key_file",
    "root_file": "identity.root_file",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What a node is told before it starts. A number or name out of range is refused: `UsageError`."""

    name: str = "talos"  # Of a new identity's first instance: letters, digits and, after the first, ._- ; up to 64.
    data_dir: Path | None = None  # None: everything is in memory, and gone when the node stops.
    listen: tuple[Address, ...] = (Address("127.0.0.1", 0),)  # Port 0 takes any free one.
    peers: tuple[PeerAddress, ...] = ()  # Known from the start, beside those that `talos peers add` stored.
    bootstrap: tuple[PeerAddress, ...] = ()  # Nodes that let us into the DHT; `peers` do, too.
    discovery: tuple[str, ...] = ("registry", "dht")  # Whom to ask where a peer is, in this order, beside `ALWAYS`.
    lan: bool = True  # Find, and be found by, nodes on the same network or machine.
    registries: tuple[PeerAddress, ...] = ()  # Nodes that hold what is published, to be asked and told directly.
    registry: bool = False  # True: be one.
    relay: bool = False  # True: be a relay, through which others reach those that can only dial.
    relays: tuple[PeerAddress, ...] = ()  # Where this node, if it can only dial, is to be reached: one or two.
    topics: tuple[str, ...] = ()  # What this identity offers, to be found by it.
    advertise: tuple[Address, ...] = ()  # Where others can dial us, at most 2; none: where we listen.
    queue_limit: int = 1_000  # Messages that may wait undelivered, for all peers together.
    inbox_limit: int = PEER_ROWS_MAX  # Messages of one peer that may lie here, not done; then it has to wait.
    retry_interval_s: float = 30.0  # Between two attempts to reach a peer for which messages wait.
    offline_mode: bool = False  # True: no listening, no dialling; what is sent waits.
    replay_window_s: int = 3_600  # How long a duplicate is still written into the audit log.
    store_size_max_mib: int = 4_096  # The store may grow so far; beyond it, writes fail cleanly.
    network_key_file: Path | None = None  # Of a closed group: who has another, or none, is neither heard nor found.
    root_file: Path | None = None  # Where the recovery seed is kept, if not in the data folder.

    def __post_init__(self) -> None:
        if self.data_dir is not None:
            kinds.FOLDER.take(str(self.data_dir), "Config.data_dir")
        kinds.NAMED.take(self.name, "Config.name")
        kinds.DISCOVERY.take(self.discovery, "Config.discovery")
        kinds.RELAYS.take([str(one) for one in self.relays], "Config.relays")
        kinds.ADVERTISE.take([str(one) for one in self.advertise], "Config.advertise")
        kinds.TOPICS.take(self.topics, "Config.topics")
        kinds.QUEUE_LIMIT.take(self.queue_limit, "Config.queue_limit")
        kinds.INBOX_LIMIT.take(self.inbox_limit, "Config.inbox_limit")
        kinds.RETRY_INTERVAL.take(self.retry_interval_s, "Config.retry_interval_s")
        kinds.REPLAY_WINDOW.take(self.replay_window_s, "Config.replay_window_s")
        kinds.STORE_SIZE.take(self.store_size_max_mib, "Config.store_size_max_mib")


def default_folder(name: str, environment: Mapping[str, str]) -> Path:
    """Return ${XDG_DATA_HOME:-~/.local/share}/talos/<name>. Raises `UsageError` where there is no home either."""
    data_home = Path(environment.get("XDG_DATA_HOME", ""))
    if not data_home.is_absolute():  # XDG Base Directory Specification 0.8: a relative path is to be ignored.
        home = environment.get("HOME")
        if not home:
            raise UsageError(
                "neither HOME nor XDG_DATA_HOME is set", fix=f"Set {DATA_DIR_VARIABLE}, or give --data-dir"
            )
        data_home = Path(home, ".local", "share")
    return data_home / "talos" / name


def data_folder(data_dir: Path | None, name: str | None, environment: Mapping[str, str]) -> Path:
    """Return the node's folder: --data-dir, else what --name stands for, else TALOS_DATA_DIR, else TALOS_NAME's.

    Absolute, so that it means the same to every process. Raises `UsageError`.
    """
    if data_dir is not None:
        return data_dir.absolute()
    if name is not None:
        return default_folder(kinds.NAMED.take(name, "--name"), environment).absolute()
    if environment.get(DATA_DIR_VARIABLE):
        return Path(environment[DATA_DIR_VARIABLE]).absolute()
    return default_folder(
        kinds.NAMED.take(environment.get("TALOS_NAME", DEFAULTS.name), "TALOS_NAME"), environment
    ).absolute()


def load(folder: Path, environment: Mapping[str, str], flags: Mapping[str, object]) -> Config:
    """Return the settings of the node in `folder`, whose talos.toml may be missing.

    `flags` maps fields of `Config` to values as talos.toml would have them; None is a flag not given. Raises
    `UsageError` naming place, key and mend. A value that a stronger place overrides is only checked for its name.
    """
    return parse(read_settings(folder), folder, environment, flags)


def read_settings(folder: Path) -> str:
    """Return the text of talos.toml in `folder`; "" if there is none. Raises `UsageError` if it cannot be read."""
    path = folder / SETTINGS_FILE
    try:
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", fix="It must be UTF-8 text that you may read") from error


def parse(text: str, folder: Path, environment: Mapping[str, str], flags: Mapping[str, object]) -> Config:
    """`load`, with the text of talos.toml given."""
    path = folder / SETTINGS_FILE
    try:
        settings = _flat(tomllib.loads(text), path)
    except ValueError as error:  # TOMLDecodeError, or a number too long to be one.
        raise UsageError(f"{path} is not TOML: {error}", fix="docs/operating.md shows one that is") from error
    seek = _Places({key: value for key, value in flags.items() if value is not None}, environment, settings, path)
    return Config(
        data_dir=folder,
        name=seek.find("name", kinds.NAMED, DEFAULTS.name),
        listen=seek.find("listen", kinds.LISTEN, DEFAULTS.listen),
        peers=seek.find("peers", kinds.PEERS, DEFAULTS.peers),
        bootstrap=seek.find("bootstrap", kinds.PEERS, DEFAULTS.bootstrap),
        discovery=seek.find("discovery", kinds.DISCOVERY, DEFAULTS.discovery),
        lan=seek.find("lan", kinds.YES_OR_NO, DEFAULTS.lan),
        registries=seek.find("registries", kinds.PEERS, DEFAULTS.registries),
        registry=seek.find("registry", kinds.YES_OR_NO, DEFAULTS.registry),
        relay=seek.find("relay", kinds.YES_OR_NO, DEFAULTS.relay),
        relays=seek.find("relays", kinds.RELAYS, DEFAULTS.relays),
        topics=seek.find("topics", kinds.TOPICS, DEFAULTS.topics),
        advertise=seek.find("advertise", kinds.ADVERTISE, DEFAULTS.advertise),
        queue_limit=seek.find("queue_limit", kinds.QUEUE_LIMIT, DEFAULTS.queue_limit),
        inbox_limit=seek.find("inbox_limit", kinds.INBOX_LIMIT, DEFAULTS.inbox_limit),
        retry_interval_s=seek.find("retry_interval_s", kinds.RETRY_INTERVAL, DEFAULTS.retry_interval_s),
        offline_mode=seek.find("offline_mode", kinds.YES_OR_NO, DEFAULTS.offline_mode),
        replay_window_s=seek.find("replay_window_s", kinds.REPLAY_WINDOW, DEFAULTS.replay_window_s),
        store_size_max_mib=seek.find("store_size_max_mib", kinds.STORE_SIZE, DEFAULTS.store_size_max_mib),
        network_key_file=seek.find("network_key_file", kinds.file_below(folder), DEFAULTS.network_key_file),
        root_file=seek.find("root_file", kinds.file_below(folder), DEFAULTS.root_file),
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """The places where a setting may be, strongest first."""

    flags: Mapping[str, object]
    environment: Mapping[str, str]
    settings: Mapping[str, object]  # By dotted key.
    path: Path

    def find(self, field: str, kind: Kind[T], default: T) -> T:
        if field in self.flags:
            return kind.take(self.flags[field], "--" + field.replace("_", "-"))
        variable = "TALOS_" + field.upper()
        if variable in self.environment:
            return kind.take_text(self.environment[variable], variable)
        if KEYS[field] in self.settings:
            return kind.take(self.settings[KEYS[field]], f"{self.path}: {KEYS[field]}")
        return default


def _flat(table: Mapping[str, object], path: Path) -> dict[str, object]:
    """Return the settings by dotted key. Raises `UsageError` for a key that means nothing."""
    sections = {key.partition(".")[0] for key in KEYS.values() if "." in key}
    settings: dict[str, object] = {}
    for key, value in table.items():
        if key in sections and isinstance(value, dict):
            settings |= {f"{key}.{inner}": inner_value for inner, inner_value in value.items()}
        else:
            settings[key] = value
    for key in settings:
        if key not in KEYS.values():
            raise UsageError(f"{path}: there is no setting {key!r}", fix=f"Settings are: {', '.join(KEYS.values())}")
    return settings


DEFAULTS: Final = Config()
