"""The files of deploy/: each is read by what will read it, or held against a schema, a linter or a strict check."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from prober import __version__, cli
from prober.nouns.monitor import Monitor

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
CRONTAB = DEPLOY / "cron" / "prober"
KUBERNETES = DEPLOY / "kubernetes" / "prober.yaml"
GITHUB = DEPLOY / "github" / "prober.yml"
GITLAB = DEPLOY / "gitlab" / "prober.gitlab-ci.yml"
DOCKERFILE = DEPLOY / "Dockerfile"
PAGES = sorted((ROOT / "docs").glob("monitoring-*.md"))


def document(path: Path) -> Any:
    (one,) = documents(path)
    return one


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def workflow() -> Any:
    """The workflow with its `on`, which YAML 1.1 reads as true and GitHub does not."""
    read = document(GITHUB)
    return {("on" if key is True else key): value for key, value in read.items()}


def resource(kind: str) -> Any:
    (one,) = [each for each in documents(KUBERNETES) if each["kind"] == kind]
    return one


# What the files call


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, continued lines joined, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


_RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


def cron_lines(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The variables and the lines (user and command) of a file in /etc/cron.d. Raises ValueError for any other line."""
    if not text.endswith("\n"):
        raise ValueError("cron ignores a last line without an end.")
    variables: dict[str, str] = {}
    lines: list[tuple[str, str]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if assigned := re.fullmatch(r"([A-Z_]+)=(\S+)", line):
            variables[assigned[1]] = assigned[2]
            continue
        fields = line.split(maxsplit=6)
        if len(fields) != 7:
            raise ValueError(f"Not seven fields: {line}")
        for field, (least, most) in zip(fields[:5], _RANGES.values(), strict=True):
            for part in field.split(","):
                read = re.fullmatch(r"(?:\*|([0-9]+)(?:-([0-9]+))?)(?:/([0-9]+))?", part)
                numbers = [int(each) for each in read.group(1, 2) if each is not None] if read else [-1]
                if not all(least <= each <= most for each in numbers):
                    raise ValueError(f"Not a time of cron: {field}")
        if not re.fullmatch(r"[a-z_][a-z0-9_-]*", fields[5]):
            raise ValueError(f"Not a user: {fields[5]}")
        if re.search(r"(?<!\\)%", fields[6]):
            raise ValueError("cron reads a percent sign as the end of a line.")
        lines.append((fields[5], fields[6]))
    return variables, lines


def snippets() -> Iterator[tuple[str, str]]:
    """Everything that a shell will read, with where it stands."""
    for step in workflow()["jobs"]["look"]["steps"]:
        if "run" in step:
            # Expressions are replaced before the shell sees anything.
            yield f"GitHub: {step['name']}", re.sub(r"\$\{\{.*?\}\}", "x", step["run"])
    job = document(GITLAB)["prober"]
    for number, line in enumerate([*job["before_script"], *job["script"]]):
        yield f"GitLab: line {number}", line
    for _, command in cron_lines(CRONTAB.read_text(encoding="utf-8"))[1]:
        yield "cron", command
    for word, rest in instructions(DOCKERFILE.read_text(encoding="utf-8")):
        if word == "RUN":
            yield "Dockerfile", rest
    for page in PAGES:
        for block in re.findall(r"```(?:console|sh)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            commands = [line.removeprefix("$ ") for line in block.splitlines() if line.strip()]
            yield page.name, "\n".join(commands)


def commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every call of prober, with where it stands."""
    for where, text in snippets():
        yield from ((where, call) for call in calls(text))
    for unit in UNITS:
        for line in re.findall(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
            yield from ((unit.name, call) for call in calls(line))
    pod = resource("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    yield from (("Kubernetes", tuple(one["args"])) for one in pod["containers"])
    found = dict(instructions(DOCKERFILE.read_text(encoding="utf-8")))
    assert json.loads(found["ENTRYPOINT"]) == ["prober"]
    yield "Dockerfile", tuple(json.loads(found["CMD"]))


def calls(text: str) -> Iterator[tuple[str, ...]]:
    """The arguments of each call of prober in a piece of shell."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        words.commenters = "#"
        call: list[str] | None = None
        begins, skip = True, False
        for word in [*words, ";"]:
            if skip:
                skip = False
            elif word in {">", ">>", "<"}:
                skip = True
            elif set(word) <= set(";&|()") or word in {"then", "else", "do", "exec", "$"}:
                if call is not None:
                    yield tuple(call)
                begins, call = True, None
            elif begins and word.split("/")[-1] == "prober":
                begins, call = False, []
            elif call is not None:
                call.append(word)
            elif "=" not in word:
                begins = False


def test_calls_are_found_where_a_shell_would_make_them() -> None:
    text = (
        'A=1 prober run "$B" --out now >> x\n'
        "if true; then prober diff a b; fi\n"
        "cd prober && exec /opt/x/prober monitor\n"
    )
    assert list(calls(text)) == [("run", "$B", "--out", "now"), ("diff", "a", "b"), ("monitor",)]
    assert len(list(commands())) >= 10
    assert {call[0] for _, call in commands()} >= {"run", "diff", "monitor"}


@pytest.mark.parametrize(("where", "call"), sorted(set(commands())))
def test_every_call_of_prober_is_one_that_it_understands(where: str, call: tuple[str, ...]) -> None:
    known: Any = typer.main.get_command(cli.app)
    assert call[0] in known.commands, where
    known.commands[call[0]].make_context(call[0], list(call[1:]))


@pytest.mark.parametrize(
    "call", ["run --no-such-option x", "run --depth bottomless", "diff a", "diff a b --fail-on all"]
)
def test_a_call_with_an_unknown_option_would_be_found(call: str) -> None:
    known: Any = typer.main.get_command(cli.app)
    name, *rest = call.split()
    with pytest.raises(Exception, match=r"(?i)no such option|bottomless|missing (argument|parameter)|--fail-on all"):
        known.commands[name].make_context(name, rest)


@pytest.mark.parametrize(("where", "text"), sorted(set(snippets())))
def test_every_line_for_a_shell_is_one(where: str, text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), where


def test_nobody_is_told_to_install_a_package_of_that_name_from_a_registry() -> None:
    """The bare name belongs to somebody else there."""
    for path in [*(one for one in DEPLOY.rglob("*") if one.is_file()), *PAGES]:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"pip install [^#]*(?<![/.\w-])'?\"?prober\b", line), f"{path.name}: {line}"


# systemd


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units as systemd would find them, with a program that is there."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace("/opt/prober/bin/prober", shutil.which("true") or "/bin/true"))
    return sorted(tmp_path.iterdir())


systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="There is no systemd-analyze here.")


