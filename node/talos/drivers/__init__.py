"""The real host, one thing per file. Nothing above knows what is in here; `talos.runtime` puts it together."""
