"""A real Chromium before a real daemon."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chrome import CHROMIUM, FLAGS
from patience import HANG_S
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from rig_served import free_port
from shop import LONG_NAME, SECRET, TOKEN, Shop, Sink

Open = Callable[..., Page]
expect.set_options(timeout=HANG_S * 1000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened_shop(directory: Path) -> Iterator[Shop]:
    """Run the daemon of these tests on a database of its own; it must end without a fault."""
    sink = Sink()
    server = sink.serve()
    public, admin = free_port(), free_port()
    config = directory / "config.yaml"
    config.write_text(
        f"""
server: {{listen: '127.0.0.1:{public}'}}
admin: {{listen: '127.0.0.1:{admin}', token: {TOKEN}}}
storage: {{url: 'sqlite:///{directory}/shop.db'}}
endpoints:
  shop:
    secret: {SECRET}
    refused: {{body: true}}
    destinations:
      - crm
      - {{to: other, filter: {{body.type: nothing-has-this}}}}
  github: {{provider: github, secret: {SECRET}, destinations: [crm]}}
  trouble: {{secret: {SECRET}, destinations: [dead, parcels, {LONG_NAME}]}}
  {LONG_NAME}: {{secret: {SECRET}, destinations: [{LONG_NAME}]}}
destinations:
  crm:
    url: '{sink.url}'
    headers: {{X-Key: a-key-that-nobody-may-see}}
    retry: {{max_attempts: 2, backoff: [1h]}}
  other: {{url: '{sink.url}other'}}
  dead:
    url: 'http://127.0.0.1:1/'
    retry: {{backoff: [1h]}}
    breaker: {{open_after: 1, probe_every: 10m}}
  parcels: {{type: pull}}
  {LONG_NAME}: {{url: '{sink.url}long'}}
"""
    )
    command = [sys.executable, "-m", "dispatchd", "serve", "--config", config]
    daemon = subprocess.Popen([*command, "--log-format", "json"], stderr=subprocess.PIPE, text=True)
    log: list[str] = []
    assert daemon.stderr is not None
    while '"admin_started"' not in (log[-1] if log else ""):
        log.append(daemon.stderr.readline())
        assert daemon.poll() is None, log
    try:
        yield Shop(f"http://127.0.0.1:{public}", f"http://127.0.0.1:{admin}", sink, config)
    finally:
        daemon.terminate()
        _, rest = daemon.communicate(timeout=HANG_S)
        server.shutdown()
        server.server_close()
    assert daemon.returncode == 0
    assert '"internal_error"' not in rest, rest


@pytest.fixture(scope="session")
def shared_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture(scope="session")
def hostile_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One to which everything hostile has happened, for tests that only look."""
    with opened_shop(tmp_path_factory.mktemp("hostile")) as shop:
        shop.hostile_id = shop.hostile()
        yield shop


@pytest.fixture
def shop(shared_shop: Shop) -> Shop:
    """The daemon that tests share: its history is theirs, its destinations are as at the start."""
    shared_shop.calm()
    return shared_shop


@pytest.fixture
def new_shop(tmp_path: Path) -> Iterator[Shop]:
    """A daemon that nothing has happened to."""
    with opened_shop(tmp_path) as shop:
        yield shop


@pytest.fixture(scope="session")
def sessions() -> dict[str, Any]:
    """The cookies of each daemon's session: a test that only looks need not sign in anew."""
    return {}


@pytest.fixture
def browse(chromium: Browser, sessions: dict[str, Any]) -> Iterator[Open]:
    """Open a page with a session; what a policy refused or a script failed at fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        shop: Shop,
        path: str = "/",
        *,
        scheme: str = "light",
        width: int = 1280,
        scripts: bool = True,
        session: str | None = "shared",
    ) -> Page:
        """`session`: `shared`, `own` where the test ends it, None for nobody who signed in."""
        state = sessions.get(shop.admin) if session == "shared" else None
        context = chromium.new_context(
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            storage_state=state,
        )
        context.set_default_timeout(HANG_S * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: _note(complaints, said.type, said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        if session is not None and state is None:
            page.goto(f"{shop.admin}/login")
            page.fill("#token", TOKEN)
            page.click("button:has-text('Sign in')")
            page.wait_for_url(f"{shop.admin}/")
            if session == "shared":
                sessions[shop.admin] = context.storage_state()
        page.goto(shop.admin + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def _note(complaints: list[str], kind: str, text: str) -> None:
    # What is answered 4xx and 5xx on purpose is told by the browser as an error of its own.
    if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
        complaints.append(f"{kind}: {text}")
