"""How messages read, and how they reach people: pure words, and senders against real servers on loopback."""

import asyncio
import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import importlib.util
import json
import logging
import os
import re
import socket
import ssl
import threading
import traceback
import tracemalloc
import xml.etree.ElementTree as Xml
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from aiosmtpd import smtp as daemon
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.clock import VirtualClock
from prober.mistake import Mistake
from prober.monitor import alive
from prober.monitor.news import MOST_CHARACTERS, MOST_NOTES, MOST_TOLD, digest
from prober.monitor.tell import (
    Limits,
    NotSent,
    Sent,
    check_recipients,
    feed,
    from_environment,
    heartbeat,
    render_json,
    render_text,
    send,
    wants,
    write_feed,
)
from prober.monitor.tell.beat import check_heartbeat
from prober.monitor.tell.mail import as_mail
from prober.monitor.tell.webhook import signature
from prober.monitor.tell.words import ABOUT
from prober.nouns.facts import Change, Side
from prober.nouns.incident import Incident, Message
from prober.nouns.monitor import Heartbeat, MailServer, Recipient
from prober.render.disclaimer import DISCLAIMER, claims, disclaimed
from prober.render.visible import visible, visible_lines
from prober.sandbox.tls import prepare

GOLDEN = Path(__file__).parent / "golden" / "tell"
SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "message.schema.json").read_text(encoding="utf-8"))
QUICK = Limits(deadline_seconds=0.2)
ENOUGH = Limits(deadline_seconds=0.6)
"""For an attempt that has to get somewhere before it is cut off."""
LONG = Limits(deadline_seconds=10)
CANARY = "canary-7f3a9c1e"
"""Stands in every secret of these tests, and must stand in no word that prober says."""
ATOM = "{http://www.w3.org/2005/Atom}"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
CLOCK = VirtualClock(datetime(2026, 11, 26, 2, 0, tzinfo=UTC))

EXPORT_GONE = Change(
    key="operation/Group/export",
    kind="withdrawn",
    judgement="regression",
    what="The operation $export on Group is not declared any more.",
    criteria=("S8.BULK.1",),
    before=Side(run="20261125T020000Z-00000001", started="2026-11-25T02:00:00Z", value="declared", exchange="ab12.1"),
    after=Side(run="20261126T020000Z-00000002", started="2026-11-26T02:00:00Z", value=None, exchange="ab12.1"),
)
INCIDENT = Incident(
    id="main-7",
    target="main",
    title="Bulk export was withdrawn.",
    keys=("operation/Group/export",),
    kind="change",
    began="2026-11-26T02:00:04Z",
    opened="2026-11-26T02:12:00Z",
    changes=(EXPORT_GONE,),
)
MESSAGE = Message(
    id="opened-main-7",
    kind="opened",
    target="main",
    time="2026-11-26T02:12:00Z",
    title="Bulk export was withdrawn.",
    lines=(
        "The operation $export on Group is not declared any more. (S8.BULK.1)",
        "First seen 2026-11-26 02:00 UTC, seen again 2026-11-26 02:12 UTC.",
    ),
    incidents=(INCIDENT,),
)
GATE = MESSAGE.model_copy(
    update={"id": "gate-1", "kind": "gate", "private": True, "title": "Patients are open to all."}
)