@systemd
def test_systemd_finds_nothing_wrong_with_the_units(units: list[Path]) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@systemd
def test_systemd_would_find_a_word_that_is_none(units: list[Path]) -> None:
    units[0].write_text(units[0].read_text().replace("RestartSec", "RestartSeconds"))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert "RestartSeconds" in done.stderr


@systemd
def test_the_services_may_do_little(units: list[Path]) -> None:
    services = [one for one in units if one.suffix == ".service"]
    assert len(services) == 2
    for one in services:
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=20", one],
            capture_output=True,
            text=True,
            check=False,
        )
        if "unrecognized option" in done.stderr:
            pytest.skip("This systemd-analyze cannot judge a unit that is not loaded.")
        assert done.returncode == 0, done.stdout


def test_both_services_are_confined_alike() -> None:
    def confined(name: str) -> list[str]:
        lines = (DEPLOY / "systemd" / name).read_text(encoding="utf-8").splitlines()
        return [line for line in lines[lines.index("NoNewPrivileges=yes") :] if line and not line.startswith("[")]

    daemon = [line for line in confined("prober-monitor.service") if not line.startswith("WantedBy")]
    assert daemon == confined("prober-night.service")


def test_the_timer_catches_up_and_begins_the_night() -> None:
    text = (DEPLOY / "systemd" / "prober-night.timer").read_text(encoding="utf-8")
    assert "\nPersistent=true\n" in text
    assert "\nUnit=prober-night.service\n" in text


