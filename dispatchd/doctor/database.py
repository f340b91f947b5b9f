"""The database: whether it is sound, and of which schema."""

from collections.abc import Iterator

from dispatchd.doctor.finding import Figure, Finding, act, note, ok
from dispatchd.doctor.patient import Patient
from dispatchd.spelling import size


def look(patient: Patient) -> Iterator[Finding]:
    """Tell what the checkup found."""
    path, found = patient.database, patient.checkup
    if patient.trouble is not None:
        yield act(
            "database",
            patient.trouble,
            "run this as the daemon's user; if that is who you are, restore the last backup",
        )
        return
    if found is None:
        yield note("database", f"there is none yet at {path}; the first start makes it")
        return
    took = f"{found.took_s:.1f} s"
    about = f"{path}, {size(found.size_bytes)}"
    figures: dict[str, Figure] = {"size_bytes": found.size_bytes, "took_s": round(found.took_s, 3)}
    if found.fault is not None:
        yield act(
            "database",
            f"{about}, is damaged: {found.fault}",
            "stop the daemon, keep the files, and `dispatchd restore` the last backup; then look"
            " at the disk",
            figures=figures,
        )
    elif not found.whole:
        yield note(
            "database",
            f"{about}: no fault found in the {took} that were given to it",
            "`dispatchd doctor --full` looks at everything, however long it takes",
            figures=figures,
        )
    elif found.full:
        yield ok(
            "database", f"{about}, is sound: all of it was looked at, in {took}", figures=figures
        )
    else:
        yield ok(
            "database",
            f"{about}, is sound by SQLite's quick_check, in {took}"
            " (`dispatchd doctor --full` compares the indexes too)",
            figures=figures,
        )
    yield _schema(found.schema, found.known_schema)


def _schema(schema: int, known: int) -> Finding:
    if schema > known:
        return act(
            "schema",
            f"version {schema}, made by a newer dispatchd; this one knows up to {known}",
            "install the newer one, or restore a backup of before",
            figures={"version": schema},
        )
    if schema < known:
        return note(
            "schema",
            f"version {schema}; the next start brings it to {known}",
            figures={"version": schema},
        )
    return ok("schema", f"version {schema}, as this dispatchd has it", figures={"version": schema})