@pytest.fixture(autouse=True)
def _nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever level the log has, and whichever library writes into it."""
    with caplog.at_level(logging.DEBUG):
        yield
    # What the mail server of the tests says of itself is not prober's.
    said = [one for one in caplog.get_records("call") if one.name != "mail.log" and CANARY in one.getMessage()]
    assert said == []


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("PROBER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def secrets_of(**values: str) -> Callable[[str], str]:
    def give(reference: str) -> str:
        name = reference.removeprefix("env:")
        if name not in values:
            raise Mistake(f"{reference}: no variable of this name is set.")
        return values[name]

    return give


def told(
    recipient: Recipient,
    mail: MailServer | None = None,
    message: Message = MESSAGE,
    limits: Limits = LONG,
    **secrets: str,
) -> Sent | NotSent:
    """What `send` says; nothing that it says holds a secret."""
    result = asyncio.run(
        send(message, recipient, mail, clock=CLOCK, secrets=secrets_of(**secrets), limits=limits), debug=False
    )
    assert CANARY not in repr(result)
    return result


def refused(result: Sent | NotSent) -> NotSent:
    assert isinstance(result, NotSent)
    assert result.reason.endswith(".")
    return result


# Words


def test_a_message_reads_as_it_is_meant() -> None:
    subject, body = render_text(MESSAGE)
    golden("opened.txt", f"{subject}\n\n{body}")
    golden("opened.json", render_json(MESSAGE).decode())


def test_what_the_lines_do_not_say_is_said_beside_the_proof() -> None:
    closed = INCIDENT.model_copy(update={"closed": "2026-11-27T02:00:00Z", "closed_because": "recovered"})
    more = INCIDENT.model_copy(update={"id": "main-8", "title": "Another one.", "waived_by": "Ops until 2026-12-31"})
    subject, body = render_text(MESSAGE.model_copy(update={"lines": (), "incidents": (closed, more)}))
    golden("without_lines.txt", f"{subject}\n\n{body}")


def test_every_message_says_once_what_it_is() -> None:
    for message in (MESSAGE, GATE, Message(id="x", kind="digest", time="2026-11-26T02:12:00Z", title="One.", lines=())):
        subject, body = render_text(message)
        assert (subject + body).count(ABOUT) == 1
        assert body.count(f"Message {message.id}, ") == 1
        text = json.loads(render_json(message))["text"]
        assert text.count(ABOUT) == 1


def test_a_private_message_says_that_it_is_private() -> None:
    assert "This message is private" in render_text(GATE)[1]
    assert "This message is private" not in render_text(MESSAGE)[1]


TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "a\r\nBcc: everybody@example.org",
        "\ud800",
        "\x00\x1b[2J",
        "<script>",
        "]]>",
        "=?utf-8?q?x?=",
        "\u202eabc",
        "",
        ".",
    ]
)


@example("\ud800", "\ud800", "\ud800")
@example("a\r\nBcc: everybody@example.org", "\x00\x1b[2J", "]]><script>\u202e")
@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=examples(25), deadline=None)
def test_whatever_strangers_write_every_form_of_a_message_stays_whole(title: str, line: str, value: str) -> None:
    side = EXPORT_GONE.before.model_copy(update={"value": value})
    change = EXPORT_GONE.model_copy(update={"before": side, "what": line})
    incident = INCIDENT.model_copy(update={"title": title, "changes": (change,)})
    one = MESSAGE.model_copy(update={"title": title, "lines": (line, value), "incidents": (incident,), "id": title})
    subject, body = render_text(one)
    assert (subject, body) == render_text(one)
    assert "\n" not in subject
    assert len(subject) <= 200
    for character in subject + body:
        assert character == "\n" or (character.isprintable() or character.isspace()) or not character.isascii()
    assert not re.search("[\r\x00\x1b\u202e\ud800-\udfff]", subject + body)
    sent = json.loads(render_json(one))
    assert sent["text"] == f"{subject}\n\n{body}"
    read = email.message_from_bytes(as_mail(one, BY_MAIL, MAIL).as_bytes(), policy=email.policy.default)
    assert sorted(read.keys()) == sorted(
        (
            *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
            *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
        )
    )
    part = read.get_body()
    assert part is not None
    assert part.get_content().replace("\r\n", "\n") == body
    root = Xml.fromstring(feed([one], title=title, self_url=f"https://example.org/{line}"))
    content = root.find(f"{ATOM}entry/{ATOM}content")
    assert content is not None
    assert (content.text or "").strip() == body.strip()


def strings_of(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from strings_of(one)
        case dict():
            for one in value.values():
                yield from strings_of(one)


@example("\x1b]0;pwn\x07\u202e\n# H1\r\n", "\ud800\ufffe")
@given(TEXTS, TEXTS)
@settings(max_examples=examples(50), deadline=None)
def test_no_member_of_what_a_webhook_gets_holds_anything_unseen(one: str, other: str) -> None:
    """Whatever shows a member by itself: a chat, a terminal, a table."""
    side = Side(run=one, started=other, value=one, exchange=other, pointer=one)
    change = EXPORT_GONE.model_copy(
        update={"key": one, "what": other, "criteria": (one, other), "before": side, "after": side, "returned": one}
    )
    incident = INCIDENT.model_copy(
        update={
            **{"id": one, "target": other, "title": one, "keys": (one, other), "began": other, "opened": one},
            **{"closed": other, "waived_by": one, "changes": (change,)},
        }
    )
    message = MESSAGE.model_copy(
        update={
            **{"id": one, "target": other, "time": one, "title": other, "lines": (one, other)},
            **{"incidents": (incident, incident)},
        }
    )
    sent = json.loads(render_json(message))
    jsonschema.validate(sent, SCHEMA)
    text = sent.pop("text")
    for string in strings_of(sent):
        assert visible(string) == string
        assert len(string) < 2_100
    assert visible_lines(text) == text
    assert "\t" not in text


@pytest.mark.parametrize("words", ["Label: Stage 8, criteria met.", "HIMSS says so.", "It is certified."])
def test_words_that_sound_official_never_stand_without_the_disclaimer(words: str) -> None:
    for message in (
        MESSAGE.model_copy(update={"title": words}),
        MESSAGE.model_copy(update={"lines": (words,)}),
        MESSAGE.model_copy(update={"incidents": (INCIDENT.model_copy(update={"title": words}),)}),
    ):
        subject, body = render_text(message)
        # A list of mails shows the subject by itself.
        assert not claims(subject)
        assert disclaimed(body)
        assert body.count(DISCLAIMER) == 1
        assert disclaimed(json.loads(render_json(message))["text"])
        for entry in Xml.fromstring(feed([message], title="t", self_url="https://example.org")).iter(f"{ATOM}entry"):
            assert disclaimed("".join(entry.itertext()))
    assert DISCLAIMER not in render_text(MESSAGE)[1]


def test_long_messages_stay_short() -> None:
    incident = INCIDENT.model_copy(update={"changes": (EXPORT_GONE,) * 300})
    many = MESSAGE.model_copy(update={"incidents": (incident,) * 400})
    body = render_text(many)[1]
    assert "There are 280 more changes." in body
    assert "There are 350 more incidents." in body
    assert len(body) < 500_000


CHANGED = EXPORT_GONE.model_copy(update={"judgement": "neutral", "what": "The version changed from 1 to 2."})


def night_of(targets: int, changes: int, notes: Sequence[str] = (), what: str = CHANGED.what) -> Message:
    """A digest of a night in which every target changed, and one that comes late in the alphabet got worse."""
    one = CHANGED.model_copy(update={"what": what})
    changed: dict[str, list[Change]] = {
        f"t{n:04d}": [one.model_copy(update={"key": f"software/{m}"}) for m in range(changes)] for n in range(targets)
    }
    changed[f"t{targets - 1:04d}"].append(EXPORT_GONE)
    message = digest("2026-11-26", 5, "2026-11-26T02:05:00Z", changed, 1, notes=notes)
    assert message is not None
    return message


def test_a_night_in_which_everything_changed_is_told_in_a_message_that_can_be_read() -> None:
    message = night_of(1000, 25)
    assert len(message.lines) == 102
    assert len(render_json(message)) < 40_000
    assert message.title == "Changes of 2026-11-26 at 1,000 targets"
    assert f"t0999: {EXPORT_GONE.what} (S8.BULK.1)" in message.lines, "what got worse is there first"
    assert len({line.partition(":")[0] for line in message.lines[:100]}) >= 99, "of many targets a little"
    assert message.lines[:100] == tuple(sorted(message.lines[:100]))
    # 1,000 targets with 25 changes and one more, less the hundred that are told; every target has some that are not.
    assert message.lines[100].startswith("24,901 more changes at 1,000 targets are left out here")
    assert "`prober history --night 2026-11-26`" in message.lines[100]
    assert message.lines[101] == "One incident is open."


@given(
    st.integers(min_value=1, max_value=150),
    st.integers(min_value=0, max_value=30),
    st.integers(min_value=0, max_value=300),
    st.integers(min_value=1, max_value=5_000),
)
@example(1, 99, 0, 10)
@example(5, 20, 0, 10)
@example(101, 1, 0, 10)
@example(1, 1, 21, 5_000)
@settings(max_examples=examples(50), deadline=None)
def test_a_digest_is_never_long_and_counts_what_it_leaves_out(
    targets: int, changes: int, notes: int, long: int
) -> None:
    message = night_of(targets, changes, [f"Note {n}." for n in range(notes)], "x" * long)
    assert len(message.lines) <= MOST_TOLD + MOST_NOTES + 3
    assert sum(map(len, message.lines)) < MOST_CHARACTERS + 2_000
    about = [line for line in message.lines if re.match(r"t\d{4}: (x|The operation)", line)]
    counted = [
        int(found.group(1).replace(",", "")) if found.group(1) != "One" else 1
        for line in message.lines
        if (found := re.search(r"^(?:t\d{4}: )?([\d,]+|One) more changes? (?:are in|at)", line))
    ]
    assert len(about) + sum(counted) == targets * changes + 1


def test_what_a_webhook_gets_keeps_to_the_published_schema() -> None:
    for message in (MESSAGE, GATE):
        content = json.loads(render_json(message))
        jsonschema.validate(content, SCHEMA)
        assert content["schema"] == "prober/message/1"


def test_the_configurations_on_the_page_are_ones() -> None:
    page = (Path(__file__).parents[1] / "docs" / "monitoring-messages.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) == 3
    for block in blocks:
        for one in block.get("recipients", ()):
            Recipient.model_validate(one)
        if "mail" in block:
            server = MailServer.model_validate(block["mail"])
            secrets = secrets_of(PROBER_MAIL_PASSWORD=CANARY)
            check_recipients([Recipient.model_validate(one) for one in block["recipients"]], server, secrets)
        if "heartbeat" in block:
            Heartbeat.model_validate(block["heartbeat"])


def test_the_words_on_the_page_check_a_signature() -> None:
    page = (Path(__file__).parents[1] / "docs" / "monitoring-messages.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    words: dict[str, Any] = {}
    exec(code, words)
    assert words["is_ours"](b"body", signature(b"body", CANARY), CANARY)
    assert not words["is_ours"](b"bodies", signature(b"body", CANARY), CANARY)


# Who is told


def test_recipients_are_chosen_by_kind_target_and_privacy() -> None:
    one = Recipient(name="ops", mail="ops@example.org", targets=("main",))
    assert wants(one, MESSAGE)
    assert not wants(one, MESSAGE.model_copy(update={"kind": "monitor"}))
    assert not wants(one, MESSAGE.model_copy(update={"target": "other"}))
    assert wants(one, MESSAGE.model_copy(update={"target": None, "kind": "digest"}))
    gates = Recipient(name="contact", mail="c@example.org", kinds=("gate",))
    assert not wants(gates, GATE)
    assert wants(gates.model_copy(update={"private": True}), GATE)


@pytest.mark.parametrize("inside", ["message", "incident", "change"])
def test_what_is_private_goes_to_nobody_else(web: "Web", inside: str) -> None:
    change = EXPORT_GONE.model_copy(update={"private": inside == "change"})
    incident = INCIDENT.model_copy(update={"private": inside == "incident", "changes": (change,)})
    message = MESSAGE.model_copy(update={"private": inside == "message", "incidents": (incident,)})
    web.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    recipient = Recipient(name="ops", webhook=web.url)
    assert not refused(told(recipient, message=message)).again
    assert web.requests == []
    assert told(recipient.model_copy(update={"private": True}), message=message) == Sent()
    assert len(web.requests) == 1
    assert "entry" not in feed([message], title="t", self_url="https://example.org")


def test_a_recipient_that_could_not_be_told_is_found_before_anything_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(recipient: Recipient, mail: MailServer | None = None, **secrets: str) -> str:
        with pytest.raises(Mistake) as caught:
            check_recipients([recipient], mail, secrets_of(**secrets))
        assert CANARY not in str(caught.value)
        result = told(recipient, mail, MESSAGE, LONG, **secrets)
        assert refused(result) == NotSent(str(caught.value), again=False)
        return str(caught.value)

    hook = Recipient(name="ops", webhook="env:HOOK")
    assert "no variable" in check(hook)
    assert "https" in check(hook, HOOK=f"http://example.org/{CANARY}")
    assert "no web address" in check(hook, HOOK=CANARY)
    assert "no web address" in check(hook, HOOK=f"https://example.org:x/{CANARY}")
    assert "no web address" in check(hook, HOOK=f"https:///{CANARY}")
    assert "no variable" in check(Recipient(name="ops", webhook="https://example.org", secret="env:KEY"))
    assert "needs a mail server" in check(BY_MAIL)
    assert "no plain mail address" in check(BY_MAIL.model_copy(update={"mail": "a@b\r\nBcc: c@d"}), MAIL)
    assert "no plain mail address" in check(BY_MAIL, MAIL.model_copy(update={"sender": "Ops <a@b>"}))
    assert "only to loopback" in check(BY_MAIL, MAIL.model_copy(update={"host": "mail.example.org"}))
    assert "belong together" in check(BY_MAIL, MAIL.model_copy(update={"user": "u"}))
    assert "ca_file" in check(BY_MAIL, MAIL.model_copy(update={"security": "tls", "ca_file": "/nowhere.pem"}))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "`pip install apprise`" in check(Recipient(name="chat", apprise="env:CHAT"), CHAT=CANARY)


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBER_HOOK", f" {CANARY}\n")
    assert from_environment("env:PROBER_HOOK") == CANARY
    monkeypatch.setenv("PROBER_HOOK", " ")
    with pytest.raises(Mistake, match="env:PROBER_HOOK: no variable"):
        from_environment("env:PROBER_HOOK")


def test_only_a_webhook_has_a_secret() -> None:
    with pytest.raises(ValueError, match="this recipient is none"):
        Recipient(name="ops", mail="a@example.org", secret="env:KEY")


# Webhooks


class Web:
    """A server on loopback that answers every request with what it was told to, and keeps what it was sent."""

    def __init__(self, context: ssl.SSLContext | None = None, *, speaks_first: bool = False) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self._speaks_first = speaks_first
        self._parts: Callable[[], Iterator[bytes]] = lambda: iter(())
        self._done = threading.Event()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}/hooks/{CANARY}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def answer(self, *parts: bytes) -> None:
        self._parts = lambda: iter(parts)

    def answer_each(self, *answers: bytes) -> None:
        """One answer for each request, the last one for all that follow."""
        left = list(answers)
        self._parts = lambda: iter((left.pop(0) if len(left) > 1 else left[0],))

    def drip(self, first: bytes, drop: bytes, seconds: float) -> None:
        """Sends a drop again and again, until the other side or the test has had enough."""

        def parts() -> Iterator[bytes]:
            yield first
            while not self._done.wait(seconds):
                yield drop

        self._parts = parts

    def close(self) -> None:
        self._done.set()
        # Closing alone would not wake the thread that waits for the next connection.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while not self._done.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ValueError):
                connection.settimeout(5)
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                with connection:
                    self._one(connection)

    def _one(self, connection: socket.socket) -> None:
        if self._speaks_first:
            for part in self._parts():
                connection.sendall(part)
            return
        with connection.makefile("rb") as file:
            first = file.readline().decode().strip()
            lines = iter(lambda: file.readline().decode().strip(), "")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = file.read(int(headers.get("content-length", 0)))
            if first:
                self.requests.append((first, headers, body))
            for part in self._parts():
                connection.sendall(part)


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


def status(code: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code} Words of {CANARY}", *headers, "Content-Length: 0", "", ""]).encode()


def test_a_webhook_gets_the_message_as_json_under_its_id(web: Web) -> None:
    web.answer(status(204))
    assert told(Recipient(name="ops", webhook="env:HOOK"), HOOK=web.url) == Sent()
    ((first, headers, body),) = web.requests
    assert first == f"POST /hooks/{CANARY} HTTP/1.1"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["idempotency-key"] == MESSAGE.id
    assert headers["user-agent"].startswith("prober/")
    assert "prober-signature" not in headers
    assert body == render_json(MESSAGE)


def test_a_webhook_with_a_secret_can_tell_who_sent_it(web: Web) -> None:
    web.answer(status(200))
    assert told(Recipient(name="ops", webhook=web.url, secret="env:KEY"), KEY=CANARY) == Sent()
    ((_, headers, body),) = web.requests
    expected = hmac.new(CANARY.encode(), body, hashlib.sha256).hexdigest()
    assert headers["prober-signature"] == f"sha256={expected}" == signature(body, CANARY)


@pytest.mark.parametrize(
    ("code", "headers", "again", "after"),
    [
        (500, (), True, None),
        (502, ("Retry-After: 5",), True, None),
        (503, ("Retry-After: 120",), True, 120),
        (429, ("Retry-After: 99999999999999999999",), True, 3_600),
        (429, ("Retry-After: Thu, 26 Nov 2026 02:01:30 GMT",), True, 90),
        (429, ("Retry-After: Thu, 26 Nov 2020 02:01:30 GMT",), True, 0),
        (429, ("Retry-After: soon",), True, None),
        (408, (), True, None),
        (400, (), False, None),
        (404, (), False, None),
        (410, ("Retry-After: 5",), False, None),
    ],
)
def test_a_refusal_says_whether_to_try_again(
    web: Web, code: int, headers: tuple[str, ...], again: bool, after: int | None
) -> None:
    web.answer(status(code, *headers))
    result = refused(told(Recipient(name="ops", webhook=web.url)))
    assert result == NotSent(f"The webhook of ops answered {code}.", again, after)
    assert len(web.requests) == 1


@pytest.mark.parametrize("taken", [200, 413, 503])
def test_a_webhook_that_finds_a_message_too_long_gets_a_short_form_once(web: Web, taken: int) -> None:
    incident = INCIDENT.model_copy(update={"changes": (EXPORT_GONE,) * 20})
    long = GATE.model_copy(update={"lines": ("It is so. " * 100,) * 30, "incidents": (incident,) * 6})
    web.answer_each(status(413), status(taken))
    recipient = Recipient(name="ops", webhook=web.url, secret="env:KEY", private=True)
    result = told(recipient, message=long, KEY=CANARY)
    if taken == 200:
        assert result == Sent()
    else:
        assert refused(result).again == (taken == 503)
    assert len(web.requests) == 2
    bodies = [body for _, _, body in web.requests]
    for (_, headers, body), schema in zip(web.requests, (SCHEMA, SCHEMA), strict=True):
        assert headers["idempotency-key"] == long.id
        assert headers["prober-signature"] == signature(body, CANARY)
        jsonschema.validate(json.loads(body), schema)
    assert len(bodies[1]) < 2_000 < len(bodies[0])
    short = json.loads(bodies[1])
    assert short["private"]
    assert short["title"] == long.title
    assert "Left out here: 29 more lines and 6 incidents (main-7, " in short["text"]
    assert "`prober history main`" in short["text"]


def test_a_redirect_is_not_followed(web: Web) -> None:
    web.answer(status(301, f"Location: {web.url}/there"))
    result = refused(told(Recipient(name="ops", webhook=web.url)))
    assert "answered 301 and leads elsewhere" in result.reason
    assert not result.again
    assert len(web.requests) == 1


@pytest.mark.parametrize("way", ["silent", "headers", "status line"])
def test_a_webhook_that_hangs_or_drips_is_left_after_the_deadline(web: Web, way: str) -> None:
    if way == "silent":
        web.drip(b"", b"", 0.05)
    elif way == "headers":
        web.drip(b"HTTP/1.1 200 OK\r\n", b"X-More: drops\r\n", 0.05)
    else:
        web.drip(b"HTTP", b"/", 0.05)
    result = refused(told(Recipient(name="ops", webhook=web.url), limits=QUICK))
    assert result.again
    assert result.reason.startswith("The webhook of ops ")


def test_a_webhook_that_took_the_message_and_then_drips_has_taken_it(web: Web) -> None:
    web.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", b"drop", 0.05)
    assert told(Recipient(name="ops", webhook=web.url), limits=ENOUGH) == Sent()


def test_no_more_than_so_much_of_an_answer_is_read(web: Web) -> None:
    web.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65_536, 0.0)
    tracemalloc.start()
    try:
        assert told(Recipient(name="ops", webhook=web.url), limits=LONG) == Sent()
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "answer", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 99999 x\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"a" * 300_000]
)
def test_a_webhook_that_breaks_off_is_tried_again(web: Web, answer: bytes) -> None:
    web.answer(answer)
    result = refused(told(Recipient(name="ops", webhook=web.url), limits=Limits(deadline_seconds=3)))
    assert result == NotSent("The webhook of ops broke off, or spoke no HTTP.", again=True)


def test_a_webhook_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = refused(told(Recipient(name="ops", webhook=f"http://127.0.0.1:{port}/{CANARY}")))
    assert result == NotSent("The webhook of ops cannot be reached.", again=True)


def test_a_webhook_whose_certificate_cannot_be_trusted_gets_nothing(tmp_path: Path) -> None:
    context, _ = prepare(tmp_path, "127.0.0.1", set())
    server = Web(context)
    try:
        server.answer(status(200))
        result = refused(told(Recipient(name="ops", webhook=server.url)))
        assert result == NotSent("The webhook of ops shows a certificate that cannot be trusted.", again=True)
        assert server.requests == []
    finally:
        server.close()


# Proxies


class Door:
    """A small http proxy on loopback: a tunnel to wherever it is asked for, or the same answer to everybody."""

    def __init__(self, refusal: bytes | None = None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._refusal = refusal
        self.heads: list[bytes] = []
        self.through = b""
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Door":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            near.settimeout(5)
            with near, contextlib.suppress(OSError):
                self._one(near)

    def _one(self, near: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += near.recv(1)
        self.heads.append(head)
        if self._refusal is not None:
            near.sendall(self._refusal)
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as far:
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            while data := near.recv(65_536):
                self.through += data
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)
            back.join(5)

    @staticmethod
    def _pump(far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(65_536):
                near.sendall(data)


@pytest.fixture
def trusted_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server over TLS, under an authority that this machine trusts for once."""
    context, authority = prepare(tmp_path, "127.0.0.1", set())
    (tmp_path / "ca.pem").write_bytes(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server = Web(context)
    yield server
    server.close()


def test_a_webhook_goes_through_its_proxy_which_reads_nothing_of_it(trusted_web: Web) -> None:
    trusted_web.answer(status(204))
    hook = Recipient(name="ops", webhook="env:HOOK", proxy="env:DOOR")
    with Door() as door:
        url = f"http://me:{CANARY}%21@127.0.0.1:{door.port}"
        assert told(hook, HOOK=trusted_web.url, DOOR=url) == Sent()
    ((_, _, body),) = trusted_web.requests
    assert json.loads(body)["id"] == MESSAGE.id
    (head,) = door.heads
    assert head.startswith(b"CONNECT 127.0.0.1:")
    credentials = base64.b64encode(f"me:{CANARY}!".encode())
    assert b"Proxy-Authorization: Basic " + credentials in head
    assert CANARY.encode() not in door.through
    assert MESSAGE.id.encode() not in door.through
    assert CANARY not in repr(Recipient(name="ops", webhook="env:HOOK", proxy=url))


def test_a_heartbeat_goes_through_its_proxy(trusted_web: Web, tmp_path: Path) -> None:
    trusted_web.answer(status(200))
    with Door() as door:
        config = Heartbeat(url="env:BEAT", proxy=f"http://127.0.0.1:{door.port}/")
        assert beat(config, tmp_path, BEAT=trusted_web.url) == ()
    assert len(trusted_web.requests) == len(door.heads) == 1
    assert b"authorization" not in door.heads[0].lower()


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "its proxy opens no way to it"),
        (b"HTTP/1.1 403 canary\r\nContent-Length: 0\r\n\r\n", "its proxy opens no way to it"),
        (b"SSH-2.0-canary\r\n\r\n", "broke off, or spoke no HTTP"),
        (b"", "broke off, or spoke no HTTP"),
        (None, "cannot be reached, or its proxy cannot"),
    ],
)
def test_a_proxy_that_refuses_is_tried_again(
    trusted_web: Web, tmp_path: Path, refusal: bytes | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Door(refusal) as door:
        if refusal is None:
            door.__exit__()
        url = f"http://me:{CANARY}@127.0.0.1:{door.port}"
        hook = Recipient(name="ops", webhook="env:HOOK", proxy="env:DOOR")
        result = refused(told(hook, HOOK=trusted_web.url, DOOR=url))
        failed = beat(Heartbeat(url="env:BEAT", proxy="env:DOOR"), tmp_path, BEAT=trusted_web.url, DOOR=url)
    assert result.again
    assert words in result.reason
    assert words in failed[0]
    assert CANARY not in f"{result}{failed}{caplog.text}"
    assert trusted_web.requests == []


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("env:NOT_SET", "no variable"),
        ("env:DOOR", "not the URL of an http proxy"),
        (f"socks5://127.0.0.1/{CANARY}", "not the URL of an http proxy"),
        (f"https://{CANARY}:1", "not the URL of an http proxy"),
        (f"http://{CANARY}/path", "not the URL of an http proxy"),
        (f"http://{CANARY}:port", "not the URL of an http proxy"),
        (f"http://me:{CANARY}@127.0.0.1:1", "write `proxy: env:NAME`"),
    ],
)
def test_a_proxy_that_cannot_be_gone_by_is_found_before_anything_happens(
    proxy: str, words: str, tmp_path: Path
) -> None:
    door, address = f"http://me:{CANARY}@", "https://hook.example.org"
    secrets = secrets_of(DOOR=door, HOOK=address)
    hook = Recipient(name="ops", webhook="env:HOOK", proxy=proxy)
    pulse = Heartbeat(url="env:HOOK", proxy=proxy)
    with pytest.raises(Mistake, match=words) as one:
        check_recipients([hook], None, secrets)
    with pytest.raises(Mistake, match=words) as other:
        check_heartbeat(pulse, secrets)
    assert refused(told(hook, DOOR=door, HOOK=address)) == NotSent(str(one.value), again=False)
    assert beat(pulse, tmp_path, DOOR=door, HOOK=address) == (str(other.value),)
    shown = "".join("".join(traceback.format_exception(caught.value)) for caught in (one, other))
    assert CANARY not in shown


