"""A batch's first id is no delivery id: what is sent again may be another batch."""

from typing import Any

import pytest
from multidict import CIMultiDict

from dispatchd.reading.prune import Wanted, prune
from dispatchd.verify import Auth
from dispatchd.verify.endpoint import compile_verifier

GRID = compile_verifier(Auth("azure-event-grid", secrets=(b"a-token",)))


def delivery_id(document: Any) -> str | None:
    return GRID.delivery_id(CIMultiDict(), document)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([{"id": "a", "eventType": "t"}], "a"),
        ({"id": "a", "type": "t"}, "a"),  # CloudEvents
        # Sent again as [a, c], the second would be taken for the first, and c be lost.
        ([{"id": "a"}, {"id": "b"}], None),
        ([{"id": "a"}, 1], None),
        ([], None),
    ],
)
def test_event_grid_has_a_delivery_id_where_there_is_one_event(document, expected):
    assert delivery_id(document) == expected
    wanted = Wanted(path.split(".") for path in GRID.paths)
    assert delivery_id(prune(document, wanted)) == expected  # as a large one is read


@pytest.mark.parametrize(
    "document", [[{"eventType": "t"}], [{"type": "t"}, {"type": "u"}], {"type": "t"}]
)
def test_event_grids_events_have_a_type_in_either_schema(document):
    assert GRID.event_type(CIMultiDict(), document) == "t"
