"""Does a JSONata expression compile? Asked while the config is read."""

import jsonata


def expression_problem(expression: str) -> str | None:
    """Return why a JSONata expression does not compile, None when it does."""
    try:
        jsonata.Jsonata(expression)
    except Exception as error:  # noqa: BLE001 - the engine's error types are its own business
        return str(error) or type(error).__name__
    return None