def test_rounds_begin_every_hour_so_that_what_waits_for_the_end_of_quiet_hours_is_sent() -> None:
    timer = (DEPLOY / "systemd" / "prober-night.timer").read_text(encoding="utf-8")
    assert "\nOnCalendar=*-*-* *:05:00 UTC\n" in timer
    assert CRONTAB.read_text(encoding="utf-8").splitlines()[-1].startswith("5 * * * * prober ")
    job = resource("CronJob")["spec"]
    assert job["schedule"] == "5 * * * *"
    # Two of them never meet, and one that could not begin does not come after the next one.
    assert job["startingDeadlineSeconds"] < 3_600


# cron


def test_cron_would_read_the_line_as_it_is_meant() -> None:
    variables, lines = cron_lines(CRONTAB.read_text(encoding="utf-8"))
    assert variables["SHELL"] == "/bin/sh"
    ((user, command),) = lines
    assert user == "prober"
    assert command.endswith("--once > /dev/null")
    # run-parts and cron.d leave out every name with a dot.
    assert re.fullmatch("[A-Za-z0-9_-]+", CRONTAB.name)


@pytest.mark.parametrize(
    "wrong",
    [
        "5 2 * * * prober x",
        "5 24 * * * prober x\n",
        "60 2 * * * prober x\n",
        "5 2 * * prober x\n",
        "5 2 * * * prober a%b\n",
    ],
)
def test_a_line_that_cron_would_not_read_would_be_found(wrong: str) -> None:
    with pytest.raises(ValueError):
        cron_lines(wrong)


# Kubernetes


