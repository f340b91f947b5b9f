"""What the tests of `dispatchd doctor` share: an installation, and what is found of it."""

import json
import select
import subprocess
from typing import Any

from rig_served import free_port

CONFIG = """\
server: {{listen: {listen}}}
admin: {{listen: {admin}}}
storage: {{url: "sqlite:///{database}"}}
endpoints:
  my-slug: {{secret: "${{file:{secret}}}", destinations: [crm]}}
destinations:
  crm: {{url: "http://me:sekrit-1@127.0.0.1:{port}/in?token=sekrit-2"}}
"""


def configure(world, there, listen: str | None = None, admin: str | None = None) -> None:
    text = CONFIG.format(
        listen=listen or f"127.0.0.1:{free_port()}",
        admin=admin or f"127.0.0.1:{free_port()}",
        database=world.database,
        secret=world.directory / "secret",
        port=there.getsockname()[1],
    )
    world.config.write_text(text)
    world.config.chmod(0o600)


def findings(world, *options: str, code: int = 1) -> dict[str, list[dict[str, Any]]]:
    ran = world.dispatchd("doctor", "--json", *options)
    assert ran.code == code, ran.out
    told = json.loads(ran.out)
    assert told["ok"] is (code == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in told["checks"]:
        found.setdefault(one["check"], []).append(one)
        assert (one["todo"] is None) or one["verdict"] != "ok"
    return found


def acts(found: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, str]]:
    return [
        (one["check"], one["said"], one["todo"])
        for ones in found.values()
        for one in ones
        if one["verdict"] == "act"
    ]


def started(world, process) -> subprocess.Popen:
    # Unbuffered: what has been read ahead cannot be selected for.
    running = process("serve", "--config", world.config, "--log-format", "json", bufsize=0)
    while True:
        assert select.select([running.stderr], [], [], 20)[0]
        line = running.stderr.readline()
        assert line, "it ended"
        if b'"admin_started"' in line:
            return running
