"""Every sender known by name has a hint, whose config is good; docs/providers.md is theirs."""

import importlib.util
from pathlib import Path

import pytest
from hinted import environ

from dispatchd.config import parse
from dispatchd.hints import GROUPS, HINTS
from dispatchd.hints.telling import commented
from dispatchd.verify import provider_names
from dispatchd.verify.providers import provider_named

ROOT = Path(__file__).parents[2]


def test_every_provider_has_a_hint_and_no_other():
    assert sorted(HINTS) == sorted(provider_names())
    assert sum(map(len, GROUPS.values())) == len(HINTS)


@pytest.mark.parametrize("name", HINTS)
def test_a_hint_goes_with_its_provider(name):
    hint, provider = HINTS[name], provider_named(name)
    assert bool(hint.handshake) == (provider.handshake is not None)
    assert bool(hint.proof) == bool(provider.coded or provider.jwt)
    assert hint.own_test or not hint.cannot
    assert provider.also <= {key.name for key in hint.keys}


@pytest.mark.parametrize("name", HINTS)
def test_all_that_is_printed_is_a_good_config_in_80_columns(name):
    lines = list(commented(name))
    config = parse("\n".join(lines), environ=environ(name))
    assert list(config.endpoints) == [name]
    assert config.warnings() == []
    prose = [line for line in lines if not line.startswith("#   ") or line.startswith("#    ")]
    breakable = [line for line in prose if " " in line.lstrip("# ")]
    assert max(map(len, breakable)) <= 80  # a command is whole, to be copied


def test_the_page_is_what_the_tables_say():
    spec = importlib.util.spec_from_file_location(
        "providers_page", ROOT / "tests" / "providers_page.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page()


@pytest.mark.parametrize("name", ["dropbox", "mailgun", "postmark", "zoom"])
def test_who_counts_no_202_is_told_of(name):
    assert "answer: {status: 200}" in " ".join(HINTS[name].notes)
