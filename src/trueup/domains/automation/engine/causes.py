"""Whose doing a bad ending is, what happened in words, and what can be done: one taxonomy for every code of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Whose(StrEnum):
    """Whose doing it is."""

    TARGET = "target"  # it answered badly, late or not at all
    WISH = "wish"  # the target asked to be left alone
    PAGE = "page"  # the page is otherwise than the job expects
    JOB = "job"  # the job asks for what cannot be done
    POLICY = "policy"  # a rule refused it
    OURS = "ours"  # this program, its browser or its worker
    UNKNOWN = "unknown"  # nobody can tell


@dataclass(frozen=True, slots=True)
class Cause:
    """What a code means.

    Args:
        happened: in words, for people.
        remedy: what can be done.
    """

    whose: Whose
    happened: str
    remedy: str


_SLOW = "Give the job more time, or wait for less: 'load' waits for less than 'networkidle'."
_CHANGED = "Look at the picture of the attempt: the page may have changed. Change the job's steps, then ask anew."
_FILE = "Look whether the site offers another file now; then change what the job expects."
_WRITTEN = "Change the job and ask anew; trying it again as it is changes nothing."
_TRY = "Try it again."

CAUSES: Mapping[str, Cause] = {
    "NAVIGATION_FAILED": Cause(
        Whose.TARGET, "The page could not be opened.", "See whether the host answers at all, then try again."
    ),
    "HTTP_STATUS": Cause(Whose.TARGET, "The page answered with an error.", "Open the page yourself; try again when it answers."),
    "FETCH_FAILED": Cause(Whose.TARGET, "Nothing, or nothing whole, came back.", "See whether the host answers, then try again."),
    "JOB_TIMEOUT": Cause(Whose.TARGET, "The job took longer than it may.", _SLOW),
    "STEP_TIMEOUT": Cause(Whose.TARGET, "A step took longer than it may.", _SLOW),
    "RESPONSE_MISSING": Cause(Whose.TARGET, "What was waited for was never answered.", _CHANGED),
    "DOWNLOAD_FAILED": Cause(Whose.TARGET, "The file did not arrive whole.", _TRY),
    "GIVEN_UP": Cause(
        Whose.TARGET, "The load was given up: too much failed, or it became too slow.", "See its figures; ask for less."
    ),
    "TARGET_BLOCKED": Cause(
        Whose.WISH,
        "The site asks to be left alone: it forbids this, wants fewer requests, or wants to know whether you are human.",
        "Nothing is tried harder. Ask the site's owner, lower the limits of its policy, or wait as long as it asks.",
    ),
    "SELECTOR_NOT_FOUND": Cause(Whose.PAGE, "An element that the job looks for is not on the page.", _CHANGED),
    "ELEMENT_NOT_READY": Cause(Whose.PAGE, "An element is there, and did not let itself be used.", _CHANGED),
    "ASSERTION_FAILED": Cause(
        Whose.PAGE, "Something that the job asserts is not so.", "See which step says so: that may be the finding."
    ),
    "FORM_REFUSED": Cause(Whose.PAGE, "The form was not taken.", "See what the page says to it in its picture."),
    "SIGN_IN_FAILED": Cause(
        Whose.PAGE, "The sign-in was not taken.", "Check the credential; it is not tried twice, so no account is locked."
    ),
    "DOWNLOAD_TOO_LARGE": Cause(Whose.PAGE, "The file is larger than the job allows.", _FILE),
    "DOWNLOAD_TOO_SMALL": Cause(Whose.PAGE, "The file is smaller than the job expects.", _FILE),
    "DOWNLOAD_HASH": Cause(Whose.PAGE, "The file is not the one that the job expects.", _FILE),
    "DOWNLOAD_TYPE": Cause(Whose.PAGE, "The file is of another type than the job expects.", _FILE),
    "SELECTOR_INVALID": Cause(Whose.JOB, "A selector of the job cannot be read.", _WRITTEN),
    "TEMPLATE_UNKNOWN": Cause(Whose.JOB, "A step names what no earlier step stored.", _WRITTEN),
    "VALUE_TOO_LARGE": Cause(Whose.JOB, "A value is larger than is allowed.", _WRITTEN),
    "STEPS_TOO_MANY": Cause(Whose.JOB, "Loops make more steps than are allowed.", _WRITTEN),
    "ARTIFACT_MISSING": Cause(Whose.JOB, "An artifact that the job names is not kept here.", _WRITTEN),
    "PICTURE_MISSING": Cause(Whose.JOB, "A picture to compare with is not there.", _WRITTEN),
    "CREDENTIAL_MISSING": Cause(
        Whose.JOB,
        "The credential that the job names is not there, or not meant for this host.",
        "Put it with 'trueup secret put'.",
    ),
    "CREDENTIAL_MALFORMED": Cause(
        Whose.JOB, "The credential holds no user and password.", "Put it anew with 'trueup secret put'."
    ),
    "SCRIPT_REFUSED": Cause(
        Whose.JOB, "The script is not one that the host's policy names by its digest.", "Have it reviewed and named."
    ),
    "SCRIPT_FAILED": Cause(Whose.JOB, "The script failed.", _WRITTEN),
    "POLICY_VIOLATION": Cause(
        Whose.POLICY,
        "A rule refused a request of the job, so it was ended.",
        "See below which request, and which rule. Change the policy, or have the host authorized; then try again.",
    ),
    "PAGE_CRASHED": Cause(Whose.OURS, "The page crashed in the browser.", _TRY),
    "BROWSER_LOST": Cause(Whose.OURS, "The browser ended before the job did.", _TRY),
    "BROWSER_ERROR": Cause(Whose.OURS, "The browser failed in a way of its own.", "See what its message says, then try again."),
    "OUTCOME_UNKNOWN": Cause(
        Whose.UNKNOWN,
        "Something that changes the site was sent, and whether it was taken is not known.",
        "Look at the site first: it may have been done. Trying again sends it again.",
    ),
    "CANCELLED": Cause(Whose.JOB, "Somebody cancelled it.", "Try it again when it is wanted."),
}
_OTHER = Cause(Whose.UNKNOWN, "It ended for a reason that has no words here.", "See the message and the attempts.")


def cause_of(code: str, status: int | None = None) -> Cause:
    """Return what a code means; an answer that the server means so (404) is the page's doing, not the server's failure.

    >>> str(cause_of("HTTP_STATUS", 404).whose), str(cause_of("HTTP_STATUS", 502).whose), str(cause_of("new").whose)
    ('page', 'target', 'unknown')
    """
    found = CAUSES.get(code, _OTHER)
    if code == "HTTP_STATUS" and status is not None and status < 500:
        return Cause(Whose.PAGE, f"The page answered with {status}.", "Check the address; the page may have moved.")
    return found
