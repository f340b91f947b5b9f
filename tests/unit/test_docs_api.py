"""docs/api.md tells of every operation, and of none that is not there."""

import re
from pathlib import Path

import pytest

from dispatchd.admin.api.openapi import openapi
from dispatchd.admin.api.operation import Operation
from dispatchd.admin.api.routes import OPERATIONS

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_same_operations() -> None:
    told = set(re.findall(r"^\| `(\w+ /api/v1/[^`]*)` \|", TEXT, re.MULTILINE))
    assert told == {f"{one.method} /api/v1{one.path}" for one in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_every_parameter_is_told_of(operation: Operation) -> None:
    names = [param.name for param in operation.in_query]
    if operation.body is not None:
        names += operation.body.__annotations__
    row = next(
        line
        for line in TEXT.splitlines()
        if f"`{operation.method} /api/v1{operation.path}`" in line
    )
    for name in names:
        assert name in ("before", "limit") or re.search(rf"[`\"]{name}[`\"]", row), name


def test_the_description_is_whole() -> None:
    described = openapi(OPERATIONS)
    assert described["openapi"] == "3.1.0"
    ids = [one["operationId"] for path in described["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)
    for path, operations in described["paths"].items():
        for one in operations.values():
            named = {p["name"] for p in one.get("parameters", ()) if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
    referred = set(re.findall(r"#/components/schemas/(\w+)", str(described)))
    assert referred == set(described["components"]["schemas"])


def test_no_two_shapes_have_one_name() -> None:
    named: dict[str, type] = {}
    for operation in OPERATIONS:
        for kind in (operation.answer, operation.body):
            if kind is not None:
                name = kind.__name__.removesuffix("Fields")
                assert named.setdefault(name, kind) is kind
