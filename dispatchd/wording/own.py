"""Words for dispatchd's own alerts, whose bodies are in normal form already."""

from typing import Any, Final

from dispatchd.message import Field, Kind, Message
from dispatchd.wording.said import DESCRIPTION_MAX_CHARS, fields, items, text

_KINDS: Final = {kind.value: kind for kind in Kind}


def words(_: str, document: Any) -> Message | None:
    """Word an alert: what happened, how often and since when, and what to do."""
    title = text(document, "title")
    if not title:
        return None
    count = text(document, "count")
    return Message(
        title=title,
        description=text(document, "description", most=DESCRIPTION_MAX_CHARS),
        fields=(
            *(
                Field(name, value)
                for one in items(document, "fields")
                if (name := text(one, "name")) and (value := text(one, "value"))
            ),
            *fields(
                ("Times", "" if count == "1" else count),
                ("Since", text(document, "since")),
                ("What to do", text(document, "advice")),
            ),
        ),
        kind=_KINDS.get(text(document, "severity"), Kind.WARNING),
    )
