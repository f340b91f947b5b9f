"""Sending: one request out, one outcome back. Never retries, never judges."""

from dispatchd.send.http import HttpSender

__all__ = ["HttpSender"]
