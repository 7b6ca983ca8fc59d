"""The local control API: how the command line talks to a running node."""
