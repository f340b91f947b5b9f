"""The expected ways dispatchd refuses or stops; anything else is a surprise."""


class DispatchdError(Exception):
    """Base of every error that is shown to a user as one line, without a traceback."""

    exit_code = 1  # 2 is for usage and config


class StoreUnavailable(DispatchdError):  # noqa: N818 - a state of the store, not a mistake
    """The store cannot take writes now; nothing was changed and a later try may work.

    `reason` is a fixed word: full, locked, readonly, io, replaced, overloaded, closed.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StoreUnusable(DispatchdError):  # noqa: N818 - likewise
    """The database cannot be opened: wrong schema version, not a database, no permission."""


class AlreadyRunning(DispatchdError):  # noqa: N818 - likewise
    """Another daemon holds this database."""


class WriteRejected(DispatchdError):  # noqa: N818 - likewise
    """This one write is wrong; writes beside it are not affected."""
