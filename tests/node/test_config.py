from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest

from talos import config
from talos.config import DEFAULTS, KEYS, Config, data_folder, default_folder, load, parse, parse_address
from talos.core.names import PeerAddress, did_of
from talos.errors import UsageError
from talos.host import Address

FOLDER: Final = Path("/data/node")
PEER: Final = f"{did_of(bytes(range(32)))}@peer.example:7000"

# Field, what talos.toml says, what the environment says, and the value that both mean.
SPELLINGS: Final[list[tuple[str, str, str, object]]] = [
    ("name", 'name = "alice"', "alice", "alice"),
    ("listen", 'listen = ["0.0.0.0:7000"]', "0.0.0.0:7000", (Address("0.0.0.0", 7000),)),
    ("listen", 'listen = ["a:0", "[::1]:1"]', " a:0, [::1]:1 ", (Address("a", 0), Address("::1", 1))),
    ("listen", "listen = []", "", ()),
    ("peers", f'peers = ["{PEER}"]', PEER, (PeerAddress.parse(PEER),)),
    ("bootstrap", f'bootstrap = ["{PEER}"]', PEER, (PeerAddress.parse(PEER),)),
    ("discovery", 'discovery = ["dht"]', "dht", ("dht",)),
    ("registries", f'registries = ["{PEER}"]', PEER, (PeerAddress.parse(PEER),)),
    ("registry", "registry = true", "true", True),
    ("relay", "relay = true", "true", True),
    ("relays", f'relays = ["{PEER}"]', PEER, (PeerAddress.parse(PEER),)),
    ("topics", 'topics = ["tool:mail", "a b"]', "tool:mail, a b", ("tool:mail", "a b")),
    ("discovery", "discovery = []", "", ()),
    ("discovery", 'discovery = ["static", "lan", "dht"]', "static, lan, dht", ("static", "lan", "dht")),
    ("lan", "lan = true", "true", True),
    ("lan", "lan = false", "false", False),
    ("advertise", 'advertise = ["a.example:7000"]', "a.example:7000", (Address("a.example", 7000),)),
    ("queue_limit", "queue_limit = 5", "5", 5),
    ("inbox_limit", "inbox_limit = 5", "5", 5),
    ("retry_interval_s", "retry_interval_s = 0.5", "0.5", 0.5),
    ("retry_interval_s", "retry_interval_s = 5", "5", 5.0),
    ("offline_mode", "offline_mode = true", "true", True),
    ("offline_mode", "offline_mode = false", "false", False),
    ("replay_window_s", "replay_window_s = 0", "0", 0),
    ("store_size_max_mib", "[store]\nsize_max_mib = 64", "64", 64),
    ("network_key_file", 'network_key_file = "up/key"', "up/key", FOLDER / "up/key"),
    ("root_file", '[identity]\nroot_file = "/safe/root"', "/safe/root", Path("/safe/root")),
    ("root_file", '[identity]\nroot_file = "up/root"', "up/root", FOLDER / "up/root"),
]

