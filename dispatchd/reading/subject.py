"""A kept event as filters and rules see it."""

from multidict import CIMultiDict

from dispatchd.match import Subject
from dispatchd.model import Event
from dispatchd.reading.json_text import NotJson, parse_json
from dispatchd.verify import document_json


def subject_of(event: Event) -> Subject:
    """Read an event's body once more; one that is neither JSON nor a form has no reading."""
    document = document_json(event.body, event.content_type)
    try:
        read = parse_json(document)
    except NotJson:
        read = None
    as_json = b"null" if read is None else document
    return Subject(event.event_type, CIMultiDict(event.headers), read, event.source_ip, as_json)
