"""Subjects through pages and API."""

import pytest


@pytest.fixture
def merged(run):
    from tests.support.actions import Observe
    from trueup.kernel.subjects.actions import MergeSubjects, PutSubject

    run(PutSubject, subject="device/a", label="lab one", aliases=[{"namespace": "serial", "value": "C02XK1"}])
    run(PutSubject, subject="device/b", aliases=[{"namespace": "hostname", "value": "web-1"}])
    run(PutSubject, subject="device/c", aliases=[{"namespace": "hostname", "value": "web-1"}])
    run(MergeSubjects, gone="device/b", into="device/a", comment="the label on its back")
    run(Observe, subject="device/b", state="good")


def test_subjects_are_listed_found_by_any_name_and_shown_with_their_merges(doors, merged):
    browser = doors.browser(doors.everyone)
    listed = doors.get("/subjects/?kind=device&label=lab", client=browser).text
    assert "/subjects/device/a/" in listed
    assert "/subjects/device/b/" not in listed
    found = doors.get("/subjects/?find=c02-xk1", client=browser)
    assert (found.status, found.headers["Location"]) == (302, "/subjects/device/a/")
    assert doors.get("/subjects/?find=device/b", client=browser).headers["Location"] == "/subjects/device/a/"
    several = doors.get("/subjects/?find=web-1", client=browser).text
    assert "/subjects/device/a/" in several
    assert "/subjects/device/c/" in several
    assert "No subject bears that name" in doors.get("/subjects/?find=nothing%00", client=browser).text
    text = doors.get("/subjects/device/b/", client=browser).text
    assert "was merged into this subject" in text
    assert "the label on its back" in text
    assert "good" in text
    assert doors.get("/subjects/device/zzz/", client=browser).status == 404


def test_without_subjects_the_page_says_what_to_do(doors):
    assert "trueup subject put" in doors.get("/subjects/", client=doors.browser(doors.everyone)).text


def test_the_api_lists_shows_and_resolves(doors, merged):
    key = doors.key("viewer")
    assert [row["subject"] for row in doors.get("/api/v1/subjects/subjects?kind=device", key=key).json["items"]] == [
        "device/a",
        "device/c",
    ]
    assert doors.get("/api/v1/subjects/subject?id=device/b", key=key).json["subject"] == "device/a"
    assert doors.get("/api/v1/subjects/resolve?namespace=hostname&value=WEB-1", key=key).json == {
        "subjects": ["device/a", "device/c"],
        "ambiguous": True,
    }
    assert doors.get("/api/v1/subjects/resolve?namespace=colour&value=red", key=key).status in (400, 422)
    assert doors.get("/api/v1/subjects/subject?id=device/zzz", key=key).status == 404
