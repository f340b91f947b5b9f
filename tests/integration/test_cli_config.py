"""`dispatchd check`, `init` and `key`, through the real command line."""

import hashlib
import json
import stat
import sys
from pathlib import Path

import pytest

from dispatchd.cli import main
from dispatchd.config import find_config, json_schema, load

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Run a command in an empty directory; return its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHD_CONFIG", raising=False)

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dispatchd", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()  # click ends every command by exit
        told = capfd.readouterr()
        return ended.value.code or 0, told.out, told.err

    return call


def test_check_says_what_there_is(run):
    code, out, err = run("check", "--config", EXAMPLE)
    assert (code, err) == (0, "")
    assert out == f"{EXAMPLE} is good: 1 endpoint, 1 destination\n"


def test_check_reports_every_problem(run):
    Path("config.yaml").write_text("hedaer_prefix: a\nendpoints: {a: {}}\n")
    code, out, err = run("check")
    assert (code, out) == (2, "")
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        ["config.yaml:1", "hedaer_prefix"],
        ["config.yaml:2", "endpoints.a"],
    ]


def test_check_warns(run):
    Path("config.yaml").write_text("admin: {token: short}\n")
    code, _, err = run("check")
    assert code == 0
    assert err.startswith("warning: admin.token: ")


def test_check_as_json(run):
    Path("config.yaml").write_text("header_prefix: a\n")
    assert json.loads(run("check", "--json")[1]) == {"ok": True, "problems": [], "warnings": []}
    Path("config.yaml").write_text("server: {lisen: x}\n")
    code, out, err = run("check", "--json")
    assert (code, err) == (2, "")
    assert json.loads(out) == {
        "ok": False,
        "problems": [
            {
                "file": "config.yaml",
                "line": 1,
                "column": None,
                "path": "server.lisen",
                "message": "unknown key",
                "suggestion": 'did you mean "listen"?',
            }
        ],
        "warnings": [],
    }


REFERRING = """\
endpoints:
  a: {provider: svix, secret: "${file:/run/credentials/no.such/secret}", destinations: [crm]}
  b: {secret: "${NOT_SET}", id: "${NOT_SET}", destinations: ["${NOT_SET}"]}
destinations:
  crm: {url: "${NOT_SET}/in", headers: {Authorization: "Bearer ${NOT_SET}"}, timeout: "${NOT_SET}"}
"""


def test_check_of_a_config_whose_secrets_are_the_daemons_alone(run):
    """A credential that was just added is nowhere before the unit has started with it."""
    Path("config.yaml").write_text(REFERRING)
    assert run("check")[0] == 2
    code, out, err = run("check", "--skip-references")
    assert (code, err) == (0, "")
    assert out == "config.yaml is good: what its references give was not looked at\n"
    assert json.loads(run("check", "--skip-references", "--json")[1])["ok"] is True


def test_what_is_wrong_beside_references_is_found_without_them(run):
    wrong = REFERRING.replace("timeout:", "timeuot:").replace("[crm]", "[cmr]")
    Path("config.yaml").write_text(wrong + "header_prefix: '${NOT A NAME}'\nadmin: {listen: x}\n")
    code, _, err = run("check", "--skip-references")
    assert code == 2
    assert [line.split(";")[0] for line in err.splitlines()] == [
        'config.yaml:2: endpoints.a.destinations[0]: unknown destination "cmr"',
        "config.yaml:5: destinations.crm.timeuot: unknown key",
        "config.yaml:6: header_prefix: has a ${...} that is neither ${NAME} nor ${file:/path}",
        "config.yaml:7: admin.listen: is not a listener",
    ]


def test_check_warns_of_a_transform_that_fails_open_unsaid(run):
    def warned(link: str) -> bool:
        Path("config.yaml").write_text(
            f"endpoints: {{a: {{auth: none, destinations: [{link}]}}}}\n"
            "destinations: {crm: {url: 'http://h'}}\n"
        )
        return "fails open" in run("check")[2]

    assert warned("{to: crm, transform: '{}'}")
    for said in ("send", "fail"):
        assert not warned(f"{{to: crm, transform: '{{}}', on_transform_error: {said}}}")


def test_check_prints_the_schema_without_a_config(run):
    code, out, _ = run("check", "--schema")
    assert code == 0
    assert json.loads(out) == json_schema()


def test_nothing_commands_the_terminal(run):
    Path("config.yaml").write_text('"a\\e[31m": 1\n')
    assert "\x1b" not in run("check")[2]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a: \xe9"], ids=["UTF-16", "latin-1"])
def test_a_file_that_is_not_utf8(run, data):
    Path("config.yaml").write_bytes(data)
    code, _, err = run("check")
    assert code == 2
    assert err.startswith("config.yaml:1: is not UTF-8")


def test_a_file_that_is_not_there(run):
    code, _, err = run("check", "--config", "no.yaml")
    assert (code, err) == (2, "no.yaml: there is no such file\n")