# A bad talos.toml, and what the error must name: always the file and the key.
BAD_SETTINGS: Final[list[tuple[str, str]]] = [
    ("name = 5", "name"),
    ('name = ""', "name"),
    ('name = "../up"', "name"),
    ('name = ".hidden"', "name"),
    (f'name = "{"a" * 65}"', "name"),
    ('listen = "127.0.0.1:7000"', "listen"),
    ("listen = [7000]", "listen"),
    ('listen = ["127.0.0.1"]', "listen"),
    ("listen = [" + '"a:1",' * 1_001 + "]", "listen"),
    ('peers = ["peer.example:7000"]', "peers"),
    ('bootstrap = ["peer.example:7000"]', "bootstrap"),
    ('discovery = ["gossip"]', "discovery"),
    ('discovery = "dht"', "discovery"),
    ("lan = 1", "lan"),
    ('lan = "true"', "lan"),
    ('registries = ["peer.example:7000"]', "registries"),
    ("registry = 1", "registry"),
    ("relay = 1", "relay"),
    ("relays = [" + f'"{PEER}",' * 3 + "]", "relays"),
    ('topics = [""]', "topics"),
    ('topics = ["a,b"]', "topics"),
    ('topics = ["a\\tb"]', "topics"),
    (f'topics = ["{"a" * 129}"]', "topics"),
    ("topics = [" + '"a",' * 17 + "]", "topics"),
    ('advertise = ["a.example:0"]', "advertise"),
    ('advertise = ["a:1", "b:1", "c:1"]', "advertise"),
    ("inbox_limit = 0", "inbox_limit"),
    ("inbox_limit = 10_001", "inbox_limit"),
    ("queue_limit = 0", "queue_limit"),
    ("queue_limit = 1_000_001", "queue_limit"),
    ("queue_limit = 5.0", "queue_limit"),
    ("queue_limit = true", "queue_limit"),
    ('queue_limit = "5"', "queue_limit"),
    ("retry_interval_s = 0", "retry_interval_s"),
    ("retry_interval_s = nan", "retry_interval_s"),
    ("retry_interval_s = inf", "retry_interval_s"),
    ("retry_interval_s = true", "retry_interval_s"),
    ("offline_mode = 1", "offline_mode"),
    ('offline_mode = "true"', "offline_mode"),
    ("replay_window_s = -1", "replay_window_s"),
    ("replay_window_s = 2_592_001", "replay_window_s"),
    ("[store]\nsize_max_mib = 63", "store.size_max_mib"),
    ("[store]\nsize_max_mb = 100", "store.size_max_mb"),
    ("store = 5", "store"),
    ("[identity]\nroot_file = 5", "identity.root_file"),
    ('[identity]\nroot_file = ""', "identity.root_file"),
    ('[identity]\nroot_file = "a\\u0000b"', "identity.root_file"),
    ("queue_limt = 5", "queue_limt"),
    ('data_dir = "/elsewhere"', "data_dir"),
    ("[logging]\nlevel = 1", "logging"),
]

BAD_VARIABLES: Final[list[tuple[str, str]]] = [
    ("TALOS_NAME", "a/b"),
    ("TALOS_LISTEN", "7000"),
    ("TALOS_PEERS", "peer.example:7000"),
    ("TALOS_QUEUE_LIMIT", "many"),
    ("TALOS_QUEUE_LIMIT", ""),
    ("TALOS_QUEUE_LIMIT", "5.5"),
    ("TALOS_RETRY_INTERVAL_S", "soon"),
    ("TALOS_RETRY_INTERVAL_S", "nan"),
    ("TALOS_OFFLINE_MODE", "yes"),
    ("TALOS_REPLAY_WINDOW_S", "1h"),
    ("TALOS_STORE_SIZE_MAX_MIB", "9" * 5_000),
    ("TALOS_ROOT_FILE", ""),
]


def settings(text: str = "", environment: dict[str, str] | None = None, **flags: object) -> Config:
    return parse(text, FOLDER, environment or {}, flags)


def test_without_any_setting_the_defaults_hold() -> None:
    assert settings() == Config(data_dir=FOLDER)
    assert Config().data_dir is None


def test_every_field_but_the_folder_is_a_setting_and_is_tried_below() -> None:
    assert set(KEYS) == {field.name for field in fields(Config)} - {"data_dir"}
    assert set(KEYS) == {field for field, *_ in SPELLINGS}


@pytest.mark.parametrize(("field", "text", "variable", "value"), SPELLINGS)
def test_a_setting_is_read_from_the_file_and_from_the_environment(
    field: str, text: str, variable: str, value: object
) -> None:
    assert getattr(settings(text), field) == value
    assert getattr(settings("", {f"TALOS_{field.upper()}": variable}), field) == value


