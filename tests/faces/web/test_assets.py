"""Static files: vendored ones are those that were published, and pages hold no script or style of their own."""

import gzip
import hashlib
import re

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "trueup"
STATIC = SOURCE / "faces" / "web" / "static"
TEMPLATES = sorted(SOURCE.rglob("*.html"))
ROWS = re.findall(
    r"^\| `([^`]+)` \| (\S+) \| (\S+) \| ([^|]+) \| `([0-9a-f]{64})` \|$",
    (STATIC / "vendor" / "VENDORED.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize(("name", "package", "version", "licence", "digest"), ROWS)
def test_a_vendored_file_is_the_one_that_was_published(name, package, version, licence, digest):
    assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest
    assert (STATIC / "vendor" / re.search(r"`([^`]+LICENSE)`", licence)[1]).stat().st_size > 200


def test_every_vendored_file_is_listed():
    there = {path.name for path in (STATIC / "vendor").iterdir() if path.suffix in (".js", ".css")}
    assert there == {name for name, *_ in ROWS if "/" not in name}


def used_icons():
    html = {name for path in TEMPLATES for name in re.findall(r'{% icon "([a-z0-9-]+)"', path.read_text())}
    python = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r'(?:Item\((?:"[^"]*", ){3}|icon=)"([a-z0-9-]+)"', path.read_text())
    }
    return html | python


def test_every_icon_that_pages_use_is_in_the_sprite():
    there = set(re.findall(r'<symbol id="([a-z0-9-]+)"', (STATIC / "trueup" / "icons.svg").read_text()))
    assert len(used_icons()) > 20
    assert used_icons() - there == set()


def test_the_check_of_icons_would_see_one_that_is_missing(tmp_path):
    assert re.findall(r'{% icon "([a-z0-9-]+)"', '<a>{% icon "no-such-icon" %}</a>') == ["no-such-icon"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_a_script_style_or_handler_of_its_own(path):
    text = path.read_text()
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=\"|javascript:|<script(?![^>]*\bsrc=)[^>]*>", text) == []
    assert "|safe" not in text
    assert "autoescape off" not in text


def test_nothing_is_loaded_from_elsewhere():
    for path in (*TEMPLATES, *(STATIC / "trueup").iterdir()):
        text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text) == [], path


def test_a_file_is_kept_for_ever_under_its_digest_and_checked_under_its_bare_name(doors):
    from django.templatetags.static import static

    address = static("trueup/app.css")
    lasting = doors.get(address)
    assert lasting.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert lasting.body == (STATIC / "trueup" / "app.css").read_bytes()
    assert lasting.headers["Content-Type"] == "text/css; charset=utf-8"
    bare = doors.get("/static/trueup/app.css")
    assert (bare.headers["Cache-Control"], bare.body) == ("no-cache", lasting.body)
    assert doors.get("/static/trueup/app.css", if_none_match=bare.headers["ETag"]).status == 304
    assert doors.get("/static/000000000000/trueup/app.css").status == 404


def test_a_text_file_is_sent_packed_to_who_reads_that(doors):
    packed = doors.get("/static/vendor/tabler.min.css", accept_encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == (STATIC / "vendor" / "tabler.min.css").read_bytes()
    assert len(packed.body) < 120_000


def test_a_page_that_names_a_file_that_there_is_not_is_wrong_at_once(doors):
    from django.http import Http404
    from django.templatetags.static import static

    with pytest.raises(Http404):
        static("trueup/nothing.css")


def test_only_reading_is_answered_for_a_static_file(doors):
    assert doors.post("/static/trueup/app.css", {}).status in (403, 404)
