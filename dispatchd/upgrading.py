"""An upgrade of the database told: to the log, and to systemd, which ends a slow start."""

from typing import Final

from dispatchd.log import Log
from dispatchd.store.upgrade import TELL_EVERY_S, TellUpgrade, UpgradeStep
from dispatchd.systemd import Notifier

EXTEND_S: Final = 24 * TELL_EVERY_S  # beyond what is told: a sync of a large copy is silent


def telling_upgrade(log: Log, notifier: Notifier) -> TellUpgrade:
    """Return what tells of an upgrade while the daemon starts."""

    def tell(step: UpgradeStep) -> None:
        notifier.extend_timeout(EXTEND_S)
        fields: dict[str, object] = {}
        if step.backup:
            fields["backup"] = step.backup
        if step.percent is not None:
            fields["percent"] = step.percent
        log.warning("upgrade", doing=step.doing, before=step.before, after=step.after, **fields)

    return tell
