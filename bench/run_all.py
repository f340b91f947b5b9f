"""Every benchmark in turn, as Markdown: the figures first, then what each command printed.

python bench/run_all.py [--quick] [--base DIR [--base-python PATH]] [--directory DIR] > results.md
"""

import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from figures import FIGURES
from options import plain

HERE = Path(__file__).resolve().parent
SCRIPTS = (
    "ingest",
    "end_to_end",
    "latency",
    "backlog",
    "flood",
    "pruning",
    "memory",
    "stall",
    "isolation",
    "watched",
    "live",
    "exactly_once",
    "against",
)
QUICK = {
    "ingest": ["--rounds", "1", "--seconds", "2"],
    "end_to_end": ["--rounds", "1", "--seconds", "2"],
    "latency": ["--seconds", "5"],
    "backlog": ["--rounds", "1", "--seconds", "2", "--deliveries", "50000"],
    "flood": ["--rounds", "1", "--seconds", "2"],
    "pruning": ["--rounds", "1", "--seconds", "3"],
    "memory": ["--events", "300", "--seconds", "5"],
    "stall": ["--rounds", "1"],
    "isolation": ["--rounds", "1", "--seconds", "2", "--deliveries", "200000"],
    "watched": ["--rounds", "1", "--seconds", "6"],
    "live": ["--rounds", "1", "--seconds", "2"],
    "exactly_once": ["--deliveries", "4000"],
    "against": ["--rounds", "1", "--seconds", "2"],
}
# The main job's ratios again, with all that a sender may add.
GITHUB = ["--provider", "github"]
VARIANTS = (
    ("provider github, a plain filter", [*GITHUB, "--filter", "{body.action: opened}"]),
    ("provider github, a JSONata filter", [*GITHUB, "--filter", "body.number < 1000"]),
)
VARIED = ("ingest", "end_to_end")
WORDS = ("ok", "MISS", "VOID")
NONE = ("none: it wants --base", "none: see below")


def measured(output: str) -> dict[str, str]:
    """Each figure's cell: the word and the value, from the lines `judge` wrote."""
    cells = {}
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word in WORDS:
            # A name may hold a colon of its own, the value cannot.
            name, _, value = rest.strip().split(" (must be ")[0].rpartition(": ")
            cells[name] = value if word == "ok" else f"{value} {word}"
    return cells


def table(cells: dict[str, str], ran: Sequence[str] = SCRIPTS) -> str:
    lines = ["| figure | must reach | measured |", "|---|---|---|"]
    lines += [
        f"| {figure.name} | {figure.must} | {cells.get(figure.name, NONE[figure.script in ran])} |"
        for figure in FIGURES
    ]
    return "\n".join(lines)


def variant_table(rows: list[tuple[str, dict[str, str]]]) -> str:
    lines = ["| load | figure | measured |", "|---|---|---|"]
    lines += [
        f"| {load} | {name} | {cell} |" for load, cells in rows for name, cell in cells.items()
    ]
    return "\n".join(lines)


def run(script: str, arguments: list[str]) -> tuple[str, str]:
    """The command as a person would type it, and all it printed."""
    print(f"{script} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / f"{script}.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    ending = f"exit status {done.returncode}\n" if done.returncode else ""
    return shlex.join(["python", f"bench/{script}.py", *arguments]), done.stdout + ending


def main() -> None:
    parser = plain(__doc__)
    parser.add_argument("--quick", action="store_true", help="does it work; figures mean little")
    parser.add_argument("--base", help="another checkout to compare with")
    parser.add_argument("--base-python", default=sys.executable, help="its interpreter")
    options = parser.parse_args()
    ran = SCRIPTS if options.base else SCRIPTS[:-1]
    base = ["--base", options.base or "", "--base-python", options.base_python]
    own = {"against": base}  # options that one script alone has
    where = ["--directory", options.directory] if options.directory else []
    date = time.strftime("%Y-%m-%d")
    quick = QUICK if options.quick else {}
    outputs = [run(one, [*quick.get(one, []), *own.get(one, []), *where]) for one in ran]
    cells = {name: cell for _, output in outputs for name, cell in measured(output).items()}
    print(f"Measured on {date}{' (quick: do not record)' if options.quick else ''}.\n")
    print(table(cells, ran))
    rows = []
    for load, extra in VARIANTS:
        for one in VARIED:
            outputs.append(run(one, [*quick.get(one, []), *extra, *where]))
            rows.append((load, measured(outputs[-1][1])))
    print(f"\nThe main job's ratios under other loads:\n\n{variant_table(rows)}")
    for command, output in outputs:
        print(f"\n```\n$ {command}\n{output.rstrip()}\n```")
    if len(cells) < sum(figure.script in ran for figure in FIGURES):
        sys.exit(1)


if __name__ == "__main__":
    main()
