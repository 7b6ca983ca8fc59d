"""The node inside an agent's own process: `TalosClient`, and the audit log that it keeps.

For programs that do not run trio, `asyncio_client` and `blocking_client` put it into a thread of its own.
"""

from talos.client.audit import ClientAudit
from talos.client.talos_client import LISTEN_DEFAULT, Opening, TalosClient

__all__ = ["LISTEN_DEFAULT", "ClientAudit", "Opening", "TalosClient"]
