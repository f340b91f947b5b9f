"""A consumer of a queue in a process of its own, to be killed: says on stdout what it does.

A line is a JSON list: ["claim", event_id, attempt, granted_ms, until_ms] as soon as it knows,
["done", event_id] when the work is done and before it acks, ["acked" or "late" or "nacked",
event_id] for the answer, ["idle"] where there was nothing. It gives up on nothing.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

URL, KEY, LEASE_S = sys.argv[1], sys.argv[2], int(sys.argv[3])


def ask(word: str, **body: Any) -> tuple[int, Any]:
    """Ask until there is an answer that is no fault of the daemon's."""
    request = urllib.request.Request(f"{URL}/{word}", json.dumps(body).encode())
    request.add_header("Authorization", f"Bearer {KEY}")
    request.add_header("Content-Type", "application/json")
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                return error.code, None
        except (OSError, ValueError):
            pass  # killed, or not there yet
        time.sleep(0.02)


def say(*words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


while True:
    status, claimed = ask("claim", max=3, lease=f"{LEASE_S}s", wait="1s")
    if status != 200:
        say("refused", status)
        break
    for item in claimed["items"]:
        until_ms = round(datetime.fromisoformat(item["leased_until"]).timestamp() * 1000)
        granted_ms = until_ms - LEASE_S * 1000
        say("claim", item["event_id"], item["attempt"], granted_ms, until_ms)
    for item in claimed["items"]:
        event_id = item["event_id"]
        if item["attempt"] == 1 and json.loads(item["body"])["n"] % 5 == 0:
            status, _ = ask("nack", lease_id=item["lease_id"], reason="at first never")
            say("nacked" if status == 200 else "late", event_id)
            continue
        say("done", event_id)
        status, _ = ask("ack", lease_id=item["lease_id"])
        say("acked" if status == 200 else "late", event_id)
    if not claimed["items"]:
        say("idle")
