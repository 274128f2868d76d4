"""The container of a bundle: any unzip program opens it, and it has one legal form."""

import io
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import examples

from prober.bundle import container
from prober.bundle.container import Container
from prober.mistake import Refused

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,8}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,8}){0,2}", fullmatch=True)
SMALL = {"bag/a.txt": b"one\n", "bag/data/b": b"", "bag/data/c.json": b'{"x":1}\n'}


def written(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    container.write(entries, file)
    return file.getvalue()


def opened(tmp_path: Path, content: bytes) -> dict[str, bytes]:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    return {name: bytes(one) for name, one in Container(path).items()}


def refusal(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(Refused) as refused:
        opened(tmp_path, content)
    return str(refused.value)


@settings(deadline=None, max_examples=examples(60))
@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read_back_and_by_others_too(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, bytes]
) -> None:
    content = written(entries)
    assert opened(tmp_path_factory.mktemp("box"), content) == dict(sorted(entries.items()))
    assert written(dict(reversed(entries.items()))) == content
    with zipfile.ZipFile(io.BytesIO(content)) as other:
        assert other.testzip() is None
        assert {one.filename: other.read(one) for one in other.infolist()} == entries


def test_unzip_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(written(SMALL))
    done = subprocess.run(["unzip", "-t", "x.zip"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "No errors detected" in done.stdout
    assert done.stderr == ""


def test_every_other_byte_anywhere_is_refused(tmp_path: Path) -> None:
    content = written(SMALL)
    for at in range(len(content)):
        for bit in (0x01, 0x80, 0xFF):
            other = bytearray(content)
            other[at] ^= bit
            assert refusal(tmp_path, bytes(other)).endswith((".", ".'"))


def test_every_shorter_and_longer_file_is_refused(tmp_path: Path) -> None:
    content = written(SMALL)
    for length in range(len(content)):
        refusal(tmp_path, content[:length])
    assert refusal(tmp_path, content + b"\0") == "Bytes follow the end of the bundle."
    assert refusal(tmp_path, b"\0" + content).startswith("The file is not a bundle")
    assert refusal(tmp_path, content + content) == "Bytes follow the end of the bundle."


def foreign(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED, mode: int = 0o100644) -> bytes:
    """What Python's own zipfile writes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as other:
        for name, content in entries:
            one = zipfile.ZipInfo(name)
            one.external_attr = mode << 16
            one.compress_type = method
            other.writestr(one, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"no zip at all", "The file is not a bundle: it does not begin as a ZIP file does."),
        (foreign(("../evil", b"x")), "The entry '../evil' has a name that no bundle has"),
        (foreign(("/etc/passwd", b"x")), "The entry '/etc/passwd' has a name that no bundle has"),
        (foreign(("a/../../b", b"x")), "has a name that no bundle has"),
        (foreign(("a\\b", b"x")), "has a name that no bundle has"),
        (foreign(("a/.hidden", b"x")), "has a name that no bundle has"),
        (foreign(("x" * 300, b"x")), "has a name that no bundle has"),
        (foreign(("ünïcode", b"x")), "has a name that no bundle has"),
        (
            foreign(("a", b"0" * 2**20), method=zipfile.ZIP_DEFLATED),
            "The entry a is compressed by the container",
        ),
        (foreign(("a", b"x")), "has a field that a bundle does not have"),
    ],
)
def test_what_other_programs_write_is_refused_by_name(tmp_path: Path, content: bytes, sentence: str) -> None:
    assert sentence in refusal(tmp_path, content)


def test_a_link_a_double_and_a_disorder_are_told_apart(tmp_path: Path) -> None:
    content = bytearray(written({"a": b"/etc/passwd", "b": b""}))
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 38, 0o120777 << 16)
    assert refusal(tmp_path, bytes(content)) == "The entry a is a link; a bundle holds plain files only."
    double = written({"a": b"1", "b": b"2"}).replace(b"\x00b2", b"\x00a2")
    assert "The entry a is there twice." in refusal(tmp_path, double)
    disorder = written({"a": b"1", "b": b"2"})
    first, second = disorder[:32], disorder[32:64]
    assert "out of order" in refusal(tmp_path, second + first + disorder[64:])


def test_a_header_that_promises_more_than_there_is_ends_at_once(tmp_path: Path) -> None:
    content = bytearray(written({"a": b"12345"}))
    struct.pack_into("<II", content, 18, 2**31, 2**31)
    assert refusal(tmp_path, bytes(content)) == "The file is cut off in the entry a."


def test_what_has_no_form_is_not_written() -> None:
    for name in ("", "/a", "a/", "a//b", "..", "a/..", "a b", "é", ".a", "a" * 241):
        with pytest.raises(ValueError, match="has no entry of the name"):
            written({name: b""})