def test_nothing_that_a_proxy_could_read_goes_by_it() -> None:
    hook = Recipient(name="ops", webhook="http://127.0.0.1:1/hook", proxy="http://127.0.0.1:1")
    with pytest.raises(Mistake, match="only https goes by a proxy"):
        check_recipients([hook], None, secrets_of())


def test_only_what_goes_by_the_web_has_a_proxy() -> None:
    with pytest.raises(ValueError, match="mail goes by SMTP, which knows no `proxy`"):
        Recipient(name="ops", mail="a@example.org", proxy="http://127.0.0.1:1")
    with pytest.raises(ValueError, match="Apprise goes its own way"):
        Recipient(name="ops", apprise="env:CHAT", proxy="http://127.0.0.1:1")
    with pytest.raises(ValueError, match="there is none"):
        Heartbeat(file="beat.json", proxy="http://127.0.0.1:1")


# Mails

BY_MAIL = Recipient(name="ops", mail="ops@example.org")
MAIL = MailServer(host="127.0.0.1", port=2525, security="none", sender="prober@example.org")


class Mailbox:
    """What aiosmtpd does with what it gets; `answers` replaces its answer to a command."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.mails: list[Envelope] = []
        self.hangs = False

    async def handle_RCPT(
        self, server: daemon.SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: daemon.SMTP, session: Session, envelope: Envelope) -> str:
        self.mails.append(envelope)
        if self.hangs:
            await asyncio.Event().wait()
        return self.answers.get("DATA", "250 OK")


@contextlib.contextmanager
def smtp(mailbox: Mailbox, **settings: Any) -> Iterator[MailServer]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=0, server_hostname="mail.example.org", **settings)
    # The port is drawn when it is bound, and the controller tries the one that it was given.
    with socket.create_server(("127.0.0.1", 0)) as free:
        controller.port = free.getsockname()[1]
    controller.start()
    try:
        yield MAIL.model_copy(update={"port": controller.port})
    finally:
        controller.stop()


def test_a_mail_reaches_its_mailbox_under_the_id_of_its_message() -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as server:
        assert told(BY_MAIL, server) == Sent()
        assert told(BY_MAIL, server) == Sent()
    first, second = mailbox.mails
    assert first.content == second.content
    assert (first.mail_from, first.rcpt_tos) == ("prober@example.org", ["ops@example.org"])
    assert isinstance(first.content, bytes)
    read = email.message_from_bytes(first.content, policy=email.policy.default)
    assert read["Message-ID"] == f"<{MESSAGE.id}@prober.invalid>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Subject"] == render_text(MESSAGE)[0]
    assert read["Date"].datetime == datetime(2026, 11, 26, 2, 12, tzinfo=UTC)
    part = read.get_body()
    assert part is not None
    assert part.get_content().replace("\r\n", "\n") == render_text(MESSAGE)[1]


@pytest.mark.parametrize(
    ("answers", "again", "words"),
    [
        ({"RCPT": f"550 no {CANARY} here"}, False, "refused the recipient ops (550)"),
        ({"RCPT": "451 try later"}, True, "refused the recipient ops (451)"),
        ({"DATA": f"554 {CANARY} is spam"}, False, "answered 554"),
        ({"DATA": "452 full"}, True, "answered 452"),
    ],
)
def test_a_mail_server_that_refuses_says_whether_to_try_again(answers: dict[str, str], again: bool, words: str) -> None:
    with smtp(Mailbox(**answers)) as server:
        result = refused(told(BY_MAIL, server))
    assert words in result.reason
    assert result.again == again


def test_a_mail_server_that_hangs_after_the_mail_is_left_and_the_repeat_can_be_recognised() -> None:
    mailbox = Mailbox()
    mailbox.hangs = True
    with smtp(mailbox) as server:
        result = refused(told(BY_MAIL, server, limits=ENOUGH))
    assert result.again
    assert "whether it took the mail" in result.reason


def test_a_mail_server_that_drips_its_greeting_is_left_after_the_deadline() -> None:
    server = Web(speaks_first=True)
    server.drip(b"", b"220-drop\r\n", 0.01)
    try:
        port = int(server.url.split(":")[2].split("/")[0])
        result = refused(told(BY_MAIL, MAIL.model_copy(update={"port": port}), limits=QUICK))
    finally:
        server.close()
    assert result.again
    assert not [one for one in threading.enumerate() if one.name.startswith("asyncio_")]


def test_no_password_and_no_mail_goes_out_in_clear_where_starttls_is_missing() -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as server:
        asked = server.model_copy(update={"security": "starttls", "user": "prober", "password": "env:WORD"})
        result = refused(told(BY_MAIL, asked, WORD=CANARY))
    assert "STARTTLS" in result.reason
    assert not result.again
    assert mailbox.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_goes_over_tls_with_a_login_under_an_authority_of_ones_own(tmp_path: Path, security: str) -> None:
    context, authority = prepare(tmp_path, "127.0.0.1", set())
    (tmp_path / "ca.pem").write_bytes(authority)
    mailbox, logins = Mailbox(), []

    def authenticate(
        server: daemon.SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        logins.append((given.login, given.password))
        return AuthResult(success=given.password == CANARY.encode(), handled=False)

    how = {"ssl_context": context} if security == "tls" else {"tls_context": context, "require_starttls": True}
    with smtp(mailbox, authenticator=authenticate, auth_require_tls=security != "tls", **how) as on:
        server = on.model_copy(update={"security": security, "user": "prober", "password": "env:WORD"})
        untrusted = refused(told(BY_MAIL, server, WORD=CANARY))
        assert untrusted == NotSent("The mail server shows a certificate that cannot be trusted.", again=True)
        trusted = server.model_copy(update={"ca_file": str(tmp_path / "ca.pem")})
        assert logins == []
        wrong = refused(told(BY_MAIL, trusted, WORD=f"{CANARY}-wrong"))
        assert "refused user and password" in wrong.reason
        assert not wrong.again
        assert told(BY_MAIL, trusted, WORD=CANARY) == Sent()
    assert logins[-1] == (b"prober", CANARY.encode())
    assert len(mailbox.mails) == 1


def test_a_mail_server_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = refused(told(BY_MAIL, MAIL.model_copy(update={"port": port})))
    assert result == NotSent("The mail server cannot be reached, or broke off.", again=True)


# Apprise


# Apprise 2 loads a module that Python 3.13 has no more.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_apprise_carries_the_words_and_nothing_secret_leaks(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    recipient = Recipient(name="chat", apprise="env:CHAT")
    address = web.url.replace("http://", "json://")
    web.answer(status(200))
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("probe").debug("The log is kept.")
        assert told(recipient, CHAT=address) == Sent()
        ((first, _, body),) = web.requests
        assert first.startswith(f"POST /hooks/{CANARY}")
        subject, text = render_text(MESSAGE)
        sent = json.loads(body)
        assert (sent["title"], sent["message"].strip()) == (subject, text.strip())
        web.answer(status(500))
        assert refused(told(recipient, CHAT=address)).again
        assert "does not know" in refused(told(recipient, CHAT=f"nonsense://{CANARY}")).reason
        web.drip(b"", b"", 0.05)
        assert "did not finish" in refused(told(recipient, CHAT=address, limits=QUICK)).reason
        web.close()
    assert "The log is kept." in caplog.text
    assert not [one for one in caplog.records if one.name.startswith(("apprise", "urllib3"))]


# The feed


def test_the_feed_has_what_atom_requires() -> None:
    later = MESSAGE.model_copy(update={"id": "closed-main-7", "kind": "closed", "time": "2026-11-27T02:12:00Z"})
    text = feed([MESSAGE, GATE, later], title="Clinic & more", self_url="https://example.org/feed.xml?a=1&b=2")
    assert text == feed([later, MESSAGE], title="Clinic & more", self_url="https://example.org/feed.xml?a=1&b=2")
    root = Xml.fromstring(text)
    assert root.tag == f"{ATOM}feed"
    # RFC 4287, section 4.1.1: exactly one id, title and updated, an author, and a link to itself.
    for name in ("id", "title", "updated", "author", "link"):
        assert len(root.findall(f"{ATOM}{name}")) == 1, name
    assert root.findtext(f"{ATOM}title") == "Clinic & more"
    entries = root.findall(f"{ATOM}entry")
    assert len(entries) == 2
    for entry in entries:
        for name in ("id", "title", "updated", "published", "content"):
            assert len(entry.findall(f"{ATOM}{name}")) == 1, name
    ids = [root.findtext(f"{ATOM}id") or "", *(one.findtext(f"{ATOM}id") or "" for one in entries)]
    assert len(set(ids)) == 3
    assert all(
        re.fullmatch("urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in ids
    )
    times = [one.text or "" for tag in ("updated", "published") for one in root.iter(f"{ATOM}{tag}")]
    assert all(INSTANT.fullmatch(one) for one in times)
    assert root.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated") == "2026-11-27T02:12:00.000000Z"


def test_the_feed_keeps_the_last_two_hundred_and_each_once(tmp_path: Path) -> None:
    many = [
        MESSAGE.model_copy(update={"id": f"m{n}", "time": f"2026-{1 + n // 28:02}-{1 + n % 28:02}T00:00:00Z"})
        for n in range(300)
    ]
    write_feed(tmp_path / "feed.xml", [*many, *many], title="t", self_url="https://example.org")
    entries = Xml.parse(tmp_path / "feed.xml").getroot().findall(f"{ATOM}entry")
    times = [one.findtext(f"{ATOM}updated") or "" for one in entries]
    assert len(entries) == 200
    assert times == sorted(times, reverse=True)
    assert times[0].startswith("2026-11-20")
    assert [path.name for path in tmp_path.iterdir()] == ["feed.xml"]


def test_a_feed_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_feed(tmp_path / "feed.xml", [MESSAGE], title="t", self_url="https://example.org")
    before = (tmp_path / "feed.xml").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_feed(tmp_path / "feed.xml", [], title="t", self_url="https://example.org")
    assert (tmp_path / "feed.xml").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["feed.xml"]


def test_an_empty_feed_is_one() -> None:
    root = Xml.fromstring(feed([], title="t", self_url="https://example.org"))
    assert INSTANT.fullmatch(root.findtext(f"{ATOM}updated") or "")
    assert root.findall(f"{ATOM}entry") == []


# The heartbeat


def beat(config: Heartbeat, folder: Path, limits: Limits = LONG, **secrets: str) -> tuple[str, ...]:
    clock = VirtualClock(datetime(2026, 11, 26, 2, 0, tzinfo=UTC))
    failed = asyncio.run(
        heartbeat(
            config,
            folder,
            last_round="2026-11-26T01:00:00Z",
            clock=clock,
            secrets=secrets_of(**secrets),
            limits=limits,
        )
    )
    assert CANARY not in repr(failed)
    return failed


def test_a_heartbeat_touches_its_file_and_asks_its_address(web: Web, tmp_path: Path) -> None:
    web.answer(status(200))
    assert beat(Heartbeat(file="heartbeat.json", url="env:BEAT"), tmp_path, BEAT=web.url) == ()
    assert json.loads((tmp_path / "heartbeat.json").read_bytes()) == {
        "schema": "prober/heartbeat/1",
        "at": "2026-11-26T02:00:00.000000Z",
        "last_round": "2026-11-26T01:00:00Z",
    }
    ((first, _, _),) = web.requests
    assert first.startswith("GET ")


def test_a_heartbeat_that_fails_says_so_once_and_stops_nothing(web: Web, tmp_path: Path) -> None:
    web.answer(status(500))
    both = Heartbeat(file="nowhere/heartbeat.json", url="env:BEAT")
    failed = beat(both, tmp_path, BEAT=web.url)
    assert failed == (
        "The heartbeat file nowhere/heartbeat.json cannot be written (No such file or directory).",
        "The heartbeat's address answered 500.",
    )
    assert len(web.requests) == 1
    web.drip(b"", b"", 0.05)
    assert "did not answer" in beat(both, tmp_path, limits=QUICK, BEAT=web.url)[1]
    assert "no variable" in beat(both, tmp_path)[1]
    with pytest.raises(Mistake, match="https"):
        check_heartbeat(both, secrets_of(BEAT=f"http://example.org/{CANARY}"))


def test_a_container_sees_by_the_heartbeat_file_whether_the_monitor_lives(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat.json"
    clock = VirtualClock(datetime(2026, 11, 26, 2, 0, tzinfo=UTC))
    assert "cannot be read" in (alive.alive(path, 60, clock) or "")
    beat(Heartbeat(file="heartbeat.json"), tmp_path)
    assert alive.alive(path, 60, clock) is None
    asyncio.run(clock.sleep(60))
    assert alive.alive(path, 60, clock) is None
    asyncio.run(clock.sleep(1))
    assert "61 seconds ago" in (alive.alive(path, 60, clock) or "")
    assert "in the future" in (alive.alive(path, 60, VirtualClock(datetime(2026, 11, 26, 1, 0, tzinfo=UTC))) or "")
    for content in (b"", b"[]", b'{"at": 1}', b'{"at": "2026-11-26T02:00:00"}', b"\xff"):
        path.write_bytes(content)
        assert "no heartbeat file" in (alive.alive(path, 60, clock) or "")


def test_the_health_check_ends_with_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert alive.main([]) == 2
    assert alive.main([str(tmp_path / "none"), "60"]) == 1
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "beat").write_text('{"at": "9999-01-01T00:00:00Z"}')
    assert alive.main([str(tmp_path / "beat"), "60"]) == 1
