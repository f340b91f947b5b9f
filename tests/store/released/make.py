"""Make the databases beside this file: each by the daemon of a commit, killed with a backlog.

    python tests/store/released/make.py [SCHEMA ...]

Each commit is checked out beside the repository's own tree and installed in an environment of its
own. Its daemon takes six webhooks for four destinations: `good` takes them, `bad` refuses them for
good, `slow` never answers, `down` is not there. It is killed, and started once more without
`down`, which is held from then on. What is in such a database is told in test_upgrades.py.
"""

import gzip
import hashlib
import hmac
import http.server
import json
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
# The last commit of each schema whose scripts are today's; 1 is the first that was published.
COMMITS = {
    1: "deb1698",
    2: "56fd53c",
    3: "a7c2ea9",
    4: "186c3df",
    5: "1131145",
    6: "a0883a3",
    7: "378193b",
    8: "b1082fa",
    9: "749fc6f",
}
SECRET = "your-signing-secret"
EVENTS = 6
WAIT_S = 30.0
DOWN = "  down: {url: 'http://127.0.0.1:1/', retry: {max_attempts: 3, backoff: [1h]}}"
CONFIG = """
server: {listen: '127.0.0.1:PORT'}
storage: {url: 'sqlite:///released.db'}
endpoints:
  my-slug:
    secret: SECRET
    event_type_path: action
    destinations: [NAMES]
destinations:
  good: {url: 'SINK/good'}
  bad: {url: 'SINK/bad', retry: {max_attempts: 1}}
  slow: {url: 'SINK/slow'}
"""
OWED = "SELECT destination, status, count(*) FROM deliveries GROUP BY 1, 2 ORDER BY 1, 2"
FULL = [
    ("bad", "failed", EVENTS),
    ("down", "retrying", EVENTS),
    ("good", "success", EVENTS),
    ("slow", "queued", EVENTS),
]


class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/slow":
            threading.Event().wait()
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def config(directory: Path, sink: str, *, down: bool) -> Path:
    names = "good, bad, slow, down" if down else "good, bad, slow"
    text = CONFIG.replace("PORT", "0").replace("SECRET", SECRET).replace("SINK", sink)
    path = directory / "config.yaml"
    path.write_text(text.replace("NAMES", names) + (DOWN if down else ""))
    return path


def start(python: Path, path: Path) -> tuple[subprocess.Popen[str], int]:
    daemon = subprocess.Popen(
        [python, "-m", "dispatchd", "serve", "--config", path, "--log-format", "json"],
        cwd=path.parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stderr is not None
    for line in daemon.stderr:
        if found := re.search(r'"port":\s*(\d+)', line):
            threading.Thread(target=daemon.stderr.read, daemon=True).start()
            return daemon, int(found[1])
    raise SystemExit("the daemon did not start")


def post(port: int, number: int) -> None:
    body = json.dumps({"action": "opened", "number": number}).encode()
    proof = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    url = f"http://127.0.0.1:{port}/hooks/my-slug"
    headers = {"X-Dispatch-Signature": f"sha256={proof}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        assert answer.status == 202


def await_rows(database: Path, sql: str, wanted: list[tuple[object, ...]]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    rows: list[tuple[object, ...]] = []
    while rows != wanted:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"{rows} is not {wanted}")
        time.sleep(0.1)
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute(sql).fetchall()


def make(schema: int, commit: str, sink: str, directory: Path) -> None:
    tree, python = directory / "tree", directory / "venv/bin/python"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", tree], check=True)
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)
    database = directory / "released.db"
    daemon, port = start(python, config(directory, sink, down=True))
    for number in range(EVENTS):
        post(port, number)
    await_rows(database, OWED, FULL)
    daemon.kill()
    daemon.wait()
    daemon, _ = start(python, config(directory, sink, down=False))
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait() == 0
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema,)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    packed = gzip.compress(database.read_bytes(), mtime=0)
    (HERE / f"schema-{schema}.db.gz").write_bytes(packed)
    sys.stdout.write(f"schema {schema}: {commit}, {len(packed)} bytes\n")


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chosen = [int(one) for one in sys.argv[1:]] or list(COMMITS)
    for schema in chosen:
        with tempfile.TemporaryDirectory() as directory:
            sink = f"http://127.0.0.1:{server.server_port}"
            make(schema, COMMITS[schema], sink, Path(directory))


if __name__ == "__main__":
    main()
