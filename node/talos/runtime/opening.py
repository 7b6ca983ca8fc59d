"""From a data folder to a node, and from nothing to an identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from talos.config import Config
from talos.core.names import did_of
from talos.drivers.data_folder import Created, DataFolder, in_memory
from talos.errors import UsageError
from talos.runtime.node import Node
from talos_ratchet import SUITE_1, Suite


def data_folder(config: Config) -> DataFolder:
    """Return the folder that `config` names. Raises `UsageError` where it names none."""
    if config.data_dir is None:
        raise UsageError("this needs a data folder", fix="Set data_dir, --data-dir or TALOS_DATA_DIR")
    return DataFolder(config.data_dir, config.store_size_max_mib, config.root_file)


def create_identity(config: Config, passphrase: str | None, *, root_passphrase: str | None = None) -> Created:
    """Make the identity of a data folder: `talos init`. Blocks. `passphrase=None` seals nothing.

    Raises as `DataFolder.create` does.
    """
    return data_folder(config).create(config.name, passphrase=passphrase, root_passphrase=root_passphrase)


@contextmanager
def open_node(config: Config, passphrase: str | None = None, suite: Suite = SUITE_1) -> Iterator[Node]:
    """Open the identity in `config.data_dir`, or make one in memory where that is None. Blocks.

    Holds the folder until the body ends; run the node inside. Raises `NoIdentity`, `Locked`, `PassphraseNeeded`,
    `Damaged`, or `UsageError` where this installation lacks ML-KEM.
    """
    with ExitStack() as stack:
        if config.data_dir is None:
            opened = stack.enter_context(in_memory(config.name))
        else:
            opened = stack.enter_context(data_folder(config).open(passphrase))
        yield Node(config, opened, suite)


def read_identity(config: Config) -> str:
    """Return the DID in a data folder, whether its node runs or not. Blocks. Raises `NoIdentity` or `Damaged`."""
    return did_of(data_folder(config).did())