@pytest.mark.parametrize("field", KEYS)
def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(field: str) -> None:
    strongest: dict[str, Any] = {
        "name": "flag",
        "listen": ("flag:1",),
        "peers": (PEER.replace("peer.example", "flag"),),
        "bootstrap": (PEER.replace("peer.example", "flag"),),
        "discovery": (),
        "lan": False,
        "registries": (PEER.replace("peer.example", "flag"),),
        "registry": False,
        "topics": ("flag",),
        "relay": False,
        "relays": (PEER.replace("peer.example", "flag"),),
        "advertise": ("flag:1",),
        "queue_limit": 9,
        "inbox_limit": 9,
        "retry_interval_s": 9.0,
        "offline_mode": False,
        "replay_window_s": 9,
        "store_size_max_mib": 99,
        "root_file": "/flag",
        "network_key_file": "/flag",
    }
    spelt = {
        "name": ('name = "file"', "environment"),
        "listen": ('listen = ["file:1"]', "environment:1"),
        "peers": (f'peers = ["{PEER}"]', PEER.replace("peer.example", "environment")),
        "bootstrap": (f'bootstrap = ["{PEER}"]', PEER.replace("peer.example", "environment")),
        "discovery": ('discovery = ["dht", "dht"]', "dht"),
        "lan": ("lan = false", "true"),
        "registries": (f'registries = ["{PEER}"]', PEER.replace("peer.example", "environment")),
        "registry": ("registry = false", "true"),
        "relay": ("relay = false", "true"),
        "relays": (f'relays = ["{PEER}"]', PEER.replace("peer.example", "environment")),
        "topics": ('topics = ["file"]', "environment"),
        "advertise": ('advertise = ["file:1"]', "environment:1"),
        "queue_limit": ("queue_limit = 7", "8"),
        "inbox_limit": ("inbox_limit = 7", "8"),
        "retry_interval_s": ("retry_interval_s = 7", "8"),
        "offline_mode": ("offline_mode = false", "true"),
        "replay_window_s": ("replay_window_s = 7", "8"),
        "store_size_max_mib": ("[store]\nsize_max_mib = 77", "88"),
        "network_key_file": ('network_key_file = "/file"', "/environment"),
        "root_file": ('[identity]\nroot_file = "/file"', "/environment"),
    }
    in_file, in_environment = spelt[field]
    environment = {f"TALOS_{field.upper()}": in_environment}
    from_flag = getattr(settings(in_file, environment, **{field: strongest[field]}), field)
    from_environment = getattr(settings(in_file, environment), field)
    from_file = getattr(settings(in_file), field)

    assert from_flag == getattr(settings("", {}, **{field: strongest[field]}), field)
    assert from_environment == getattr(settings("", environment), field)
    assert from_flag != from_environment != from_file
    assert getattr(settings(in_file, environment, **{field: None}), field) == from_environment  # A flag not given.


@pytest.mark.parametrize(("text", "key"), BAD_SETTINGS)
def test_a_bad_setting_names_file_key_and_mend(text: str, key: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(text)
    assert str(FOLDER / "talos.toml") in caught.value.what
    assert key in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(("variable", "text"), BAD_VARIABLES)
def test_a_bad_variable_is_named_with_the_mend(variable: str, text: str) -> None:
    with pytest.raises(UsageError, match=variable) as caught:
        settings("", {variable: text})
    assert caught.value.fix
    assert len(caught.value.what) < 300


def test_a_bad_flag_is_named_as_it_was_typed() -> None:
    with pytest.raises(UsageError, match="--listen: 'here' is no address"):
        settings(listen=("here",))
    with pytest.raises(UsageError, match="--queue-limit is '0'"):
        settings(queue_limit=0)


@pytest.mark.parametrize("text", ["queue_limit", "queue_limit = ", 'name = "a', f"queue_limit = {'9' * 5_000}"])
def test_what_is_not_toml_is_said_with_the_file(text: str) -> None:
    with pytest.raises(UsageError, match=r"/data/node/talos\.toml is not TOML"):
        settings(text)


@pytest.mark.parametrize(
    "values",
    [
        {"name": "a/b"},
        {"queue_limit": 0},
        {"retry_interval_s": 0.0},
        {"replay_window_s": -1},
        {"store_size_max_mib": 1},
        {"advertise": (Address("ada.example", 0),)},
        {"advertise": (Address("a" * 300, 1),)},
        {"data_dir": Path("a\udcffb")},
    ],
)
def test_an_embedding_program_cannot_get_out_of_range_either(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"Config.{next(iter(values))}"):
        Config(**values)


def test_variables_of_others_are_not_ours_to_judge() -> None:
    assert settings("", {"TALOS_VERSION": "1.9", "TALOS_PASSPHRASE": "x"}) == settings()


def test_a_folder_without_settings_has_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, {}, {}) == Config(data_dir=tmp_path)
    assert load(tmp_path / "none", {}, {}) == Config(data_dir=tmp_path / "none")


