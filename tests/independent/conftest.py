"""A real daemon for handlers that are written with other people's SDKs."""

from integration.conftest import sink, sink_factory, start_daemon

__all__ = ["sink", "sink_factory", "start_daemon"]
