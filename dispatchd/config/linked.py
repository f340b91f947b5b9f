"""What the links to one destination carry, for old events: read without any secret."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from dispatchd.config.document import Document, read_document
from dispatchd.config.link import LinkConfig
from dispatchd.config.loading import config_text
from dispatchd.config.problems import ConfigProblems, spell_path
from dispatchd.config.problems import Path as Place

_ENDPOINTS: Final = "endpoints"


def load_links(path: Path, to: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return by endpoint what its link to a destination carries, as `store.jobs.LinkTerms` has it.

    Only problems of what is returned count: the rest may be the daemon's alone.
    Raises ConfigProblems.
    """
    document = read_document(
        config_text(path), str(path), os.environ if environ is None else environ
    )
    config = document.value
    destination = _mapping(_mapping(config.get("destinations")).get(to))
    wanted = _globs(destination.get("event_types"))
    asked: list[Place] = [("destinations", to, "event_types")]
    found: dict[str, Any] = {}
    for slug, endpoint in _mapping(config.get(_ENDPOINTS)).items():
        for index, given in enumerate(_list(_mapping(endpoint).get("destinations"))):
            link = _link(document, (_ENDPOINTS, slug, "destinations", index), given, to)
            if link is None:
                continue
            asked += [(_ENDPOINTS, slug, "filter"), (_ENDPOINTS, slug, "destinations", index)]
            filters = [endpoint.get("filter"), link.filter]
            found[slug] = {
                "event_types": [globs for globs in (list(link.event_types), wanted) if globs],
                "filters": [one for one in filters if one is not None],
                "rules": [
                    {"event_types": list(r.event_types), "filter": r.filter, "skip": r.skip}
                    for r in link.rules
                ],
            }
    spelled = tuple(map(spell_path, asked))
    if problems := [p for p in document.problems if p.path.startswith(spelled)]:
        raise ConfigProblems(problems)
    return found


def _link(document: Document, place: Place, given: Any, to: str) -> LinkConfig | None:
    """Return the link where it leads to `to`; one that is wrong is a problem of the document."""
    if (given.get("to") if isinstance(given, dict) else given) != to:
        return None
    try:
        return LinkConfig.model_validate(given if isinstance(given, dict) else {"to": given})
    except ValidationError:
        document.add(place, "cannot be used", "`dispatchd check` says why")
        return LinkConfig(to=to)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _globs(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else _list(value)
