"""What is no YAML, or none that a config may be written in: one problem, with our words for it."""

from itertools import pairwise

import pytest
import yaml
from configs import SECRET, problems

from dispatchd.config import document

SYNTAX = {
    "tab": ("a:\n\tb: 1", "2:1: is not valid YAML from here on; indent with spaces, not tabs"),
    "NUL": ("a: b\0c", "1:5: has a character that YAML does not allow: U+0000"),
    "surrogate": ("a: \ud800", "1:4: has a character that YAML does not allow: U+D800"),
    "bracket": ("a: [1", "1:4: is not valid YAML: what begins here has no end; close the quote"),
    "brace": ("a: {x: 1\n\n", "1:4: is not valid YAML: what begins here has no end; close"),
    "quote": (f'a: "{SECRET}\nb: 1\n', "1:4: is not valid YAML: what begins here has no end"),
    "brackets": ("a: [1, 2}\nb: 1", "1:9: is not valid YAML from here on; check the indentation"),
    "colon": ("a: b: c", "1:5: is not valid YAML from here on; put a value that holds ': '"),
    "two documents": ("a: 1\n---\nb: 1", "2:1: has a second document; remove the '---'"),
    "alias": (f"a: *{SECRET}", "1:4: is not valid YAML: an anchor that is not there, or is"),
    "twice": (f"a: &{SECRET} 1\nb: &{SECRET} 2", "2:4: is not valid YAML: an anchor that is not"),
    "tag handle": (f"a: !{SECRET}!x y", "1:4: is not valid YAML from here on; put a value that"),
    "at sign": (f"a: @{SECRET}", "1:4: is not valid YAML from here on; put a value that begins"),
    "no name": ("a: &", "1:5: is not valid YAML from here on; put a value that begins with"),
    "deep mappings": ("a: " + "[{x: " * 9_000, "1: is nested deeper than 32 levels"),
    "deep blocks": ("\n".join(" " * i + "a:" for i in range(50)), "33: is nested deeper than 32"),
    "list": ("- a", "1: must be a mapping of keys to values at the top level"),
    "deep": ("a: " + "[" * 20_000, "1: is nested deeper than 32 levels"),
    "itself": ("server: &a {x: *a}", "1: has aliases that expand beyond measure"),
    "merges itself": ("server: &a {<<: *a}", "1: has aliases that expand beyond measure"),
}


@pytest.mark.parametrize(("text", "start"), SYNTAX.values(), ids=SYNTAX)
@pytest.mark.parametrize("loader", [document.Loader, yaml.SafeLoader], ids=["fast", "pure"])
def test_what_is_no_yaml_is_one_problem(text, start, loader, monkeypatch):
    """The same whichever parser PyYAML was built with, and whatever words it has for it."""
    monkeypatch.setattr(document, "Loader", loader)
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(f"c.yaml:{start}")
    assert SECRET not in found[0]


@pytest.mark.parametrize("link", ["*{0}", "{{<<: [*{0}]}}"], ids=["aliases", "merges"])
def test_a_billion_laughs(link):
    names = "abcdefghijk"
    rows = ["a: &a {x: 1}"]
    for before, name in pairwise(names):
        many = ",".join([f"*{before}"] * 9)
        rows.append(
            f"{name}: &{name} " + (f"[{many}]" if link.startswith("*") else f"{{<<: [{many}]}}")
        )
    assert "expand beyond measure" in problems("\n".join(rows))[0]


def test_an_empty_file():
    for text in ("", "# nothing\n", "---\n"):
        assert problems(text) == ["c.yaml: is empty; `dispatchd init` writes a starter config"]
