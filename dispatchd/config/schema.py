"""The config's JSON Schema, so that editors complete and check the YAML."""

from typing import Any, Final

from dispatchd.config.model import Config

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
REFERENCE: Final = r"\$\{.+\}"  # ${NAME} and ${file:/path} may stand for any value


def json_schema() -> dict[str, Any]:
    """Return the schema of what may be written in the file, not of what it is parsed to."""
    schema = _plain(Config.model_json_schema(by_alias=True, mode="validation"))
    return {"$schema": DIALECT, **schema, "title": "dispatchd config"}


def _plain(node: Any) -> Any:
    """Drop what only pydantic wants: titles made of names, null for what may be absent."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: _plain(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
    for key in ("writeOnly", "format"):  # of a secret: editors would hide it or warn
        if not isinstance(plain.get(key), dict):
            plain.pop(key, None)
    if plain.get("default", ...) in (None, ""):
        del plain["default"]
    options = [option for option in plain.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        del plain["anyOf"]
        plain = {**options[0], **plain}
    return _or_reference(plain)


def _or_reference(node: dict[str, Any]) -> dict[str, Any]:
    """Let a reference stand where a number, a switch, a pattern or one of some words is."""
    if isinstance(node.get("pattern"), str):
        return {**node, "pattern": f"{node['pattern']}|{REFERENCE}"}
    if node.get("type") in ("integer", "number", "boolean") or isinstance(node.get("enum"), list):
        about: dict[str, Any] = {k: node[k] for k in ("description", "default") if k in node}
        bare = {key: value for key, value in node.items() if key not in about}
        return {**about, "anyOf": [bare, {"type": "string", "pattern": REFERENCE}]}
    return node
