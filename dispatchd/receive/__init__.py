"""Ingest: HTTP in, verified, on disk, 202."""

from dispatchd.receive.receiver import Receiver
from dispatchd.receive.routes import Routes, compile_routes
from dispatchd.receive.server import http_server

__all__ = ["Receiver", "Routes", "compile_routes", "http_server"]
