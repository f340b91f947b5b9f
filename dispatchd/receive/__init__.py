"""Ingest: HTTP in, verified, on disk, 202."""

from dispatchd.receive.connections import Connections
from dispatchd.receive.receiver import Receiver
from dispatchd.receive.routes import Routes, compile_routes
from dispatchd.receive.server import close_listener, http_server

__all__ = ["Connections", "Receiver", "Routes", "close_listener", "compile_routes", "http_server"]
