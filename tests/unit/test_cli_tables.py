"""Tables fit, and hide nothing they need not hide."""

from dispatchd.cli.tables import CELL_MAX_CHARS, Column, lay_out

COLUMNS = (Column("ID", whole=True), Column("TYPE"), Column("SIZE", right=True))
ROW = ("x" * 20, "pull_request.review.comment", "1 one, 2 two, 3 three")


def test_without_bound_everything_is_on_one_line():
    assert lay_out(COLUMNS, [ROW], None)[1] == f"{ROW[0]}  {ROW[1]}  {ROW[2]}"


def test_cut_to_the_width_one_line_a_row():
    lines = lay_out(COLUMNS, [ROW], 48)
    assert list(map(len, lines)) == [48, 48]
    assert lines[1] == ROW[0] + "  pull_reques…  1 one, 2 tw…"


def test_too_narrow_a_terminal_ends():
    assert ROW[0] in lay_out(COLUMNS, [ROW], 5)[1]


def test_wide_and_combining_characters_line_up():
    lines = lay_out((Column("A"), Column("B")), [("漢字", "x"), ("e\u0301", "x")], None)
    assert lines[1] == "漢字  x"
    assert lines[2] == "e\u0301     x"


def test_control_characters_and_endless_cells():
    lines = lay_out((Column("A"),), [("\x1b[2J\u202e",), ("y" * 100_000,)], None)
    assert lines[1] == r"\x1b[2J\u202e"
    assert len(lines[2]) == CELL_MAX_CHARS
