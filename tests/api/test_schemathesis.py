"""Schemathesis, which makes requests of the API's own description, finds nothing to object to."""

import json
import re
import urllib.request

import schemathesis
from hypothesis import HealthCheck, settings
from patience import HANG_S
from rig_served import TOKEN, Served
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from dispatchd.admin.api.openapi import openapi
from dispatchd.admin.api.routes import OPERATIONS

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
TOO_LARGE = (413, 431)  # its body, its URL
AUTH = {"Authorization": f"Bearer {TOKEN}"}
schema = schemathesis.openapi.from_dict(openapi(OPERATIONS))
STREAM = "/api/v1/stream"  # has no end: what is wrong is asked in tests/integration/admin


def test_the_description_is_served(served: Served) -> None:
    request = urllib.request.Request(f"{served.url}/api/v1/openapi.json", headers=AUTH)
    with urllib.request.urlopen(request, timeout=HANG_S) as response:
        assert json.load(response) == openapi(OPERATIONS)


def test_a_stream_begins_as_described(served: Served) -> None:
    request = urllib.request.Request(f"{served.url}{STREAM}?since=1h", headers=AUTH)
    (content,) = openapi(OPERATIONS)["paths"][STREAM]["get"]["responses"]["200"]["content"]
    with urllib.request.urlopen(request, timeout=HANG_S) as response:
        assert response.headers.get_content_type() == content
        assert response.readline() == b"retry: 2000\n"
        while (line := response.readline()) != b"event: event\n":
            assert line
        told = json.loads(response.readline().removeprefix(b"data: "))
    assert told["event_id"] == served.event_id


@schema.exclude(path=STREAM).parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_is_as_described(case: schemathesis.Case, served: Served) -> None:
    """Event ids are swapped for one that is there half of the time, so that answers are too."""
    given = case.path_parameters.get("event_id")
    if isinstance(given, str) and UUID.fullmatch(given) and given[0] in "02468ace":
        case.path_parameters["event_id"] = served.event_id
    response = case.call(base_url=served.url, headers=AUTH)
    if response.status_code in TOO_LARGE:
        return  # nobody looked at the rest of it
    excluded = [ignored_auth]  # else ten wrong tokens would have all the rest wait
    if case.body is not NOT_SET:
        # A body may fit its schema and ask for what is not there, or for a filter that is none.
        excluded.append(positive_data_acceptance)
    case.validate_response(response, excluded_checks=excluded)
