"""No tier of tests is forgotten, and the README's command needs none of the SDKs."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CI = (ROOT / ".ci" / "run").read_text()
# What the packages of the extra `vectors` are imported as.
SDKS = {
    "atlassian_jwt", "check_jsonschema", "gidgethub", "joserfc", "jwt", "nacl", "paypalrestsdk",
    "slack_sdk", "square", "standardwebhooks",
    "svix", "stripe", "twilio",
}  # fmt: skip
TIERS = sorted({str(path.parent.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")})


def modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_is_run(tier: str) -> None:
    paths = PROJECT["tool"]["pytest"]["ini_options"]["testpaths"]
    beneath = any(tier == path or tier.startswith(f"{path}/") for path in paths)
    assert beneath or re.search(rf"pytest --quiet {tier}\s", CI)


def test_only_what_is_independent_needs_the_sdks() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if path.parent.name != "independent" and path.name != "signers.py":
            assert not modules(path) & SDKS, path
    assert len(PROJECT["project"]["optional-dependencies"]["vectors"]) == len(SDKS)


def test_what_is_imported_is_declared() -> None:
    """What another package happens to bring along may go with its next version."""
    declared = {
        requirement.split(">")[0].replace("-", "_").lower()
        for requirement in PROJECT["project"]["dependencies"]
    }
    names = {"yaml": "pyyaml", "pydantic_core": "pydantic"}
    for path in (ROOT / "dispatchd").rglob("*.py"):
        for module in modules(path) & THIRD_PARTY:
            assert names.get(module, module) in declared, f"{path} imports {module}"


THIRD_PARTY = {
    "aiohappyeyeballs", "aiohttp", "aiosqlite", "click", "cryptography", "idna", "jlens",
    "multidict", "orjson", "prometheus_client", "pydantic",
    "pydantic_core", "rich", "structlog", "uuid_utils", "uvloop", "yaml", "yarl",
}  # fmt: skip
