"""What /metrics says: true, well-formed, bounded, and as the docs, the dashboard and the rules."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from nouns import an_event
from prometheus_client.parser import text_string_to_metric_families
from rig import BODY, FakeClock, Sink, always
from rig_api import Api, StartApi

HERE = Path(__file__).parent
DOCS = HERE.parents[2] / "docs"
RULES = yaml.safe_load((DOCS / "prometheus-rules.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text())
RULE_TESTS = yaml.safe_load((HERE / "prometheus-rules.test.yaml").read_text())
NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed"
)
DURATION = re.compile(r"[0-9]+[smhd]")


async def scraped(api: Api) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    status, body, headers = await api.ask("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def busy(api: Api, sink: Sink) -> None:
    """Have something happen of each kind."""
    event_id = await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt", event_id=event_id)
    sink.answer = always(500)
    await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt", result="retrying")
    await api.daemon.post(b"{")
    for slug in ("nobody", "nobody-else", "dispatchd\u00e9"):
        await api.daemon.post(BODY, slug=slug)


async def test_it_counts_what_happened(start_api: StartApi, sink: Sink) -> None:
    api = await start_api(clock=FakeClock())
    await busy(api, sink)
    found = await scraped(api)

    def value(name: str, **labels: str) -> float:
        return found[f"dispatchd_{name}", tuple(sorted(labels.items()))]

    assert value("requests_total", endpoint="my-slug", result="received") == 2
    assert value("requests_total", endpoint="my-slug", result="invalid_json") == 1
    assert value("requests_total", endpoint="-", result="unknown_endpoint") == 3
    assert value("request_duration_seconds_count") == 6
    assert value("attempts_total", destination="crm", result="success") == 1
    assert value("attempts_total", destination="crm", result="http_error") == 1
    assert value("deliveries_total", destination="crm", result="success") == 1
    assert value("attempt_duration_seconds_count", destination="crm") == 2
    assert value("delivery_duration_seconds_bucket", destination="crm", le="+Inf") == 1
    assert value("backlog_deliveries", destination="crm") == 1
    assert value("lane_state", destination="crm", state="held") == 0
    assert value("commit_duration_seconds_count") >= 3
    assert value("commit_writes_total") >= 4
    assert value("database_bytes") > 4096
    assert value("free_disk_bytes") > 0
    assert value("store_healthy") == 1
    assert value("stream_followers") == 0
    assert "nobody" not in str(found)


async def test_scrapes_at_once_count_a_backlog_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one takes seconds; two servers and a person would have it counted three times."""
    reads = api.daemon.app._admin._wired._reads
    counted, lanes = [], reads.lanes

    async def counting() -> Any:
        counted.append(1)
        return await lanes()

    monkeypatch.setattr(reads, "lanes", counting)
    found = await asyncio.gather(*(scraped(api) for _ in range(5)))
    assert all(("dispatchd_backlog_deliveries", (("destination", "crm"),)) in one for one in found)
    assert len(counted) == 1


async def test_the_docs_have_every_metric_and_no_other(api: Api, sink: Sink) -> None:
    await busy(api, sink)
    _, body, _ = await api.ask("GET", "/metrics")
    kinds = {}
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
    told = re.findall(r"^\| `(\w+)` \| (\w+) \|", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    assert dict(told) == kinds


def expressions() -> list[str]:
    panels = [t["expr"] for panel in DASHBOARD["panels"] for t in panel["targets"]]
    return [*(rule["expr"] for rule in RULES), *panels]


async def test_the_rules_and_the_dashboard_ask_for_what_is_there(api: Api, sink: Sink) -> None:
    await busy(api, sink)
    found = await scraped(api)
    samples = {name for name, _ in found}
    labels: dict[str, set[str]] = {}
    for name, pairs in found:
        labels.setdefault(name, {"instance", "job"}).update(label for label, _ in pairs)
    for expression in expressions():
        for name, matchers in re.findall(
            r"\b((?:dispatchd|process)_\w+)(?:\{([^}]*)\})?", expression
        ):
            assert name in samples, expression
            for label in re.findall(r"(\w+)\s*[=!]~?", matchers):
                assert label in labels[name], expression
        assert expression.count("(") == expression.count(")")


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    """By its own schema's words: ids that are single, a grid of 24 columns, nothing overlapping."""
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] in ("timeseries", "stat")
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__rate_interval", "__all"}
    assert used == variables


def test_the_rules_are_some_that_prometheus_takes() -> None:
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert DURATION.fullmatch(rule.get("for", "1m"))


def test_every_alert_has_a_test_of_when_it_fires() -> None:
    fired, quiet = set(), set()
    for case in RULE_TESTS["tests"]:
        for asked in case["alert_rule_test"]:
            (fired if asked.get("exp_alerts") else quiet).add(asked["alertname"])
    assert fired == quiet == {rule["alert"] for rule in RULES}


async def test_the_first_failure_of_a_destination_is_an_increase(api: Api, sink: Sink) -> None:
    """It began at 1, of which Prometheus makes no increase: no alert told of it."""
    found = await scraped(api)
    for result in ("success", "failed"):
        labels = (("destination", "crm"), ("result", result))
        assert found["dispatchd_deliveries_total", labels] == 0


@NEEDS_PROMTOOL
def test_promtool_is_content_with_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", DOCS / "prometheus-rules.yaml")


@NEEDS_PROMTOOL
def test_each_alert_fires_when_it_should() -> None:
    promtool("test", "rules", HERE / "prometheus-rules.test.yaml")


@NEEDS_PROMTOOL
async def test_promtool_is_content_with_the_metrics(api: Api, sink: Sink) -> None:
    await busy(api, sink)
    _, body, _ = await api.ask("GET", "/metrics")
    promtool("check", "metrics", sent=body)


async def test_it_tells_of_what_was_pruned_and_of_too_little_disk(
    start_api: StartApi, tmp_path: Path
) -> None:
    clock = FakeClock()
    storage = f"storage: {{url: 'sqlite:///{tmp_path}/dispatchd.db', min_free: 900000000GiB}}"
    api = await start_api(storage, clock=clock)
    old_ms = clock.now_ms() - 31 * 86_400_000
    await api.daemon.store.add_event(an_event(received_ms=old_ms), [])
    await api.daemon.pass_until(clock, lambda: api.daemon.log.of("pruned"))
    found = await scraped(api)
    assert found["dispatchd_pruned_events_total", (("why", "age"),)] == 1
    assert found["dispatchd_pruned_events_total", (("why", "size"),)] == 0
    assert found["dispatchd_disk_low", ()] == 1
    status, document, _ = await api.ask("GET", "/readyz")
    assert (status, document["status"]) == (503, "unavailable")


def promtool(*arguments: object, sent: bytes = b"") -> None:
    ran = subprocess.run(
        ["promtool", *map(str, arguments)], input=sent, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stdout.decode() + ran.stderr.decode()
