"""`talos-node`: the node as a process, from ready to drained."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio

from talos.cli.passphrase import ask_passphrase, find_passphrase
from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.config import Config
from talos.control.server import serve_control
from talos.drivers.clock import RealClock
from talos.drivers.control_socket import control_path, listen_control
from talos.drivers.keystore import Keystore
from talos.drivers.service_manager import ServiceManager
from talos.errors import PassphraseNeeded
from talos.runtime import Node, data_folder, open_node

log = logging.getLogger(__name__)

# Seconds between two chances of another thread to run. With Python's 5 ms a commit of 64 rows takes 16 ms in a node
# that is busy, because its worker thread waits for the interpreter again and again; with this it takes 3 ms.
SWITCH_INTERVAL_S: Final = 0.0005


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@at_a_place
@click.option("--listen", multiple=True, metavar="HOST:PORT", help="Where to listen; may be repeated.")
@click.option("--peers", multiple=True, metavar="DID@HOST:PORT", help="A peer known from the start; may be repeated.")
@click.option("--bootstrap", multiple=True, metavar="DID@HOST:PORT", help="Lets us into the DHT; may be repeated.")
@click.option("--discovery", multiple=True, metavar="SOURCE", help="Whom to ask where a peer is; may be repeated.")
@click.option("--lan/--no-lan", default=None, help="Find, and be found by, nodes on the same network or machine.")
@click.option("--registries", multiple=True, metavar="DID@HOST:PORT", help="A registry to ask; may be repeated.")
@click.option("--registry", is_flag=True, default=None, help="Be a registry: hold what is published, for all.")
@click.option("--topics", multiple=True, metavar="NAME", help="What to be found by; may be repeated.")
@click.option("--relay", is_flag=True, default=None, help="Be a relay for nodes that can only dial.")
@click.option("--relays", multiple=True, metavar="DID@HOST:PORT", help="Be reached through it; may be repeated.")
@click.option("--network-key-file", type=click.Path(resolve_path=True), help="The key of a closed group.")
@click.option("--advertise", multiple=True, metavar="HOST:PORT", help="Where others can dial this node.")
@click.option("--queue-limit", type=int, help="Messages that may wait undelivered.")
@click.option("--retry-interval-s", type=float, help="Seconds between attempts to reach a peer.")
@click.option("--offline-mode", is_flag=True, default=None, help="Neither listen nor dial.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Whose content opens the keys.")
@click.option("--no-passphrase", is_flag=True, help="Run although the keys lie open: `talos init --no-passphrase`.")
def main(
    place: Place,
    passphrase_file: Path | None,
    no_passphrase: bool,
    **settings: object,
) -> None:
    """Run a node until SIGTERM or SIGINT. Make its identity with `talos init` first.

    Prints one line, beginning with "ready", when others can reach it.
    """
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    async def run() -> None:
        given = {name: None if value == () else value for name, value in settings.items()}  # An option not given.
        config = place.config(**given)
        found = find_passphrase(passphrase_file, os.environ)
        passphrase = _passphrase_for(data_folder(config).keystore, found, no_passphrase=no_passphrase)
        await _run_node(config, passphrase, place)

    perform(run, as_json=place.as_json)


async def _run_node(config: Config, passphrase: str | None, place: Place) -> None:
    control_path(place.folder)  # Before anything is opened.
    manager = ServiceManager.of(os.environ, os.getpid(), complain=log.warning)
    with open_node(config, passphrase) as node, trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with aclosing(await listen_control(place.folder)) as listener, trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, signals, node, manager, nursery.cancel_scope)
            await nursery.start(_run_then_cancel, node, nursery.cancel_scope)
            await nursery.start(partial(serve_control, node, listener, RealClock(), on_crash=_log_crash))
            _say_ready(node, place)
            await manager.tell(READY=1, status=f"listening on {_addresses(node)} as {node.did}")
            nursery.start_soon(manager.keep_alive)


def _passphrase_for(keystore: Keystore, found: str | None, *, no_passphrase: bool) -> str | None:
    """Return what to open the keys with: what was found, or else typed; None only where that was asked for by name.

    A passphrase does not make up for keys that lie open: somebody may have put them in the place of sealed ones.
    """
    keystore.require()
    if not keystore.is_sealed():
        if no_passphrase:
            return None
        raise PassphraseNeeded(
            f"the keys in {keystore.folder} lie open: whoever reads them is this node",
            fix="Say --no-passphrase to run it so; if you had sealed them, somebody has exchanged the file",
        )
    if found is None and not no_passphrase:
        return ask_passphrase(is_new=False)
    return found


async def _run_then_cancel(
    node: Node, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    await node.run(task_status=task_status)
    scope.cancel()  # Clients are served until the node has drained, and no longer.


async def _stop_on_signal(
    signals: AsyncIterator[int], node: Node, manager: ServiceManager, scope: trio.CancelScope
) -> None:
    await anext(signals)
    await manager.tell(STOPPING=1, status="draining")
    node.stop()
    await anext(signals)  # Somebody is in a hurry. What was acknowledged is on disk already.
    scope.cancel()


def _say_ready(node: Node, place: Place) -> None:
    if place.as_json:
        show({"ready": True, "did": node.did, "listening": list(node.addresses), "pid": os.getpid()})
    else:
        click.echo(f"ready {node.did} listening {_addresses(node)}")


def _addresses(node: Node) -> str:
    return " ".join(node.addresses) or "nowhere"


def _log_crash(name: str, crash: Exception) -> None:
    log.error("%s crashed", name, exc_info=crash)


if __name__ == "__main__":
    main()
