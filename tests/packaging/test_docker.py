"""The image, built without an engine, and run as the compose file says: read-only, not as root."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from everything import asking, assert_the_admin_listener_answers
from rig_served import free_port
from roots import in_memory, require
from running import Running, post

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "packaging/docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICE = COMPOSE["services"]["dispatchd"]
Buildah = Callable[..., str]


@pytest.fixture(scope="module")
def buildah(tmp_path_factory) -> Iterator[Buildah]:
    """Run buildah with a store of its own."""
    require("buildah")
    with in_memory(tmp_path_factory.mktemp("buildah")) as base:
        store = ["--root", f"{base}/root", "--runroot", f"{base}/run", "--storage-driver", "vfs"]

        def run(*arguments: str) -> str:
            ran = subprocess.run(
                ["buildah", *store, *arguments],
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
            )
            assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
            return ran.stdout.strip()

        yield run
        run("rm", "--all")


@pytest.fixture(scope="module")
def image(buildah, pristine) -> str:
    """The Dockerfile's image, on a base made here: a minimal Debian, as the real one is."""
    base = buildah("from", "scratch")
    buildah("add", "--quiet", base, str(pristine), "/")
    buildah("commit", "--quiet", "--rm", base, "localhost/debian:base")
    buildah(
        "build", "--isolation", "chroot", "--format", "docker", "--tag", "localhost/dispatchd",
        "--build-arg", "BASE=localhost/debian:base", "--file", str(DOCKER / "Dockerfile"), ".",
    )  # fmt: skip
    return "localhost/dispatchd"


def test_the_image_runs_read_only_and_not_as_root(buildah, image, tmp_path):
    settings = json.loads(buildah("inspect", "--type", "image", image))["Docker"]["config"]
    user, volume = settings["User"].split(":")[0], *settings["Volumes"]
    assert int(user) > 0
    assert settings["Healthcheck"]["Test"] == ["CMD", "dispatchd-healthcheck"]
    container = buildah("from", image)
    root = Path(buildah("mount", container))
    environment = dict(entry.split("=", 1) for entry in settings["Env"])
    port, admin_port = free_port(), free_port()
    config = tmp_path / "config.yaml"
    config.write_text(
        (DOCKER / "config.yaml")
        .read_text()
        .replace("0.0.0.0:8080", f"127.0.0.1:{port}")
        .replace("destinations: [local]", "destinations: [{to: local, filter: 'body.n = 1'}]")
        + f"\nadmin: {{listen: '127.0.0.1:{admin_port}'}}\n"
    )
    config.chmod(0o644)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/my-slug").write_text("s3cret-of-the-test\n")
    (root / "run/secrets").mkdir(parents=True)
    (root / "etc/dispatchd").mkdir(parents=True)
    # What an engine does with what the compose file says, in a mount namespace of its own. A new
    # volume begins as the image's directory: with its owner and mode.
    setup = f"""
        mount --bind {root} {root}
        mount -t tmpfs tmpfs {root}/tmp
        mode=$(stat -c mode=%a,uid=%u,gid=%g {root}{volume})
        mount -t tmpfs -o $mode tmpfs {root}{volume}
        mount --bind {tmp_path}/secrets {root}/run/secrets
        touch {root}/etc/dispatchd/config.yaml
        mount --bind {config} {root}/etc/dispatchd/config.yaml
        mount -t proc proc {root}/proc
        mount -o remount,ro,bind {root}
        cd {root}
        exec chroot {root} setpriv --reuid={user} --regid={user} --clear-groups --no-new-privs \\
            --bounding-set=-all sh -c 'cd {settings["WorkingDir"]} && exec "$@"' sh "$@"
    """
    # setpriv is the image's own; the search path too.
    command = ["unshare", "--mount", "sh", "-euc", setup, "sh"]
    environment["PATH"] += ":" + os.environ["PATH"]
    running = Running([*command, *settings["Entrypoint"], *settings["Cmd"]], environment, port)
    try:
        running.wait_for("admin_started")
        namespace = ["nsenter", f"--target={running.pid}", "--mount", "--root"]
        status = Path(f"/proc/{running.pid}/status").read_text()
        assert f"Uid:\t{user}\t{user}\t{user}\t{user}" in status
        assert "CapBnd:\t0000000000000000" in status
        assert post(running, b'{"n": 1}')[0] == 202
        event = running.wait_for("event")
        assert event["destinations"] == 1
        assert_the_admin_listener_answers(asking(admin_port), event["event_id"])
        health = ["env", f"DISPATCHD_HEALTH=127.0.0.1:{port}", "dispatchd-healthcheck"]
        good = subprocess.run(
            [*namespace, *health], capture_output=True, text=True, check=False, env=environment
        )
        assert (good.returncode, good.stdout) == (0, '200 {"status":"ok"}\n'), good.stderr
        written = subprocess.run([*namespace, "touch", "/opt/x"], capture_output=True, check=False)
        assert b"Read-only file system" in written.stderr
        health[1] = f"DISPATCHD_HEALTH=127.0.0.1:{free_port()}"
        bad = subprocess.run([*namespace, *health], check=False, env=environment)
        assert bad.returncode == 1
    finally:
        running.stop()
    assert running.returncode == 0


def test_the_compose_file_is_one():
    checker = Path(sys.executable).with_name("check-jsonschema")
    if not checker.exists():
        pytest.skip("check-jsonschema is not here: install the extra `packaging`")
    ran = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_compose_file_gives_nothing_away():
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICE["ports"])
    assert "privileged" not in SERVICE
    context = DOCKER / SERVICE["build"]["context"]
    assert (context / SERVICE["build"]["dockerfile"]).samefile(DOCKER / "Dockerfile")
    volume = SERVICE["volumes"][0].split(":")[1]
    assert f"\nVOLUME {volume}\n" in (DOCKER / "Dockerfile").read_text()
