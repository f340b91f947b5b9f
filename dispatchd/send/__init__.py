"""Sending: one request out, one outcome back. Never retries, never judges."""

from dispatchd.send.carrier import Carrier
from dispatchd.send.http import HttpSender

__all__ = ["Carrier", "HttpSender"]
