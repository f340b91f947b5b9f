"""A rendered `default` as a message, and what of it a platform would cut."""

from dispatchd.message import Field, Kind, Message
from dispatchd.templates.limits import cuts
from dispatchd.templates.normal import message_of, says_nothing


def test_a_rendered_default_is_a_message():
    tree = {
        "title": " Bug ",
        "description": "a\nb\n",
        "url": "https://h/",
        "kind": "Failure",
        "colour": "#2DA44E",
        "footer": "f",
        "fields": [{"name": "A", "value": "1"}, {"name": "B", "value": " "}],
    }
    assert message_of(tree) == Message(
        "Bug", "a\nb", "https://h/", (Field("A", "1"),), Kind.FAILURE, "f", 0x2DA44E
    )


def test_a_kind_and_a_colour_that_are_none_are_left_out():
    message = message_of({"title": "x", "kind": "odd", "colour": "red", "url": ""})
    assert (message.kind, message.colour, message.url) == (Kind.INFO, None, None)


def test_a_message_may_say_nothing():
    assert says_nothing(message_of({"title": " ", "fields": [{"name": "A", "value": ""}]}))
    assert not says_nothing(message_of({"fields": [{"name": "A", "value": "1"}]}))


def test_what_a_type_would_cut_is_told():
    message = Message("t" * 300, "d" * 5000, fields=(Field("n", "v" * 1025),) * 26)
    told = list(cuts(message, "discord"))
    assert told[0] == "the title has 300 characters, of which discord shows 256"
    assert told[1] == "the description has 5000 characters, of which discord shows 4096"
    assert "of 26 fields discord shows 25" in told
    assert any(sentence.startswith("all of it has") for sentence in told)
    assert list(cuts(message, "email")) == []
    assert list(cuts(Message("x"), "discord")) == []
