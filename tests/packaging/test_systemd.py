"""Under a real systemd: reload, credentials, the watchdog, a socket that outlives the daemon."""

import concurrent.futures
import json
import time
from pathlib import Path

import pytest
from roots import Machine
from test_deb import CONFIG, dpkg_install

CREDENTIAL = "a-secret-that-only-the-unit-may-read"
WITH_CREDENTIAL = """
storage: {url: 'sqlite:////var/lib/dispatchd/dispatchd.db'}
endpoints:
  my-slug: {secret: '${file:/run/credentials/dispatchd.service/github_secret}'}
"""
ON_A_SOCKET = """
server: {listen: systemd, max_connections_per_client: 4000}
storage: {url: 'sqlite:////var/lib/dispatchd/dispatchd.db'}
endpoints:
  my-slug: {secret: '${file:/etc/dispatchd/secrets/my-slug}'}
"""
URL = "http://127.0.0.1:8080/hooks/my-slug"
# Posts at an even rate for some seconds, each on a connection of its own; prints what came of it.
LOAD = """
import asyncio, collections, hashlib, hmac, json, sys, time
body = b'{"action":"opened"}'
secret = open('/etc/dispatchd/secrets/my-slug', 'rb').read().strip()
mac = hmac.new(secret, body, hashlib.sha256).hexdigest()
head = ("POST /hooks/my-slug HTTP/1.1", "Host: x", "Connection: close",
        f"X-Dispatch-Signature: sha256={mac}", f"Content-Length: {len(body)}", "", "")
request = "\\r\\n".join(head).encode() + body
seen = collections.Counter()
async def ask():
    try:
        reader, writer = await asyncio.open_connection('127.0.0.1', 8080)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        seen[answer[9:12].decode() or 'closed'] += 1
    except OSError as error:
        seen[repr(error)] += 1
async def main(seconds, per_s):
    began, asked = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while (now := time.monotonic() - began) < seconds:
            while asked < now * per_s:
                asked += 1
                group.create_task(ask())
            await asyncio.sleep(0.005)
asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
print(json.dumps(seen))
"""


def write(machine: Machine, path: str, text: str) -> None:
    target = machine.root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


@pytest.fixture
def served(machine: Machine, deb: Path) -> Machine:
    dpkg_install(machine, deb)
    return machine


def journal(machine: Machine) -> str:
    return machine.ok("journalctl", "-u", "dispatchd", "-o", "cat")


def test_a_reload_waits_and_fails_where_the_config_cannot_be_used(served: Machine) -> None:
    pid = served.unit("MainPID")
    good = (served.root / CONFIG.lstrip("/")).read_text()
    write(served, CONFIG, good + "\nheader_prefix: acme\n")
    served.ok("systemctl", "reload", "dispatchd")
    assert '"event":"reloaded"' in journal(served).replace(": ", ":")
    assert (served.unit("ActiveState"), served.unit("MainPID")) == ("active", pid)
    write(served, CONFIG, good + "\nheader_prefx: acme\n")
    assert served.run("systemctl", "reload", "dispatchd").returncode != 0
    assert "header_prefx" in journal(served)
    assert (served.unit("ActiveState"), served.unit("MainPID")) == ("active", pid)
    write(served, CONFIG, good)
    served.ok("systemctl", "reload", "dispatchd")
    served.ok("dispatchd", "send", "my-slug")


def test_a_secret_is_a_credential_of_the_unit(served: Machine) -> None:
    write(served, "/etc/dispatchd/secrets/github_secret", CREDENTIAL + "\n")
    write(
        served,
        "/etc/systemd/system/dispatchd.service.d/credential.conf",
        "[Service]\nLoadCredential=github_secret:/etc/dispatchd/secrets/github_secret\n",
    )
    write(served, CONFIG, WITH_CREDENTIAL)
    served.ok("systemctl", "daemon-reload")
    started = served.run("systemctl", "restart", "dispatchd")
    if started.returncode != 0 and "243/CREDENTIALS" in served.ok(
        "systemctl", "status", "dispatchd"
    ):
        pytest.skip("this kernel lets no machine of ours have credentials")
    assert started.returncode == 0, journal(served)
    pid = served.unit("MainPID")
    shown = served.ok("cat", f"/proc/{pid}/environ")
    assert CREDENTIAL not in shown
    served.ok("systemctl", "reload", "dispatchd")  # the command reads no secret: the daemon does
    assert CREDENTIAL not in journal(served)


def test_a_daemon_that_hangs_is_restarted(served: Machine) -> None:
    write(
        served,
        "/etc/systemd/system/dispatchd.service.d/watchdog.conf",
        "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n",
    )
    served.ok("systemctl", "daemon-reload")
    served.ok("systemctl", "restart", "dispatchd")
    pid = served.unit("MainPID")
    served.ok("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "dispatchd")
    end = time.monotonic() + 60
    while served.unit("MainPID") in (pid, "0") or served.unit("SubState") != "running":
        assert time.monotonic() < end, journal(served)
        time.sleep(0.05)
    assert served.unit("NRestarts") == "1"
    served.ok("dispatchd", "send", "my-slug")


def test_no_request_is_refused_while_it_restarts_on_a_socket_of_systemds(served: Machine) -> None:
    served.ok("systemctl", "stop", "dispatchd")
    assert served.run("systemctl", "is-enabled", "dispatchd.socket").stdout != "enabled\n"
    write(served, CONFIG, ON_A_SOCKET)
    served.ok("systemctl", "enable", "--now", "dispatchd.socket")
    served.ok("dispatchd", "send", "my-slug", "--url", URL)  # the first one starts the daemon
    assert served.unit("ActiveState") == "active"
    write(served, "/root/load.py", LOAD)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        loading = pool.submit(served.ok, "python3.11", "/root/load.py", "12", "300")
        for _ in range(3):
            before = served.unit("MainPID")
            served.ok("systemctl", "restart", "dispatchd")
            assert served.unit("MainPID") != before
        seen = json.loads(loading.result())
    assert list(seen) == ["202"], seen
