"""The verbs of `talos`, put together."""

from __future__ import annotations

import click

from talos.cli.audit import audit
from talos.cli.demo import demo
from talos.cli.diagnose import diagnose
from talos.cli.find import find
from talos.cli.inbox import inbox
from talos.cli.init import init
from talos.cli.peers import peers
from talos.cli.ping import ping
from talos.cli.resolve import resolve
from talos.cli.send import send
from talos.cli.simulate import simulate
from talos.cli.status import status
from talos.cli.whoami import whoami


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app() -> None:
    """Talk to a Talos node on this machine, or make one.

    \b
    Exit codes: 0 yes; 1 the answer is no; 2 usage or settings; 3 no identity here;
    4 node not running or unreachable; 5 refused; 6 queued, not delivered in time;
    7 damaged or forged; 8 locked, full or sealed; 70 a bug of ours.
    """


for verb in (init, whoami, status, peers, ping, resolve, find, diagnose, send, inbox, audit, demo, simulate):
    app.add_command(verb)
