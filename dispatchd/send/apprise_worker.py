"""The child process that has Apprise send one notice: asked on stdin, told on stdout.

It exits 0 when every service took it, else 1, with the library's warnings.
"""

import io
import json
import logging
import os
import signal
import sys
from typing import BinaryIO

import apprise


def main(asked: BinaryIO, told: BinaryIO) -> int:
    """Send what is asked for; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the daemon: it ends us
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a service's code prints may hold its URL
    notice = json.load(asked)
    said = io.StringIO()
    log = logging.getLogger("apprise")
    log.setLevel(logging.WARNING)
    log.addHandler(logging.StreamHandler(said))
    asset = apprise.AppriseAsset(async_mode=False, secure_logging=True)
    services = apprise.Apprise(asset=asset)
    known = [services.add(url) for url in notice["urls"]]
    sent = services.notify(
        title=notice["title"],
        body=notice["body"],
        notify_type=notice["kind"],
        body_format="text",
        interpret_escapes=False,
    )
    told.write(said.getvalue().encode("utf-8", "replace"))
    told.flush()
    return 0 if all(known) and sent else 1


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
