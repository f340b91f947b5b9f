"""Is this a JSONata expression? Pure; what it yields is found out elsewhere, within bounds."""


def expression_problem(expression: str) -> str | None:
    """Return why a JSONata expression does not compile, None when it does."""
    from jlens import Expression  # noqa: PLC0415 - most configs have no expression

    try:
        Expression(expression)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - the engine's panic is no Exception
        return str(error) or type(error).__name__
    return None
