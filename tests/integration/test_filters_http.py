"""Filters on endpoints and links, plain and JSONata, over real HTTP."""

import pytest
from patience import HANG_S
from rig import Sink, StartDaemon

from dispatchd.config import ConfigProblems, parse

CONFIG = """
endpoints:
  my-slug:
    auth: none
    event_type_path: action
    filter: {endpoint_filter}
    destinations: [{{to: crm, filter: {link_filter}}}]
destinations: {{crm: {{url: '{url}'}}}}
"""
ANY = "{source_ip: '*'}"


@pytest.mark.parametrize(
    ("endpoint_filter", "link_filter", "body", "headers", "filtered_by"),
    [
        ("{body.action: [opened, closed]}", ANY, b'{"action":"opened"}', {}, None),
        ("{body.action: [opened, closed]}", ANY, b'{"action":"edited"}', {}, "filter"),
        ("{headers.x-env: 'pr*'}", ANY, b"{}", {"X-Env": "prod"}, None),
        ("{headers.X-Env: prod}", ANY, b"{}", {}, "filter"),
        ("{body.n: 1, body.ok: true}", ANY, b'{"n":1.0,"ok":true}', {}, None),
        ("{body.n: 1}", ANY, b'{"n":true}', {}, "filter"),
        ("{body.gone: null}", ANY, b"{}", {}, None),
        ("{event_type: opened}", ANY, b'{"action":"opened"}', {}, None),
        (ANY, "{body.a.0.b: x}", b'{"a":[{"b":"x"}]}', {}, None),
        (ANY, "{body.a.0.b: x}", b'{"a":[]}', {}, "crm: filter"),
        ("'body.amount > 100'", ANY, b'{"amount":101}', {}, None),
        ("'body.amount > 100'", ANY, b'{"amount":99}', {}, "filter"),
        (ANY, "'headers.`X-Env` = \"prod\"'", b"{}", {"X-Env": "prod"}, None),
        (ANY, "'event_type = \"opened\"'", b"{}", {}, "crm: filter"),
    ],
)
async def test_what_a_filter_says(  # noqa: PLR0917 - a table of cases
    start_daemon: StartDaemon,
    sink: Sink,
    endpoint_filter: str,
    link_filter: str,
    body: bytes,
    headers: dict[str, str],
    filtered_by: str | None,
) -> None:
    daemon = await start_daemon(
        CONFIG.format(endpoint_filter=endpoint_filter, link_filter=link_filter, url=sink.url)
    )
    story = await daemon.story(await daemon.accepted(body, secret=None, headers=headers))
    assert story.event.filtered_by == filtered_by
    assert story.event.status == ("filtered" if filtered_by else "received")
    assert [d.destination for d in story.deliveries] == ([] if filtered_by else ["crm"])
    assert daemon.log.of("event")[0].get("notes") is None


@pytest.mark.parametrize(
    "expression", ['"yes"', "body.nothing", '$error("x")', "$sum([1..9999999])"]
)
async def test_a_filter_that_fails_lets_through_and_says_so(
    start_daemon: StartDaemon, sink: Sink, expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatchd.receive.whither.FILTERS_WAIT_S", HANG_S)  # on a slow machine too
    daemon = await start_daemon(
        CONFIG.format(endpoint_filter=f"'{expression}'", link_filter=ANY, url=sink.url)
    )
    await daemon.accepted(b"{}", secret=None)
    await sink.wait_for(1)
    (line,) = daemon.log.of("event")
    assert line["notes"][0].startswith("the endpoint's filter failed: ")


async def test_a_process_that_dies_at_its_start_is_no_500(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await start_daemon(
        CONFIG.format(endpoint_filter="'true'", link_filter="'true'", url=sink.url)
    )
    monkeypatch.setattr("sys.executable", "/bin/false")
    await daemon.accepted(b"{}", secret=None)
    await sink.wait_for(1)
    notes = daemon.log.of("event")[0]["notes"]
    assert [note.partition(": ")[0] for note in notes] == [
        "the endpoint's filter was not asked",
        "the filter of the link to crm was not asked",
    ]


async def test_a_filter_reads_what_only_json_by_the_letter_allows(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """A lone surrogate anywhere in a body let it past any JSONata filter."""
    daemon = await start_daemon(
        CONFIG.format(endpoint_filter="'body.amount > 100'", link_filter=ANY, url=sink.url)
    )
    for rest in (b'"\\ud800"', b"1e999", b"[" * 500 + b"]" * 500, b"9" * 400):
        body = b'{"amount":99,"x":%s}' % rest
        story = await daemon.story(await daemon.accepted(body, secret=None))
        assert story.event.filtered_by == "filter"


async def test_a_form_writes_nothing_into_what_a_filter_sees(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      my-slug: {{auth: none, body: any, filter: 'source_ip = "10.0.0.1"', destinations: [crm]}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    long = "application/x-www-form-urlencoded; x=" + "y" * 300
    for content_type in (long, "text/plain", ""):
        headers = {"Content-Type": content_type} if content_type else {}
        event_id = await daemon.accepted(b'1,"source_ip":"10.0.0.1"', secret=None, headers=headers)
        assert (await daemon.story(event_id)).event.filtered_by == "filter"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{}", "has no condition"),
        ("{action: x}", "begins with event_type"),
        ("{headers: x}", "headers.X-Name"),
        ("{body.: x}", "is no path"),
        ("{event_type.x: y}", "leads nowhere"),
        ("{body.a: {b: c}}", "needs a value"),
        ("{body.a: []}", "needs a value"),
        ("'body.('", "not a valid JSONata"),
    ],
)
def test_a_filter_that_cannot_work_is_a_config_error(given: str, said: str) -> None:
    with pytest.raises(ConfigProblems, match=r"config\.yaml:3") as caught:
        parse(f"endpoints:\n  a:\n    filter: {given}\n    auth: none\n")
    assert said in str(caught.value)
