"""Trio loops around cores: receive, tick, commit, release. They own no state and start nothing behind your back."""
