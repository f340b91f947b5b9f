"""`dispatchd serve`: run the daemon."""

import sys

import click

from dispatchd.log import LEVELS


@click.command()
@click.option("--config", "config_path", metavar="FILE", help="The config file.")
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
def command(config_path: str | None, log_format: str, log_level: str) -> None:
    """Run the daemon: receive webhooks, keep them, deliver them.

    It logs to standard error, one line per received event and per attempt, and ends with
    exit 0 on SIGTERM or Ctrl-C once what is in flight has been written.

    \b
    Example:
      dispatchd serve --config config.example.yaml
    """  # noqa: D301 - click reads the backspace itself
    import uvloop  # noqa: PLC0415 - only this command runs the daemon

    from dispatchd.app import App  # noqa: PLC0415 - likewise
    from dispatchd.config import find_config, load  # noqa: PLC0415 - likewise
    from dispatchd.log import bridge_libraries, make_log  # noqa: PLC0415 - likewise

    config = load(find_config(config_path))
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    log = make_log("json" if log_format == "json" else "text", level=log_level)
    bridge_libraries(log)
    try:
        for warning in config.warnings():
            log.warning("config", message=warning)
        uvloop.run(App(config, log).run())
    finally:
        log.close()
