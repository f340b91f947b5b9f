"""The options the benchmarks share, and what they put into the daemon's config."""

import argparse
import json
from collections.abc import Collection

SLICES = 6  # of a measurement, in turn with its ceiling's: the machine's moods meet both alike
PROVIDERS = ("generic", "github")


def plain(description: str | None) -> argparse.ArgumentParser:
    """What every benchmark's begins with."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--directory", help="where the databases go; default: the system's temp")
    return made


def parser(
    description: str | None, *, seconds: float, rounds: int | None = 3
) -> argparse.ArgumentParser:
    made = plain(description)
    if rounds is not None:
        made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--seconds", type=float, default=seconds, help="of each measurement")
    made.add_argument(
        "--provider",
        choices=PROVIDERS,
        default=PROVIDERS[0],
        help="github adds a delivery id to each request, which the daemon remembers",
    )
    made.add_argument(
        "--filter",
        help="filter on the endpoint, JSONata or plain in braces; it must let everything in",
    )
    return made


def add_figures(options: argparse.ArgumentParser, names: Collection[str]) -> None:
    """`--figures`: some of `names`, by comma; all by default."""

    def chosen(text: str) -> list[str]:
        found = text.split(",")
        if unknown := [name for name in found if name not in names]:
            raise argparse.ArgumentTypeError(f"{unknown[0]}: choose from {', '.join(names)}")
        return found

    options.add_argument(
        "--figures", type=chosen, default=list(names), help=f"which, by comma: {','.join(names)}"
    )


def endpoint_lines(arguments: argparse.Namespace) -> list[str]:
    lines = [f"provider: {arguments.provider}"]
    if arguments.filter is not None:
        text = arguments.filter
        lines.append(f"filter: {text if is_plain(text) else json.dumps(text)}")
    return lines


def is_plain(text: str) -> bool:
    """In braces it is a YAML mapping as it stands; no JSONata that yields true begins so."""
    return text.startswith("{")


def load_doubts(arguments: argparse.Namespace) -> list[str]:
    """A bound holds with any provider and a plain filter; what JSONata costs is only reported."""
    if arguments.filter is None or is_plain(arguments.filter):
        return []
    return ["not the stated load: a JSONata filter"]


def load_text(arguments: argparse.Namespace) -> str:
    extra = f", filter {arguments.filter}" if arguments.filter is not None else ""
    return f"1 KB bodies, HMAC, provider {arguments.provider}{extra}"
