"""Evidence over HTTP: lists in pages, entries with proofs that verify, and one tenant's things for that tenant alone."""

import base64

import pytest

API = "/api/v1/evidence"


@pytest.fixture
def known(doors, run):
    """A home with facts about two subjects."""
    from tests.support.actions import Observe

    for value in range(5):
        run(Observe, subject="rig-7", state=str(value))
    run(Observe, subject="rig-8", state="9")
    return doors


def walk(doors, path, key, **parameters):
    """Return all items of a list, page by page."""
    text = "&".join(f"{name}={value}" for name, value in parameters.items())
    items, cursor = [], ""
    while cursor is not None:
        page = doors.get(f"{path}?{text}&cursor={cursor}", key=key).json
        items += page["items"]
        cursor = page["next"]
    return items


def test_facts_come_in_pages_the_newest_first_and_each_says_where_it_is_in_the_log(known):
    key = known.key("viewer")
    items = walk(known, f"{API}/facts", key, limit=2)
    assert len(items) >= 6
    assert [item["entry"] for item in items] == sorted((item["entry"] for item in items), reverse=True)
    assert len({item["id"] for item in items}) == len(items)
    one = known.get(f"{API}/facts/{items[0]['id']}", key=key).json
    assert one == items[0]


def test_facts_are_chosen_by_subject_and_predicate(known):
    key = known.key("viewer")
    mine = walk(known, f"{API}/facts", key, subject="rig-7")
    assert {item["subject"].partition("/")[0] for item in mine} == {"rig-7"}
    predicate = mine[0]["predicate"]
    assert {item["predicate"] for item in walk(known, f"{API}/facts", key, predicate=predicate)} == {predicate}
    assert walk(known, f"{API}/facts", key, subject="rig-9") == []


def test_entries_come_in_pages_and_back(known):
    key = known.key("viewer")
    whole = walk(known, f"{API}/entries", key, limit=200)
    assert walk(known, f"{API}/entries", key, limit=3) == whole
    first = known.get(f"{API}/entries?limit=3", key=key).json
    second = known.get(f"{API}/entries?limit=3&cursor={first['next']}", key=key).json
    assert known.get(f"{API}/entries?limit=3&cursor={second['previous']}", key=key).json["items"] == first["items"]
    assert first["previous"] is None
    assert "id" not in whole[0]


def test_entries_are_chosen_by_action_outcome_principal_and_subject(known):
    key = known.key("viewer")
    known.post("/api/v1/evidence/pack/create", {}, key=key)
    whole = walk(known, f"{API}/entries", key)
    for name, value in (("action", "testing.thing.observe"), ("outcome", "refused"), ("principal", whole[-1]["principal"])):
        expected = [entry for entry in whole if entry[name] == value]
        assert expected
        assert walk(known, f"{API}/entries", key, **{name: value}, limit=2) == expected
    assert {entry["action"] for entry in walk(known, f"{API}/entries", key, action="identity.")} == {
        entry["action"] for entry in whole if entry["action"].startswith("identity.")
    }
    mine = walk(known, f"{API}/entries", key, subject="rig-8")
    assert [entry["action"] for entry in mine] == ["testing.thing.observe"]


def test_a_filtered_log_is_looked_through_in_bounded_steps(known, monkeypatch):
    from trueup.kernel.evidence import lists

    monkeypatch.setattr(lists, "SCANNED", 2)
    key = known.key("viewer")
    found = walk(known, f"{API}/entries", key, action="testing.thing.observe", limit=5)
    assert len(found) == 6
    short = known.get(f"{API}/entries?outcome=failed&limit=5", key=key).json
    assert (short["items"], short["next"] is None) == ([], False)


def test_an_entry_comes_with_a_proof_that_verifies_and_the_checkpoint_it_is_proven_against(known):
    from trueup.kernel.evidence.merkle import leaf_hash, verify_inclusion

    proven = known.get(f"{API}/entries/2", key=known.key("viewer")).json
    verify_inclusion(
        leaf_index=2,
        tree_size=proven["tree_size"],
        leaf_hash=leaf_hash(proven["entry"].encode()),
        proof=[base64.b64decode(node) for node in proven["proof"]],
        root=bytes.fromhex(proven["root"]),
    )
    assert proven["checkpoint"].split("\n")[1] == str(proven["tree_size"])
    newest = known.get(f"{API}/checkpoint", key=known.key("viewer")).json
    assert newest["note"].split("\n")[0] == newest["origin"]


@pytest.mark.parametrize("index", ["999", "-1", "x", "1e3", "٣", "9" * 40, "00000000-0000-4000-8000-000000000000"])
def test_an_entry_that_there_is_not_is_404(known, index):
    assert known.get(f"{API}/entries/{index}", key=known.key("viewer")).status == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("outcome=maybe", "outcome"),
        ("subject=" + "x" * 301, "subject"),
    ],
)
def test_a_parameter_that_is_out_of_range_is_422_and_names_its_field(known, query, field):
    answer = known.get(f"{API}/entries?{query}", key=known.key("viewer"))
    assert (answer.status, answer.json["error"]["details"]["fields"][0]["field"]) == (422, field)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00"])
def test_a_cursor_that_was_not_made_here_is_400(known, cursor):
    for path in ("facts", "entries", "artifacts", "packs"):
        assert known.get(f"{API}/{path}?cursor={cursor}", key=known.key("viewer")).status == 400


