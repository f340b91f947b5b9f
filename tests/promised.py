"""Whether what a command printed is what docs/json.md promises of it."""

from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from dispatchd.shapes.commands import COMMANDS


def promised(name: str, printed: Any, which: int = 0) -> bool:
    """Assert that `printed` is the shape of a command, or one of its list or lines; say true."""
    assert deviations(printed, COMMANDS[name][which].shape) == []
    return True


def deviations(value: Any, kind: Any, at: str = "") -> list[str]:
    """Return where `value` is not as `kind` has it: fields too many, too few, of other types."""
    if is_typeddict(kind):
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        hints = get_type_hints(kind, include_extras=True)
        needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        found = [f"{at}.{name} is not promised" for name in value.keys() - hints.keys()]
        found += [f"{at}.{name} is missing" for name in needed - value.keys()]
        plain = get_type_hints(kind)
        for name in value.keys() & hints.keys():
            found += deviations(value[name], plain[name], f"{at}.{name}")
        return found
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return []
    if origin is list and isinstance(value, list):
        return [one for item in value for one in deviations(item, inside[0], f"{at}[]")]
    if origin is dict and isinstance(value, dict):
        return [one for item in value.values() for one in deviations(item, inside[1], f"{at}.*")]
    if inside and origin not in (list, dict):
        return [] if any(not deviations(value, one, at) for one in inside) else [f"{at} is {value}"]
    if kind is float and isinstance(value, int):
        return []
    return [] if type(value) is kind else [f"{at} is {value!r}, not {kind}"]
