"""Whether colours are shown: by the conventions that programs share."""

import pytest

from dispatchd.terminal import PLAIN, STYLES, styled, wants_colour, without_styles


@pytest.mark.parametrize(
    ("environ", "on_terminal", "in_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"NO_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": ""}, True, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "1"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_who_wants_colours(environ: dict[str, str], *, on_terminal: bool, in_pipe: bool) -> None:
    assert wants_colour(environ, is_tty=True) is on_terminal
    assert wants_colour(environ, is_tty=False) is in_pipe


@pytest.mark.parametrize("style", STYLES)
def test_what_is_styled_is_seen_as_it_was(style: str) -> None:
    shown = styled("held", style, colour=True)
    assert shown == f"{STYLES[style]}held{PLAIN}"
    assert without_styles(shown) == "held"
    assert styled("held", style, colour=False) == "held"