def test_without_any_config_it_says_where_it_looked(run, monkeypatch):
    monkeypatch.setattr("dispatchd.config.loading.SYSTEM_CONFIG", Path("etc.yaml"))
    code, _, err = run("check")
    assert code == 2
    assert "etc.yaml" in err
    assert "dispatchd init" in err


def test_the_order_of_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dispatchd.config.loading.SYSTEM_CONFIG", tmp_path / "etc.yaml")
    for name in ("explicit", "named", "config", "etc"):
        Path(f"{name}.yaml").touch()
    named = {"DISPATCHD_CONFIG": "named.yaml"}
    assert find_config("explicit.yaml", named) == Path("explicit.yaml")
    assert find_config(None, named) == Path("named.yaml")
    assert find_config(None, {}) == Path("config.yaml")
    Path("config.yaml").unlink()
    assert find_config(None, {}) == tmp_path / "etc.yaml"


def test_init_writes_what_check_accepts(run):
    code, out, _ = run("init")
    assert code == 0
    assert "dispatchd serve --config config.yaml" in out
    path = Path("config.yaml")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = load(path).endpoints["my-slug"].secret[0].get_secret_value()
    assert len(secret) >= 43
    assert secret not in out
    assert run("check")[0] == 0
    assert list(Path().iterdir()) == [path]


def test_init_keeps_what_is_there(run):
    path = Path("config.yaml")
    path.write_text("mine")
    code, _, err = run("init")
    assert code == 1
    assert "--force" in err
    assert path.read_text() == "mine"
    assert run("init", "--force")[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(Path().iterdir()) == [path]


def test_init_with_storage_elsewhere(run):
    storage = 'sqlite:////var/lib/${odd} "path"/d.db'
    assert run("init", "sub.yaml", "--storage", storage)[0] == 0
    assert load(Path("sub.yaml")).storage.url == storage


def test_init_refuses_a_bad_storage_and_writes_nothing(run):
    code, _, err = run("init", "--storage", "postgres://h")
    assert code == 2
    assert "--storage" in err
    assert list(Path().iterdir()) == []


def test_init_where_it_cannot_write(run):
    code, _, err = run("init", "no/such/config.yaml")
    assert code == 1
    assert "No such file or directory" in err


def test_key_new(run):
    code, out, _ = run("key", "new", "c: i", "--json")
    assert code == 0
    made = json.loads(out)
    assert made["key"].startswith("dsp_")
    assert made["hash"] == "sha256:" + hashlib.sha256(made["key"].encode()).hexdigest()
    Path("config.yaml").write_text("api_keys:\n  " + made["config"])
    (api_key,) = load(Path("config.yaml")).api_keys
    assert (api_key.name, "sha256:" + api_key.sha256.hex()) == ("c: i", made["hash"])
    assert made["key"] not in Path("config.yaml").read_text()


def test_key_new_for_people(run):
    out = run("key", "new", "ci")[1]
    assert out.count("  dsp_") == 1
    assert '- {name: "ci", hash: "sha256:' in out
    assert run("key", "new", "a\nb")[0] == 2


def test_key_new_for_a_queue(run):
    made = json.loads(run("key", "new", "laptop", "--pull", "behind-nat", "--json")[1])
    assert made["pull"] == "behind-nat"
    queue = "admin: {token: a-long-token-of-some}\ndestinations: {behind-nat: {type: pull}}\n"
    Path("config.yaml").write_text(f"{queue}api_keys:\n  {made['config']}")
    (api_key,) = load(Path("config.yaml")).api_keys
    assert (api_key.name, api_key.pull) == ("laptop", "behind-nat")
    assert (
        "/api/v1/pull/q/claim as: Authorization: Bearer" in run("key", "new", "a", "--pull", "q")[1]
    )
    assert run("key", "new", "a", "--pull", "a b")[0] == 2


SIGNED = "destinations: {{crm: {{url: 'http://x/', signing_secret: {}}}}}"


def test_key_signing(run):
    code, out, _ = run("key", "signing", "--json")
    assert code == 0
    made = json.loads(out)
    assert made["public_key"] is None
    Path("config.yaml").write_text(SIGNED.format(made["signing_secret"]))
    assert load(Path("config.yaml")).destinations["crm"].signer() is not None
    assert (
        made["signing_secret"] != json.loads(run("key", "signing", "--json")[1])["signing_secret"]
    )


def test_key_signing_with_a_public_half(run):
    made = json.loads(run("key", "signing", "--ed25519", "--json")[1])
    assert made["public_key"].startswith("whpk_")
    assert made["public_key"].removeprefix("whpk_") not in made["signing_secret"]
    Path("config.yaml").write_text(SIGNED.format(made["signing_secret"]))
    code, out, err = run("check", "--config", "config.yaml")
    assert (code, made["signing_secret"] in out + err) == (0, False)


def test_key_signing_for_people(run):
    assert run("key", "signing")[1].count("  whsec_") == 1
    out = run("key", "signing", "--ed25519")[1]
    assert (out.count("  whsk_"), out.count("  whpk_")) == (1, 1)
