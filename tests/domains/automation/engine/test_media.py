"""What a file is by its content, and the name it may have."""

import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.media import HEAD, UNKNOWN, file_name, is_one_of, media_type_of


def zipped(*names, first=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        if first:
            file.writestr(zipfile.ZipInfo("mimetype"), first)
        for name in names:
            file.writestr(name, "x")
    return out.getvalue()


def tarred():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(tarfile.TarInfo("a"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("head", "declared", "kind"),
    [
        (b"%PDF-1.7", "text/html", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "", "image/png"),
        (b"RIFF1234WEBPVP8 ", "", "image/webp"),
        (b"12345678WEBP is a format", "", "text/plain"),
        (zipped("a.txt"), "", "application/zip"),
        (zipped("[Content_Types].xml", "word/document.xml"), "", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (zipped("content.xml", first=b"application/vnd.oasis.opendocument.text"), "", "application/vnd.oasis.opendocument.text"),
        (tarred(), "", "application/x-tar"),
        (b"MZ\x90\0", "application/pdf", "application/vnd.microsoft.portable-executable"),
        (b"\x7fELF", "image/png", "application/x-elf"),
        (b"<!DOCTYPE html><p>", "text/csv", "text/html"),
        (b"<?xml version='1.0'?><svg/>", "", "image/svg+xml"),
        (b"<?xml version='1.0'?><a/>", "", "application/xml"),
        (b'{"a": [1]}', "text/plain", "application/json"),
        (b"{not json}", "", "text/plain"),
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "text/csv"),
        (b"a,b\n1,2\n", "application/pdf", "text/plain"),
        (b"just words", "text/html", "text/plain"),
        ("é".encode() * HEAD, "", "text/plain"),
        (b"a\0b", "text/plain", UNKNOWN),
        (b"\xff\xfe\xfd", "text/plain", UNKNOWN),
        (b"", "text/plain", UNKNOWN),
    ],
)  # fmt: skip
def test_content_says_what_a_file_is_and_its_sender_only_which_kind_of_text(head, declared, kind):
    assert media_type_of(head[:HEAD], declared) == kind


def test_kinds_are_allowed_by_name_or_by_family():
    assert is_one_of("image/png", ["application/pdf", "image/*"])
    assert not is_one_of("image/png", ["application/pdf", "image/jpeg"])


@pytest.mark.parametrize(
    ("suggested", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\x.exe", "x.exe"),
        ("a\0b\n.txt", "a_b_.txt"),
        ("..", "download"),
        ("", "download"),
        (".htaccess", "htaccess"),
        ("CON.txt", "_CON.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("é" * 200 + ".pdf", "é" * 58 + ".pdf"),
    ],
)
def test_a_name_holds_nothing_but_a_name(suggested, kept):
    assert file_name(suggested) == kept


@given(st.text())
def test_a_name_is_short_and_leads_nowhere_whatever_was_suggested(suggested):
    found = file_name(suggested)
    assert 0 < len(found.encode()) <= 120
    assert not set(found) & set('/\\\0\n\r:*?"<>|')
    assert found not in (".", "..")