def test_the_pod_may_do_little_and_two_never_run_at_once() -> None:
    job = resource("CronJob")["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}
    assert not container["image"].endswith(":latest")
    assert container["image"].endswith(f":{__version__}")
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}
    claims = [one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [resource("PersistentVolumeClaim")["metadata"]["name"]]
    maps = [one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one]
    assert maps == [resource("ConfigMap")["metadata"]["name"]]


def test_the_configuration_in_it_is_one() -> None:
    read = Monitor.model_validate(yaml.safe_load(resource("ConfigMap")["data"]["monitor.yaml"]))
    (container,) = resource("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    places = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    assert read.state in places
    assert Path(read.heartbeat.file or "").parent.as_posix() in places


def test_the_user_of_the_pod_is_the_one_of_the_image() -> None:
    pod = resource("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["securityContext"]
    user = dict(instructions(DOCKERFILE.read_text(encoding="utf-8")))["USER"]
    assert user == f"{pod['runAsUser']}:{pod['runAsGroup']}"


@pytest.mark.deep
def test_kubernetes_would_take_the_resources() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="scripts/test-deep installs kubernetes-validate.")
    kinds = [one["kind"] for one in documents(KUBERNETES)]
    assert kinds == ["PersistentVolumeClaim", "ConfigMap", "CronJob"]
    for one in documents(KUBERNETES):
        validator.validate(one, validator.latest_version(), strict=True)
    job = resource("CronJob")
    job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartsPolicy"] = "Never"
    with pytest.raises(validator.ValidationError):
        validator.validate(job, validator.latest_version(), strict=True)


# GitHub and GitLab


def vendored(name: str) -> Any:
    pytest.importorskip("check_jsonschema", reason="scripts/test-deep installs check-jsonschema.")
    path = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / name
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.deep
def test_github_would_take_the_workflow() -> None:
    schema = vendored("github-workflows.json")
    jsonschema.validators.validator_for(schema)(schema).validate(workflow())
    wrong = workflow()
    wrong["jobs"]["look"]["runs_on"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate(wrong)


@pytest.mark.deep
def test_gitlab_would_take_the_job() -> None:
    schema = vendored("gitlab-ci.json")
    jsonschema.validators.validator_for(schema)(schema).validate(document(GITLAB))
    wrong = document(GITLAB)
    wrong["prober"]["artifacts"]["when"] = "sometimes"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate(wrong)


def test_the_workflow_needs_no_rights_and_keeps_the_evidence_of_a_failure() -> None:
    read = workflow()
    assert read["permissions"] == {"contents": "read"}
    steps = read["jobs"]["look"]["steps"]
    (kept,) = [one for one in steps if "upload-artifact" in one.get("uses", "")]
    assert kept["if"] == "always()"
    # Text of others that stood in a script itself would be run.
    assert not [one for one in steps if "${{" in one.get("run", "")]
    assert document(GITLAB)["prober"]["artifacts"]["when"] == "always"


def test_both_take_a_run_for_good_only_after_it_was_compared() -> None:
    github = [text for where, text in snippets() if where.startswith("GitHub")]
    gitlab = [text for where, text in snippets() if where.startswith("GitLab")]
    for texts in (github, gitlab):
        order = [
            next(number for number, text in enumerate(texts) if word in text)
            for word in ("prober run", "--fail-on regression", "cp -R now last/run")
        ]
        assert order == sorted(order)


# The image


def test_the_image_runs_as_nobody_and_says_whether_it_lives() -> None:
    found = instructions(DOCKERFILE.read_text(encoding="utf-8"))
    words = [word for word, _ in found]
    bases = [rest.split()[0] for word, rest in found if word == "FROM"]
    assert all(re.fullmatch(r"python:3\.[0-9]+-slim", one) for one in bases)
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert [rest for word, rest in found if word == "USER"] == ["10001:10001"]
    assert ("VOLUME", '["/state"]') in found
    assert not [
        rest for word, rest in found if word in ("ADD", "ENV", "ARG") and re.search("(?i)password|token|key=", rest)
    ]


def test_the_health_check_can_be_run(tmp_path: Path) -> None:
    check = dict(instructions(DOCKERFILE.read_text(encoding="utf-8")))["HEALTHCHECK"]
    command = json.loads(check[check.index("CMD ") + 4 :])
    assert command[0] == "python"
    assert command[-2] == yaml.safe_load(resource("ConfigMap")["data"]["monitor.yaml"])["heartbeat"]["file"]
    beat = tmp_path / "heartbeat.json"
    command = [sys.executable, *command[1:-2], str(beat), command[-1]]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    beat.write_text('{"at": "2026-01-01T00:00:00Z"}')
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "seconds" in done.stderr


def test_the_build_gets_all_that_the_package_is_made_of() -> None:
    let_in = {
        line[1:]
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], project["project"]["readme"], "pyproject.toml"}
    needed |= set(project["project"]["license-files"]) | {"constraints.txt"}
    assert {one.split("/")[0] for one in needed} == let_in
    assert all((ROOT / one).exists() for one in let_in)
    (extras,) = re.findall(r'"\.\[([a-z,]+)\]"', DOCKERFILE.read_text(encoding="utf-8"))
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])


@pytest.mark.deep
def test_a_linter_finds_nothing_wrong_with_the_image() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed; scripts/test-deep installs it.")
    done = subprocess.run([linter, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    wrong = "FROM python\nRUN cd /x; pip install y\n"
    done = subprocess.run([linter, "-"], input=wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_the_page_names_every_file_and_says_what_was_run() -> None:
    page = (ROOT / "docs" / "monitoring-deploy.md").read_text(encoding="utf-8")
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert f"`{path.relative_to(ROOT).as_posix()}`" in page, path.name
