"""Where dispatchd listens: our daemon answers there, or nobody does."""

import errno
import http.client
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dispatchd.doctor.finding import Finding, act, note, ok
from dispatchd.doctor.patient import Patient
from dispatchd.doctor.systemctl import show
from dispatchd.model import Listen

TIMEOUT_S: Final = 3.0
ANSWER_MAX_BYTES: Final = 64 * 1024
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - to connect to


def look(patient: Patient) -> Iterator[Finding]:
    """Judge the public listener, then the admin's."""
    config = patient.config
    yield _judge("listen", config.server.listen, runs=patient.runs)
    if config.admin is not None:
        yield _judge("admin", config.admin.listen, runs=patient.runs)


def _judge(check: str, listen: Listen, *, runs: bool) -> Finding:
    where = str(listen)
    if listen.handed is not None:
        return _handed(check, where, listen.handed)
    if listen.path is None and listen.port == 0:
        return ok(check, f"{where}: the system chooses a free port at each start")
    if runs:
        return _answered(check, listen, where)
    reason = unfree(listen)
    if reason is None:
        return ok(check, f"{where} is free")
    todo = (
        "choose a port from 1024 on, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE"
        if reason == os.strerror(errno.EACCES) and listen.path is None
        else f"end what listens there (`{_names(listen)}` names it), or choose another address"
    )
    return act(check, f"{where} cannot be listened on: {reason}", todo)


def _handed(check: str, where: str, name: str) -> Finding:
    """Judge a socket that systemd binds: what it is called there is its unit, unless told."""
    unit = name if name.endswith(".socket") else "dispatchd.socket"
    told = show(unit)
    if told is None:
        return note(check, f"{where}: systemd binds it, and cannot be asked from here")
    if told.get("ActiveState") == "active":
        return ok(check, f"{where}: {unit} is active ({told.get('SubState', '?')})")
    return act(
        check,
        f"{where}: {unit} is {told.get('ActiveState', '?')}, so nobody listens",
        f"systemctl enable --now {unit}",
    )


def _names(listen: Listen) -> str:
    return f"ss -ltnp sport = :{listen.port}" if listen.path is None else f"fuser {listen.path}"


def _answered(check: str, listen: Listen, where: str) -> Finding:
    try:
        healthy = healthz(listen)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "no answer"
        return act(
            check,
            f"the daemon runs, but {where} does not answer: {why}",
            "has the config changed since it started? `dispatchd reload`; else see its log",
        )
    if healthy:
        return ok(check, f"{where} answers: /healthz is ok")
    return act(
        check,
        f"something that is no dispatchd answers at {where}",
        f"`{_names(listen)}` names it; has the config changed since the daemon started?",
    )


def healthz(listen: Listen) -> bool:
    """Ask who listens there for /healthz; return whether it answers as we do. Raises OSError."""
    connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT_S)
    connection.sock = _connected(listen)
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        answer = connection.getresponse()
        told = json.loads(answer.read(ANSWER_MAX_BYTES))
    except (http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return answer.status == http.client.OK and isinstance(told, dict) and told.get("status") == "ok"


def _connected(listen: Listen) -> socket.socket:
    if listen.path is None:
        host = _ANY.get(listen.host, listen.host)
        return socket.create_connection((host, listen.port), TIMEOUT_S)
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(TIMEOUT_S)
    try:
        connected.connect(listen.path)
    except OSError:
        connected.close()
        raise
    return connected


def unfree(listen: Listen) -> str | None:
    """Say why a daemon could not listen there now; None where it could."""
    if listen.path is not None:
        return _unfree_path(Path(listen.path))
    try:
        found = socket.getaddrinfo(
            listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _unfree_path(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"{path.parent} is not a directory"
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        return f"{path.parent} cannot be written"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISSOCK(mode):
        return "the file is not a socket"
    try:
        _connected(Listen(path=str(path))).close()
    except ConnectionRefusedError:
        return None  # a dead process left it: the start removes it
    except OSError as error:
        return error.strerror or str(error)
    return "another process listens there"
