"""The node inside an agent's own process: `TalosClient`, and the audit log that it keeps."""

from talos.client.audit import ClientAudit
from talos.client.talos_client import LISTEN_DEFAULT, Opening, TalosClient

__all__ = ["LISTEN_DEFAULT", "ClientAudit", "Opening", "TalosClient"]
