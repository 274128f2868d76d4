"""monitor.yaml as people get it, fill it in, and mean it."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from prober.mistake import Mistake
from prober.monitor.settings import load_settings

TODAY = date(2026, 11, 26)


def filled_in(path: Path) -> None:
    text = path.read_text()
    text = text.replace("FILL IN a short name in lower case", "main")
    text = text.replace("FILL IN, for example https://fhir.example.org/r4", "https://fhir.example.org/r4")
    path.write_text(text)


def test_the_file_that_prober_begins_says_what_to_fill_in_and_then_works(
    prober: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert prober("init", "--monitor", "monitor.yaml").code == 0
    path = tmp_path / "monitor.yaml"
    with pytest.raises(Mistake, match=r"monitor\.yaml:\d+: this line still says FILL IN"):
        load_settings(path, TODAY)
    filled_in(path)
    settings = load_settings(path, TODAY)
    assert list(settings.monitor.looks) == ["hourly", "nightly"]
    assert [one.name for one in settings.monitor.targets] == ["main"]


def test_every_line_that_is_commented_out_works_when_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prober.scaffold import new_authorization_file, new_monitor_file, new_provider_file

    path = tmp_path / "monitor.yaml"
    new_monitor_file(path)
    filled_in(path)
    # What follows `# ` and looks like YAML is an example; sentences stay comments.
    examples = re.compile(r"^( *)# ( *(?:- )?(?:[a-z_]+:|\{).*)$", re.MULTILINE)
    path.write_text(examples.sub(r"\1\2", path.read_text()))
    names = ("PROBER_TOKEN", "PROBER_WEBHOOK", "PROBER_SMTP_PASSWORD", "PROBER_HEARTBEAT", "PROBER_DATABASE")
    for name in names:
        monkeypatch.setenv(name, "https://hook.example.org/x")
    new_provider_file(tmp_path / "provider.yaml")
    new_authorization_file(tmp_path / "statement.yaml")
    for name in ("provider.yaml", "statement.yaml"):
        one = tmp_path / name
        one.write_text(one.read_text().replace("FILL IN, for example https", "https").replace("FILL IN", "Filled in"))
    (tmp_path / "attestations.yaml").write_text("attestations: []\n")
    (tmp_path / "waivers.yaml").write_text("waivers: []\n")
    monitor = load_settings(path, TODAY).monitor
    assert list(monitor.looks) == ["hourly", "nightly", "weekly"]
    assert len(monitor.maintenance) == 2
    assert [one.name for one in monitor.recipients] == ["operations", "lead", "safety"]
    assert monitor.targets[0].moved_from == ("https://old.example.org/r4",)
    assert monitor.targets[0].was == ("old-name",)
    assert monitor.retention.nights == 120
    assert monitor.control == "gateway.example.org:443"
    assert monitor.vantage == "datacentre-north"
    assert monitor.database == "env:PROBER_DATABASE"
