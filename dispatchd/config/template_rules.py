"""Templates as they are written, and the links and rules that name them."""

from collections.abc import Iterator
from typing import Any, Final

from dispatchd.config.document import Document
from dispatchd.config.problems import Path, is_misspelt, nearest, quoted
from dispatchd.message import Terms
from dispatchd.templates.markup import TYPES
from dispatchd.templates.normal import NORMAL, normal_problems
from dispatchd.templates.tree import leaves

NOT_READ: Final = ("webhook", "command", "pull")  # types of destinations that programs read


def check_templates(
    document: Document,
    templates: Any,
    endpoints: dict[str, Any],
    destinations: dict[str, Any],
) -> None:
    """Add a problem to `document` for everything that is wrong with templates and their use."""
    templates = templates if isinstance(templates, dict) else {}
    for name, variants in templates.items():
        _template(document, ("templates", name), variants)
    for name, destination in destinations.items():
        if _type_of(destination) == "command":
            for key in ("env", "args"):
                _texts(document, ("destinations", name, key), destination.get(key))
    for slug, endpoint in endpoints.items():
        links = endpoint.get("destinations") if isinstance(endpoint, dict) else None
        for index, link in enumerate(links if isinstance(links, list) else ()):
            if isinstance(link, dict):
                path: Path = ("endpoints", slug, "destinations", index)
                _rule_names(document, path, link)
                kind = _type_of(destinations.get(str(link.get("to"))))
                for place, name in _used(path, link):
                    _use(document, place, name, templates, kind)


def _template(document: Document, path: Path, variants: Any) -> None:
    if not isinstance(variants, dict):
        return  # the model says so
    if not variants:
        document.add(path, "says nothing", f"give it {NORMAL}, or the terms of a type")
    for variant, tree in variants.items():
        place = (*path, variant)
        if variant in NOT_READ:
            never = f"templates are never applied to {variant} destinations"
            document.add(place, never, of_key=True)
        elif variant == NORMAL:
            for within, message, known in normal_problems(tree):
                hint = nearest(str(within[-1]), known) if known else None
                document.add((*place, *within), message, hint, of_key=bool(known))
        elif variant not in TYPES:
            hint = nearest(variant, (NORMAL, *TYPES))
            document.add(place, "unknown type of destination", hint, of_key=True)
        elif not isinstance(tree, dict) or not tree:
            document.add(place, f"must be a mapping, in the terms of {variant}")
        else:
            _terms(document, place, Terms(variant, tree))
        _texts(document, place, tree)


def _terms(document: Document, place: Path, terms: Terms) -> None:
    from dispatchd.compose.terms import shape_problem  # noqa: PLC0415 - few configs have such terms

    problem = shape_problem(terms)
    if problem is not None:
        document.add(place, f"{terms.type} would not take it: {problem}")


def _texts(document: Document, path: Path, tree: Any) -> None:
    for leaf in leaves(tree):
        if "{" not in leaf.text:
            continue
        from dispatchd.templates.render import text_problems  # noqa: PLC0415 - it imports jinja2

        place = (*path, *leaf.path)
        for message, hint in text_problems(leaf.text):
            if place in document.shown:
                document.add(place, f"is not a valid template: {message}", hint)
            else:  # what stands there came from elsewhere, and may be secret
                document.add(place, "is not a valid template")


def _type_of(destination: Any) -> str | None:
    """Return the type of a destination that there is; None where it cannot be told."""
    if not isinstance(destination, dict):
        return None
    kind = destination.get("type", "webhook")
    return kind if isinstance(kind, str) else None


def _used(path: Path, link: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield each template that a link names, and where."""
    rules = link.get("rules")
    for place, part in (
        (path, link),
        *(((*path, "rules", n), r) for n, r in enumerate(rules if isinstance(rules, list) else ())),
    ):
        name = part.get("template") if isinstance(part, dict) else None
        if isinstance(name, str):
            yield (*place, "template"), name


def _use(
    document: Document, place: Path, name: str, templates: dict[str, Any], kind: str | None
) -> None:
    if name not in templates and not is_misspelt("templates", document.value):
        shown = place in document.shown
        document.add(
            place,
            f"unknown template {quoted(name)}" if shown else "unknown template",
            nearest(name, templates) if shown else None,
        )
    if kind in NOT_READ:
        document.add(
            place,
            f"templates are never applied to {kind} destinations",
            "use a transform, or a type of destination that people read",
        )
    variants = templates.get(name)
    if kind not in TYPES or not isinstance(variants, dict) or not variants:
        return
    if variants.keys().isdisjoint((NORMAL, kind)):
        document.add(place, f"has neither {NORMAL} nor {kind}", f"give it {NORMAL}")


def _rule_names(document: Document, path: Path, link: dict[str, Any]) -> None:
    rules = link.get("rules")
    seen: dict[str, int] = {}
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        name = rule.get("name") if isinstance(rule, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            place = (*path, "rules", index, "name")
            document.add(place, f"is the name of rules[{seen[name]}] too", "give each its own")
        seen.setdefault(name, index)
