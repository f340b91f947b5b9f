"""`dispatchd serve`: run the daemon."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from dispatchd.cli.options import config_option
from dispatchd.log import LEVELS


@click.command()
@config_option
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="One JSON object a line, or text for people; auto is text on a terminal.",
)
@click.option(
    "--log-level",
    type=click.Choice(list(LEVELS)),
    default="info",
    show_default=True,
    help="The least severe line that is written.",
)
@click.option("--watch", is_flag=True, help="Reload whenever the config file has changed.")
def command(config_path: str | None, log_format: str, log_level: str, *, watch: bool) -> None:
    """Run the daemon: receive webhooks, keep them, deliver them.

    It logs to standard error, one line per received event and per attempt, and ends with
    exit 0 on SIGTERM or Ctrl-C once what is in flight has been written. SIGHUP has it read its
    config anew, as `dispatchd reload` does.

    \b
    Example:
      dispatchd serve --config config.example.yaml
    """  # noqa: D301 - click reads the backspace itself
    gc.disable()  # while nearly all that is made stays: looking for cycles is a tenth of the start
    from dispatchd.plan import PlanReader  # noqa: PLC0415 - only this command runs the daemon
    from dispatchd.signals import take_over  # noqa: PLC0415 - likewise

    take_over()
    with PlanReader(config_path) as reader:  # it reads while we import
        plan = reader.plan() if _has_one_processor() else None
        import uvloop  # noqa: PLC0415 - likewise

        with _without_authorities():
            from dispatchd.app import App  # noqa: PLC0415 - likewise
        from dispatchd.handed import HandedSockets  # noqa: PLC0415 - likewise
        from dispatchd.log import bridge_libraries, make_log  # noqa: PLC0415 - likewise

        handed = HandedSockets()
        plan = plan or reader.plan()
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    log = make_log("json" if log_format == "json" else "text", level=log_level)
    bridge_libraries(log)
    try:
        for warning in plan.warnings:
            log.warning("config", message=warning)
        uvloop.run(App(plan, log, watch=watch, handed=handed).run())
    finally:
        log.close()


def _has_one_processor() -> bool:
    """Whether two processes would take turns here, and each empty the other's caches."""
    return hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1  # not on macOS


@contextmanager
def _without_authorities() -> Iterator[None]:
    """Keep aiohttp's client, which nothing here uses, from reading every authority at import.

    That is a tenth of the start. Whoever speaks TLS here makes a context of its own; one that
    was made meanwhile would trust nobody. The variables are OpenSSL's own:
    https://docs.openssl.org/3.0/man3/SSL_CTX_load_verify_locations/
    """
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
