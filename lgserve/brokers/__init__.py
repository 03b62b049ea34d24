"""Logs of events and signals between parts of the server."""