def test_a_cursor_opens_no_other_list_filter_or_tenant(known):
    key = known.key("viewer")
    cursor = known.get(f"{API}/facts?limit=1", key=key).json["next"]
    theirs = known.people.tenant("other")
    stranger = known.people.add("stranger@example.org", "owner", tenant=theirs)
    other = known.people.key(stranger, "viewer", tenant=theirs)
    assert known.get(f"{API}/facts?limit=1&cursor={cursor}", key=key).status == 200
    assert known.get(f"{API}/facts?subject=rig-7&cursor={cursor}", key=key).status == 400
    assert known.get(f"{API}/entries?cursor={cursor}", key=key).status == 400
    assert known.get(f"{API}/facts?cursor={cursor}", key=other).status == 400


def test_no_reading_reaches_another_tenant(known):
    key = known.key("owner")
    fact = known.get(f"{API}/facts?limit=1", key=key).json["items"][0]["id"]
    sha256 = known.post("/api/v1/evidence/pack/create", {"subject": "rig-7"}, key=key).json["sha256"]
    theirs = known.people.tenant("other")
    stranger = known.people.add("stranger@example.org", "owner", tenant=theirs)
    other = known.people.key(stranger, "owner", tenant=theirs)
    for path in ("facts", "artifacts", "packs"):
        assert known.get(f"{API}/{path}", key=other).json["items"] == []
    assert known.get(f"{API}/facts/{fact}", key=other).status == 404
    assert known.get(f"{API}/artifacts/{sha256}", key=other).status == 404
    assert {entry["tenant"] for entry in walk(known, f"{API}/entries", other)} == {str(theirs)}
    assert known.post("/api/v1/evidence/pack/create", {"subject": "rig-7"}, key=other).status == 404
    assert known.get(f"{API}/entries/4", key=other).status == 404


def test_verifying_now_tells_a_sound_log_from_one_that_was_changed(known):
    key = known.key("auditor")
    report = known.post(f"{API}/verify", {}, key=key).json
    assert (report["verdict"], report["findings"]) == ("PASS", [])
    checkpoint = known.get(f"{API}/checkpoint", key=key).json["note"]
    assert known.post(f"{API}/verify", {"against": [checkpoint]}, key=key).json["verdict"] == "PASS"
    forged = checkpoint.replace(checkpoint.split("\n")[2], base64.b64encode(bytes(32)).decode())
    assert known.post(f"{API}/verify", {"against": [forged]}, key=key).json["verdict"] == "FAIL"
    assert known.post(f"{API}/verify", {"against": ["nonsense"]}, key=key).status == 400


def test_verifying_is_for_who_audits_or_operates_and_for_one_at_a_time(known):
    from trueup.kernel.evidence import api

    assert known.post(f"{API}/verify", {}, key=known.key("viewer")).status == 403
    lock = api._verifying.setdefault(known.session.tenant, api.Lock())
    with lock:
        busy = known.post(f"{API}/verify", {}, key=known.key("auditor"))
    assert (busy.status, busy.code) == (409, "IN_PROGRESS")
    assert known.post(f"{API}/verify", {}, key=known.key("operator")).status == 200


def test_an_artifact_whose_bytes_changed_is_not_sent(known):
    key = known.key("owner")
    sha256 = known.post("/api/v1/evidence/pack/create", {"subject": "rig-7"}, key=key).json["sha256"]
    stored = next(known.session.home.artifacts.rglob(sha256))
    stored.write_bytes(b"changed")
    answer = known.get(f"{API}/artifacts/{sha256}", key=key)
    assert (answer.status, answer.code) == (500, "DAMAGED")
    stored.unlink()
    assert known.get(f"{API}/artifacts/{sha256}", key=key).status == 404


@pytest.mark.parametrize("sha256", ["x", "0" * 64, "..%2f..%2fkeys%2fsigning.pem", "0" * 65])
def test_no_artifact_of_another_name_is_sent(known, sha256):
    assert known.get(f"{API}/artifacts/{sha256}", key=known.key("viewer")).status == 404


def test_an_explanation_names_policies_and_roles_that_may(doors):
    key = doors.key("viewer")
    told = doors.get("/api/v1/policy/explain?action=evidence.artifact.erase&role=admin", key=key).json
    assert (told["allowed"], told["roles_that_may"]) == (False, ["owner"])
    assert [policy["id"] for policy in told["policies"]] == ["owners-alone-destroy"]
    assert doors.get("/api/v1/policy/explain?action=nothing", key=key).status == 404
    assert doors.get("/api/v1/policy/explain", key=key).status == 422


def test_decisions_and_comparisons_are_lists_too(doors):
    key = doors.key("viewer")
    for path in ("/api/v1/gates/decisions", "/api/v1/telemetry/comparisons"):
        assert doors.get(path, key=key).json == {"items": [], "next": None, "previous": None}


def test_a_list_costs_the_same_number_of_queries_however_long_it_is(known, run):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.support.actions import Observe

    key = known.key("viewer")
    known.get(f"{API}/facts", key=key)

    def count():
        with CaptureQueriesContext(connection) as found:
            known.get(f"{API}/facts?limit=200", key=key)
        return len([q for q in found if " FROM " in q["sql"]])

    few = count()
    for value in range(20):
        run(Observe, subject="more", state=str(value))
    assert (few, count()) == (few, few)
    assert few <= 4
