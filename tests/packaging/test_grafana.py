"""docs/grafana-dashboard.json by Grafana's own schema: the types of npm's @grafana/schema.

The TypeScript compiler reads the dashboard as a literal, so it objects to a key that the schema
does not have, to one that is missing, and to a word or number that is not among those allowed.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

DASHBOARD = json.loads(
    (Path(__file__).parents[2] / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8")
)
PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
# What JSON can say of a type: of an enum its words, of an object some of its keys or all.
TYPES = """
import type { Dashboard, Panel } from '@grafana/schema';
import type { Options as TimeSeries }
  from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Options as Stat }
  from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';

type Json<T> = unknown extends T ? unknown
  : T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer Item)[] ? Json<Item>[]
  : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T;
type Some<T> = T extends (infer Item)[] ? Some<Item>[]
  : T extends object ? { [Key in keyof T]?: Some<T[Key]> } : T;
type Options = { timeseries: Some<Json<TimeSeries>>; stat: Some<Json<Stat>> };
"""


def complaints(directory: Path, dashboards: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the compiler has against each, empty where nothing: one line each."""
    for tool in ("npm", "node"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    installed = subprocess.run(npm, cwd=directory, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install Grafana's schema: {installed.stderr[-300:]}")
    for number, dashboard in enumerate(dashboards):
        lines = [TYPES, f"export const whole: Json<Dashboard> = {json.dumps(dashboard)};"]
        for index, panel in enumerate(dashboard["panels"]):
            kind = f"Options[{json.dumps(panel['type'])}]"
            lines += [
                f"export const p{index}: Json<Panel> = {json.dumps(panel)};",
                f"export const o{index}: {kind} = {json.dumps(panel['options'])};",
            ]
        (directory / f"d{number}.ts").write_text("\n".join(lines), encoding="utf-8")
    compiler = str(directory / "node_modules" / ".bin" / "tsc")
    ran = subprocess.run(
        [compiler, "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]
        + [f"d{number}.ts" for number in range(len(dashboards))],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [""] * len(dashboards)
    for line in ran.stdout.splitlines():
        if at := re.match(r"d([0-9]+)\.ts\([0-9,]+\): error TS", line):
            found[int(at[1])] += f"{line} "
    assert any(found) == (ran.returncode != 0), ran.stdout + ran.stderr
    return found


WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d.pop("schemaVersion"), "schemaVersion"),
    (lambda d: d.update(titel="x"), "titel"),
    (lambda d: d.update(editable="yes"), "boolean"),
    (lambda d: d["panels"][0].update(gridpos={}), "gridpos"),
    (lambda d: d["panels"][0]["gridPos"].pop("w"), "'w'"),
    (lambda d: d["panels"][0]["fieldConfig"]["defaults"].update(unti="s"), "unti"),
    (lambda d: d["panels"][0].update(options={"colorMode": "loud"}), "loud"),
    (lambda d: d["panels"][0].update(options={"colourMode": "value"}), "colourMode"),
    (lambda d: d["panels"][0].update(type="statt"), "statt"),
    (lambda d: d["templating"]["list"][1].update(refresh=7), "7"),
    (lambda d: d["templating"]["list"][0].update(type="source"), "source"),
]


def test_grafanas_schema_has_nothing_against_the_dashboard(tmp_path: Path) -> None:
    """And it does object to what is wrong, else its silence would say nothing."""
    wrong = [json.loads(json.dumps(DASHBOARD)) for _ in WRONG]
    for dashboard, (change, _) in zip(wrong, WRONG, strict=True):
        change(dashboard)
    good, *bad = complaints(tmp_path, [DASHBOARD, *wrong])
    assert good == ""
    for said, (_, told) in zip(bad, WRONG, strict=True):
        assert told in said
