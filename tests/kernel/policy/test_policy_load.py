"""An invalid or missing policy stops the start, and says where and what to do."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_actions import ACTIONS, spec

from trueup.kernel.errors import ConfigurationError, UnreadableInput
from trueup.kernel.policy.engine.source import read_policies, statements
from trueup.kernel.policy.load import KERNEL_POLICIES, check, load_policies, run_tests
from trueup.kernel.words import ExitCode

GOOD = '@id("a")\n@reason("because")\npermit (principal, action, resource);\n'


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "room" / "policies"
    made.mkdir(parents=True)
    (made / "schema.cedarschema").write_bytes((KERNEL_POLICIES / "schema.cedarschema").read_bytes())
    (made / "a.cedar").write_text(GOOD)
    return made


def refusal(*folders, **options) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_policies(folders, actions=options.pop("actions", ACTIONS), **options)
    assert caught.value.exit_code is ExitCode.CONFIGURATION
    assert caught.value.remedy
    return caught.value


def test_sound_policies_are_loaded(folder):
    assert [*load_policies([folder], actions=ACTIONS).policies] == ["a"]


def test_the_products_own_policies_load_for_any_set_of_actions():
    assert load_policies([KERNEL_POLICIES], actions=()).policies


def test_a_room_brings_a_folder_of_its_own(folder, tmp_path):
    more = tmp_path / "other" / "policies"
    more.mkdir(parents=True)
    (more / "b.cedar").write_text(GOOD.replace('"a"', '"b"'))
    assert [*load_policies([folder, more], actions=ACTIONS).policies] == ["b", "a"]


def test_no_folder_at_all_stops_the_start():
    assert "no folder brings it" in refusal().message


def test_a_missing_folder_stops_the_start(folder, tmp_path):
    assert "no such folder" in refusal(folder, tmp_path / "gone").message


def test_a_folder_without_policies_stops_the_start(folder):
    (folder / "a.cedar").unlink()
    assert "holds no *.cedar file" in refusal(folder).message


def test_a_folder_without_a_schema_stops_the_start(folder):
    (folder / "schema.cedarschema").unlink()
    assert refusal(folder).message.startswith("schema.cedarschema: no folder brings it")


def test_a_file_without_a_policy_stops_the_start(folder):
    (folder / "b.cedar").write_text("// nothing but a comment; really\n")
    assert refusal(folder).message == "room/policies/b.cedar: holds no policy"


def test_a_broken_schema_stops_the_start(folder):
    (folder / "schema.cedarschema").write_text("entity Tenant")
    assert refusal(folder).message.startswith("room/policies/schema.cedarschema: error parsing schema")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('@id("b")\n@reason("b")\npermit (principal, action resource);', "not a policy: unexpected token `resource`"),
        ('@id("b")\n@reason("b")\npermit (principal, action, resource)', "not a policy"),
        ('@reason("b")\npermit (principal, action, resource);', '@id("…")'),
        ('@id\n@reason("b")\npermit (principal, action, resource);', '@id("…")'),
        ('@id("Bad Id")\n@reason("b")\npermit (principal, action, resource);', '@id("…")'),
        ('@id("b")\npermit (principal, action, resource);', '@reason("…")'),
        ('@id("b")\n@reason(" ")\npermit (principal, action, resource);', '@reason("…")'),
        ('@id("a")\n@reason("b")\npermit (principal, action, resource);', '@id("a") is taken by room/policies/a.cedar:1'),
        ('@id("b")\n@reason("b")\npermit (principal == ?principal, action, resource);', "a template permits nothing"),
        ('@id("b")\n@reason("b")\npermit (principal in Role::"vieweer", action, resource);', "vieweer"),
        ('@id("b")\n@reason("b")\npermit (principal, action in Action::"tag:fly", resource);', "tag:fly"),
        ('@id("b")\n@reason("b")\npermit (principal, action in Action::"room:nowhere", resource);', "room:nowhere"),
        ('@id("b")\n@reason("b")\npermit (principal, action, resource) when { context.mood == 1 };', "mood"),
        ('@id("b")\n@reason("b")\npermit (principal, action, resource) when { resource.owner == "x" };', "owner"),
        ('@id("b")\n@reason("b")\npermit (principal, action, resource) when { context.risk == 3 };', "policy b"),
    ],
)
def test_an_unsound_policy_stops_the_start_and_is_named_with_its_line(folder, text, words):
    (folder / "b.cedar").write_text(f"// first; line\n\n{GOOD.replace('"a"', '"fine"')}\n{text}\n")
    error = refusal(folder)
    assert error.message.startswith("room/policies/b.cedar:7: ")
    assert words in error.message


def test_every_problem_is_told_at_once(folder):
    (folder / "b.cedar").write_text('permit (principal, action, resource);\n@id("c")\npermit (principal, action, resource);')
    error = refusal(folder)
    assert "(and 1 more)" in error.message
    assert len(error.details["problems"]) == 2


def test_a_file_that_is_not_text_stops_the_start(folder):
    (folder / "b.cedar").write_bytes(b"// fine\n\xff")
    assert refusal(folder).message == "room/policies/b.cedar:2: is not UTF-8 text"


def test_a_file_that_cannot_be_read_stops_the_start(folder):
    (folder / "b.cedar").mkdir()
    assert "cannot be read" in refusal(folder).message


def test_one_folder_given_twice_stops_the_start(folder):
    assert "comes twice" in refusal(folder, folder).message


def test_an_action_with_an_unknown_tag_stops_the_start(folder):
    assert "unknown tag fly" in refusal(folder, actions=[spec("x.y", "R1", "write", "fly")]).message


def test_an_action_registered_twice_stops_the_start(folder):
    assert "registered twice" in refusal(folder, actions=[*ACTIONS, ACTIONS[0]]).message


def test_a_role_that_is_no_word_stops_the_start(folder):
    assert "not lower-case" in refusal(folder, roles=['x"]; entity Evil']).message


def test_a_room_may_declare_further_roles(folder):
    (folder / "b.cedar").write_text('@id("cab")\n@reason("cab")\npermit (principal in Role::"change-manager", action, resource);')
    assert "change-manager" in refusal(folder).message
    assert load_policies([folder], actions=ACTIONS, roles=["viewer", "change-manager"]).roles == ("viewer", "change-manager")


def test_the_digest_is_over_sorted_names_and_bytes(folder):
    store = load_policies([folder], actions=ACTIONS)
    expected = hashlib.sha256()
    for name in ("a.cedar", "schema.cedarschema"):
        for part in (f"room/policies/{name}".encode(), (folder / name).read_bytes()):
            expected.update(len(part).to_bytes(8, "big") + part)
    assert store.digest == expected.hexdigest()
    assert store.files == ("room/policies/a.cedar", "room/policies/schema.cedarschema")


def test_the_digest_changes_with_any_byte(folder):
    before = load_policies([folder], actions=ACTIONS).digest
    (folder / "a.cedar").write_text(GOOD + " ")
    assert load_policies([folder], actions=ACTIONS).digest != before


def test_a_check_reports_what_it_finds_without_raising(folder):
    good = check([folder], ACTIONS)
    (folder / "a.cedar").write_text("permit (principal, action, resource);")
    bad = check([folder], ACTIONS)
    assert (good.ok, good.problems, [policy.id for policy in good.policies], good.actions) == (True, (), ["a"], len(ACTIONS))
    assert (bad.ok, bad.digest, [problem.place for problem in bad.problems]) == (False, "", ["room/policies/a.cedar:1"])


def test_statements_are_cut_at_semicolons_outside_strings_and_comments():
    text = '// a; b\n@reason("x; \\"y\\"; // z") permit (a); // tail;\nforbid (b)\n when { "\\\\" };'
    assert [(s.line, s.text[-3:]) for s in statements("f", text)] == [(2, "a);"), (3, " };")]


@settings(max_examples=200)
@given(st.text(alphabet='@id("reason)permit;forbid{}//\\\n principal,action resource=?😀', max_size=200) | st.text(max_size=60))
def test_any_text_is_policies_or_problems_and_never_a_crash(text):
    policies, problems = read_policies({"f.cedar": text})
    assert policies or problems


CASE = 'cases:\n  - name: x\n    principal: "user:a"\n    roles: [viewer]\n    action: evidence.fact.read\n    expect: allow\n'


def cases(tmp_path, text: str):
    path = tmp_path / "cases.yaml"
    path.write_text(text)
    return run_tests(load_policies([KERNEL_POLICIES], actions=ACTIONS), path)


def test_a_case_that_holds_passes(tmp_path):
    assert cases(tmp_path, CASE).ok


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("expect: allow", "expect: deny", "expected deny, got allow: viewers read"),
        ("roles: [viewer]", "roles: []", "expected allow, got deny: no policy permits"),
        ("roles: [viewer]", "roles: [viewer, vieweer]", "no role named vieweer is declared"),
        ("fact.read", "fact.forge", "no action named evidence.fact.forge is registered"),
        ("expect: allow", "expect: allow\n    policy: owner-everything", "expected policy owner-everything, got viewer-reads"),
        ("roles: [viewer]", "roles: []\n    policy: x", "expected allow"),
    ],
)
def test_a_case_that_does_not_hold_fails_and_says_why(tmp_path, old, new, words):
    report = cases(tmp_path, CASE.replace(old, new))
    (failure,) = report.failures
    assert not report.ok
    assert words in failure.problem
    assert failure.case.place.endswith("cases.yaml:2: cases[0]")


def test_a_case_that_expects_a_policy_is_not_content_with_none(tmp_path):
    text = CASE.replace("[viewer]", "[]").replace("expect: allow", "expect: deny\n    policy: tenants-apart")
    assert cases(tmp_path, text).failures[0].problem == "expected policy tenants-apart, got none"


def test_an_expected_refusal_does_not_hold_when_nothing_could_be_evaluated(tmp_path):
    (tmp_path / "schema.cedarschema").write_bytes((KERNEL_POLICIES / "schema.cedarschema").read_bytes())
    (tmp_path / "b.cedar").write_text(GOOD.replace(";", f" when {{ {2**62} * 4 > 0 }};"))
    (tmp_path / "cases.yaml").write_text(CASE.replace("allow", "deny"))
    report = run_tests(load_policies([tmp_path], actions=ACTIONS), tmp_path / "cases.yaml")
    assert "could not be evaluated" in report.failures[0].problem


def test_tenant_resource_agent_and_risk_of_a_case_reach_the_question(tmp_path):
    text = CASE.replace("cases:", "tenant: north\ncases:") + (
        "  - name: y\n    principal: key:b\n    roles: [owner]\n    tenant: south\n    is_agent: true\n    mfa: true\n"
        "    risk: R2\n    action: tag.approve\n"
        "    resource: {kind: k, id: i, tenant: t, owner: o, created_by: c}\n    expect: deny\n"
    )
    first, second = (result.case.request for result in cases(tmp_path, text).results)
    assert (first.principal.tenant, first.resource.tenant, first.resource.kind) == ("north", "north", "any")
    assert (second.principal.tenant, second.principal.is_agent, second.principal.mfa, second.risk) == ("south", True, True, "R2")
    assert (second.resource.tenant, second.resource.owner, second.resource.created_by) == ("t", "o", "c")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("roles:", "rolls:", "cases.yaml:4: cases[0].rolls: unknown key"),
        ("    expect: allow\n", "", "cases.yaml:2: cases[0]: missing: expect"),
        ("expect: allow", "expect: maybe", "cases.yaml:6: cases[0].expect"),
        ('"user:a"', '"robot:a"', "cases.yaml:3: cases[0].principal: expected user:…, key:… or os:…"),
        ("roles: [viewer]", "roles: [1]", "cases.yaml:4: cases[0].roles[0]"),
        ("cases:", "cases: []\nother:", "cases.yaml:2: other: unknown key"),
    ],
)
def test_a_malformed_case_is_named_with_file_line_and_field(tmp_path, old, new, where):
    with pytest.raises(UnreadableInput) as caught:
        cases(tmp_path, CASE.replace(old, new))
    assert where in caught.value.message
    assert caught.value.remedy


def test_two_cases_of_one_name_are_refused(tmp_path):
    with pytest.raises(UnreadableInput, match=r"yaml:7: cases\[1\].name: two cases are named 'x'"):
        cases(tmp_path, CASE + CASE.removeprefix("cases:\n"))


def test_a_missing_or_binary_file_of_cases_is_named(tmp_path):
    store = load_policies([KERNEL_POLICIES], actions=ACTIONS)
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    for name, words in (("gone.yaml", "No such file"), ("b.yaml", "not UTF-8")):
        with pytest.raises(UnreadableInput, match=words):
            run_tests(store, tmp_path / name)
