"""Values: a dataclass in all but what it costs."""

import pickle
from dataclasses import field, fields, replace
from typing import ClassVar

import pytest

from dispatchd.frozen import frozen


@frozen
class Point:
    """A point, its name, and a secret that nobody is shown."""

    x: int
    y: int = 0
    names: list[str] = field(default_factory=list, compare=False)
    secret: str = field(default="", repr=False)
    links: dict[str, str] = field(default_factory=dict, hash=False)
    kind: ClassVar[str] = "point"


@frozen
class Named(Point):
    """A point that is more."""

    name: str = ""


@frozen(repr=False)
class Hidden:
    """What is not shown at all."""

    secret: str


@frozen(repr=False)
class Veiled(Point):
    """What is not shown, though what it is made from is."""

    token: str = ""


@frozen
class Nothing:
    """No field."""


@frozen
class Odd:
    """Its own idea of being equal."""

    x: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and self.x % 2 == other.x % 2

    def __hash__(self) -> int:
        return self.x % 2

    def __repr__(self) -> str:
        return "odd"


def test_it_is_made_and_equal_by_its_fields() -> None:
    assert Point(1, 2) == Point(x=1, y=2)
    assert Point(1) != Point(1, 2)
    assert Point(1, names=["a"]) == Point(1, names=["b"])
    assert Point(1, secret="a") != Point(1, secret="b")
    assert Point(1).names is not Point(1).names
    assert Point(1, links={"a": "b"}) != Point(1)
    assert Point.kind == "point"


def test_one_of_another_class_is_another() -> None:
    assert Named(1) != Point(1)
    assert Point(1) != (1, 0, "")
    assert Named(1, name="a") == Named(1, name="a")
    assert Nothing() == Nothing()


def test_it_is_hashed_by_its_fields() -> None:
    assert len({Point(1), Point(1), Point(2), Nothing(), Nothing(), Odd(1), Odd(3)}) == 4


def test_it_is_shown_but_for_what_is_hidden() -> None:
    assert repr(Point(1, secret="s3cret")) == "Point(x=1, y=0, names=[], links={})"
    assert repr(Named(1, name="a")) == "Named(x=1, y=0, names=[], links={}, name='a')"
    assert "s3cret" not in repr(Hidden("s3cret"))
    assert "s3cret" not in repr(Veiled(1, token="s3cret"))
    assert repr(Odd(1)) == "odd"


def test_dataclasses_know_it() -> None:
    assert [one.name for one in fields(Named)] == ["x", "y", "names", "secret", "links", "name"]
    assert replace(Point(1, 2), x=3) == Point(3, 2)
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_it_goes_through_a_pipe() -> None:
    point = Named(1, 2, ["a"], "s3cret", {}, "name")
    assert pickle.loads(pickle.dumps(point)) == point
    assert pickle.loads(pickle.dumps(point)).names == ["a"]


def test_it_has_no_room_for_anything_else() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]
