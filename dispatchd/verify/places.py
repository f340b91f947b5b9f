"""Where in a request a provider puts its event type and its delivery id."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dispatchd.paths import at_path
from dispatchd.verify.inbound import Headers

INDEX_DIGITS_MAX: Final = 6
TEXT_MAX_CHARS: Final = 8192  # longer is a payload, neither a type nor an id

Find = Callable[[Headers, Any], str | None]


class Place(NamedTuple):
    """How to find a text in a request; `paths` are the dot paths it follows into the body.

    `[]` in a path stands for every element of a list, `{}` for the names of an object's keys.
    `headers` are those that it reads; `told` names the place for people.
    """

    find: Find
    paths: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    told: str = ""


def at(document: Any, path: str) -> Any:
    """Follow a dot path through objects and lists; None where it leads nowhere."""
    return at_path(document, path.split("."), index_digits_max=INDEX_DIGITS_MAX)


def text(value: Any) -> str | None:
    """Spell a scalar as an event type or id; None for anything that cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 1 <= len(value) <= TEXT_MAX_CHARS:
        return None
    try:
        value.encode()  # a lone surrogate is no text: it can be neither stored nor sent
    except UnicodeEncodeError:
        return None
    return value


def header(name: str) -> Place:
    """Read a header; one that is sent twice says nothing."""

    def find(headers: Headers, _: Any) -> str | None:
        values = headers.getall(name, [])
        return text(values[0].strip()) if len(values) == 1 else None

    return Place(find, headers=(name,), told=name)


def field(path: str) -> Place:
    """Read a field of the document."""
    return Place(lambda _, document: text(at(document, path)), (path,), told=f"body.{path}")


def of_only_one(name: str) -> Place:
    """Read a field of the one element of a list; of several, each may come again without the rest.

    What is called by its first element would then be taken for a redelivery, and the rest lost.
    """

    def find(_: Headers, document: Any) -> str | None:
        return None if at(document, "1") is not None else text(at(document, f"0.{name}"))

    return Place(find, (f"0.{name}", "1"), told=f"body.0.{name}, where there is no other")


def joined(separator: str, first: Place, second: Place) -> Place:
    """Read two places as one text; the first alone where the second is missing."""

    def find(headers: Headers, document: Any) -> str | None:
        head, tail = first.find(headers, document), second.find(headers, document)
        return text(f"{head}{separator}{tail}") if head and tail else head

    return _of(find, (first, second), " and ")


def signed_by(name: str, then: Place, otherwise: Place) -> Place:
    """Read `then` where the signature header `name` is sent, for it covers that place."""

    def find(headers: Headers, document: Any) -> str | None:
        return (then if headers.getall(name, []) else otherwise).find(headers, document)

    return _of(find, (then, otherwise), ", else ")


def either(*places: Place) -> Place:
    """Read the first place that says something."""

    def find(headers: Headers, document: Any) -> str | None:
        for place in places:
            if (value := place.find(headers, document)) is not None:
                return value
        return None

    return _of(find, places, ", else ")


def _of(find: Find, places: tuple[Place, ...], word: str) -> Place:
    return Place(
        find,
        tuple(path for place in places for path in place.paths),
        tuple(name for place in places for name in place.headers),
        word.join(place.told for place in places),
    )


def _slack_type(_: Headers, document: Any) -> str | None:
    """`event_callback` is an envelope: the type is inside. A slash command has only its name."""
    kind = text(at(document, "type"))
    if kind == "event_callback":
        return text(at(document, "event.type")) or kind
    return kind or text(at(document, "command"))


def _meta_type(_: Headers, document: Any) -> str | None:
    """`object.field` when all changes of a batch agree on the field, else `object`."""
    kind = text(at(document, "object"))
    entries = at(document, "entry")
    fields = set()
    for entry in entries if isinstance(entries, list) else ():
        changes = at(entry, "changes")
        for change in changes if isinstance(changes, list) else ():
            fields.add(text(at(change, "field")))
    only = fields.pop() if len(fields) == 1 else None
    return text(f"{kind}.{only}") if kind and only else kind


def _telegram_type(_: Headers, document: Any) -> str | None:
    """Name the update: the one key beside its number."""
    keys = [key for key in document if key != "update_id"] if isinstance(document, dict) else []
    return text(keys[0]) if len(keys) == 1 else None


def _x_type(_: Headers, document: Any) -> str | None:
    """Name the activity: the key that ends in `_events`, else the first that is not context."""
    if not isinstance(document, dict):
        return None
    keys = [key for key in document if key not in ("for_user_id", "user_has_blocked")]
    named = [key for key in keys if key.endswith(("_event", "_events"))]
    return text((named or keys or [None])[0])


slack_type: Final = Place(
    _slack_type,
    ("type", "event.type", "command"),
    told="body.event.type, else body.type, else the slash command",
)
meta_type: Final = Place(
    _meta_type,
    ("object", "entry.[].changes.[].field"),
    told="body.object, and the field where all changes have the same",
)
x_type: Final = Place(_x_type, ("{}",), told="the name of the body's …_events field")
telegram_type: Final = Place(
    _telegram_type, ("{}",), told="the name of the body's field beside update_id"
)
