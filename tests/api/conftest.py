"""The real daemon as a process, with data in it, for a tester that speaks HTTP from outside."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from rig_served import TOKEN, Served, free_port, post


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("api")
    public, admin = free_port(), free_port()
    config = directory / "config.yaml"
    config.write_text(
        f"""
server: {{listen: '127.0.0.1:{public}'}}
admin: {{listen: '127.0.0.1:{admin}', token: {TOKEN}}}
storage: {{url: 'sqlite:///{directory}/api.db'}}
endpoints:
  open: {{auth: none, event_type_path: action, refused: {{body: true}}, destinations: [crm, jobs]}}
api_keys: [{{name: worker, hash: 'sha256:{"ab" * 32}', pull: jobs}}]
destinations:
  jobs: {{type: pull}}
  crm: {{url: 'http://127.0.0.1:9/', timeout: 1s, retry: {{max_attempts: 1}}}}
"""
    )
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dispatchd", "serve", "--config", config, "--log-format", "json"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stderr is not None
    log = []
    try:
        while '"admin_started"' not in (log[-1] if log else ""):
            log.append(daemon.stderr.readline())
            assert daemon.poll() is None, log
        hook = f"http://127.0.0.1:{public}/hooks/open"
        event_ids = [
            json.loads(post(hook, b'{"action": "a%d"}' % n)[1])["event_id"] for n in range(3)
        ]
        assert post(hook, b"{")[0] == 400
        yield Served(f"http://127.0.0.1:{admin}", event_ids[0])
    finally:
        daemon.terminate()
        _, rest = daemon.communicate()
    assert daemon.returncode == 0
    assert '"internal_error"' not in rest
