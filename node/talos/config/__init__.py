"""The settings of one node: what there are, and where they come from (`settings`); what values they take (`kinds`)."""

from __future__ import annotations

from talos.config.kinds import ALWAYS, parse_address, parse_topic
from talos.config.settings import (
    DEFAULTS,
    KEYS,
    SETTINGS_FILE,
    Config,
    data_folder,
    default_folder,
    load,
    parse,
    read_settings,
)

__all__ = [
    "ALWAYS",
    "DEFAULTS",
    "KEYS",
    "SETTINGS_FILE",
    "Config",
    "data_folder",
    "default_folder",
    "load",
    "parse",
    "parse_address",
    "parse_topic",
    "read_settings",
]