def test_settings_are_read_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "talos.toml").write_text("queue_limit = 5", "utf-8")
    assert load(tmp_path, {}, {}).queue_limit == 5


def test_settings_that_cannot_be_read_are_an_error_and_not_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "talos.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match=r"cannot read .*talos\.toml"):
        load(tmp_path, {}, {})
    (tmp_path / "talos.toml").unlink()
    (tmp_path / "talos.toml").mkdir()
    with pytest.raises(UsageError, match=r"cannot read .*talos\.toml"):
        load(tmp_path, {}, {})


def test_the_default_folder_follows_the_xdg_specification() -> None:
    assert default_folder("a", {"HOME": "/h"}) == Path("/h/.local/share/talos/a")
    assert default_folder("a", {"HOME": "/h", "XDG_DATA_HOME": "/x"}) == Path("/x/talos/a")
    assert default_folder("a", {"HOME": "/h", "XDG_DATA_HOME": "relative"}) == Path("/h/.local/share/talos/a")
    with pytest.raises(UsageError, match="neither HOME nor XDG_DATA_HOME"):
        default_folder("a", {})


def test_the_folder_is_found_strongest_first() -> None:
    environment = {"HOME": "/h", "TALOS_DATA_DIR": "/env", "TALOS_NAME": "env"}
    assert data_folder(Path("/flag"), "flag", environment) == Path("/flag")
    assert data_folder(None, "flag", environment) == Path("/h/.local/share/talos/flag")
    assert data_folder(None, None, environment) == Path("/env")
    assert data_folder(None, None, environment | {"TALOS_DATA_DIR": ""}) == Path("/h/.local/share/talos/env")
    assert data_folder(None, None, {"HOME": "/h"}) == Path("/h/.local/share/talos") / DEFAULTS.name
    assert data_folder(Path("here"), None, {}) == Path.cwd() / "here"


@pytest.mark.parametrize("name", ["", "..", "a/b", "-rf", "ü"])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        data_folder(None, name, {"HOME": "/h"})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::]:7000", Address("::", 7000)),
        ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
        ("node.example:65535", Address("node.example", 65535)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", ":", "host", "host:", ":80", "::1:80", "[::1]", "[host]:80", "[::1:80", "h:65536", "h:+80", "h:8_0", "h:٨",
     "h: 80", "h h:80", "a@h:80", "a,b:80", "h\n:80", "h" * 256 + ":80", "h:" + "0" * 9],
)  # fmt: skip
def test_whatever_is_no_address_is_refused_with_the_mend(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.parse_address(text)
    assert caught.value.fix


def test_the_operating_manual_has_every_setting_with_its_variable_and_default() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
    in_words = {"listen": '`["127.0.0.1:0"]`', "peers": "`[]`", "root_file": "none", "network_key_file": "none"}
    for field, key in KEYS.items():
        default = in_words.get(field) or f"`{json.dumps(getattr(DEFAULTS, field))}`"
        assert f"| `{key}` | `TALOS_{field.upper()}` | {default} |" in manual
