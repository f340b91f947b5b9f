"""What commands beside the daemon read of a config: never its secrets."""

from pathlib import Path

import pytest

from dispatchd.config import ConfigProblems, load, load_outline

TEXT = """
storage: {url: 'sqlite:////data/d.db', retention: 7d}
endpoints:
  github: {secret: '${file:/run/credentials/dispatchd.service/github}', destinations: [crm]}
destinations:
  crm: {url: 'https://crm.example.com/${CRM_TOKEN}'}
"""


def test_the_store_is_readable_without_the_daemons_secrets(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    with pytest.raises(ConfigProblems, match="CRM_TOKEN is not set"):
        load(path, {})
    outline = load_outline(path, {})
    assert (outline.storage.path, outline.storage.retention.events_s) == (
        "/data/d.db",
        7 * 86_400,
    )
    assert (outline.endpoints, outline.destinations) == (("github",), ("crm",))


@pytest.mark.parametrize("storage", ["{url: 'postgres://x'}", "{url: '${NOPE}'}", "{retention: 5}"])
def test_a_bad_storage_section_is_still_an_error(tmp_path: Path, storage: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"storage: {storage}\n")
    with pytest.raises(ConfigProblems, match=r"config.yaml:1: storage\.\w+"):
        load_outline(path, {})
