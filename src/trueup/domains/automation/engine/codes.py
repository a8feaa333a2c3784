"""What goes wrong on a page, as stable codes, and which of it is worth another try.

References:
    Chromium's ``net/base/net_error_list.h``; messages of the Playwright driver.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why a step, or a run, failed."""

    SELECTOR_NOT_FOUND = "SELECTOR_NOT_FOUND"
    SELECTOR_INVALID = "SELECTOR_INVALID"
    ELEMENT_NOT_READY = "ELEMENT_NOT_READY"  # it is there, and does not let itself be used
    STEP_TIMEOUT = "STEP_TIMEOUT"
    JOB_TIMEOUT = "JOB_TIMEOUT"
    NAVIGATION_FAILED = "NAVIGATION_FAILED"
    HTTP_STATUS = "HTTP_STATUS"
    ASSERTION_FAILED = "ASSERTION_FAILED"
    TEMPLATE_UNKNOWN = "TEMPLATE_UNKNOWN"
    VALUE_TOO_LARGE = "VALUE_TOO_LARGE"
    STEPS_TOO_MANY = "STEPS_TOO_MANY"
    DOWNLOAD_FAILED = "DOWNLOAD_FAILED"
    DOWNLOAD_TOO_LARGE = "DOWNLOAD_TOO_LARGE"
    DOWNLOAD_TOO_SMALL = "DOWNLOAD_TOO_SMALL"
    DOWNLOAD_HASH = "DOWNLOAD_HASH"
    DOWNLOAD_TYPE = "DOWNLOAD_TYPE"
    ARTIFACT_MISSING = "ARTIFACT_MISSING"
    RESPONSE_MISSING = "RESPONSE_MISSING"
    PICTURE_MISSING = "PICTURE_MISSING"
    FORM_REFUSED = "FORM_REFUSED"
    CREDENTIAL_MISSING = "CREDENTIAL_MISSING"
    CREDENTIAL_MALFORMED = "CREDENTIAL_MALFORMED"
    SIGN_IN_FAILED = "SIGN_IN_FAILED"
    SCRIPT_REFUSED = "SCRIPT_REFUSED"
    SCRIPT_FAILED = "SCRIPT_FAILED"
    POLICY_VIOLATION = "POLICY_VIOLATION"
    TARGET_BLOCKED = "TARGET_BLOCKED"
    PAGE_CRASHED = "PAGE_CRASHED"
    BROWSER_LOST = "BROWSER_LOST"
    BROWSER_ERROR = "BROWSER_ERROR"  # something else that its driver says


FINAL = frozenset(
    {
        Code.POLICY_VIOLATION,
        Code.TARGET_BLOCKED,
        Code.JOB_TIMEOUT,
        Code.STEPS_TOO_MANY,
        Code.PAGE_CRASHED,
        Code.BROWSER_LOST,
    }
)
"""What ends a run whatever a step's ``on_error`` says."""

NOT_AGAIN = FINAL | {
    Code.SELECTOR_INVALID,
    Code.TEMPLATE_UNKNOWN,
    Code.VALUE_TOO_LARGE,
    Code.ARTIFACT_MISSING,
    Code.PICTURE_MISSING,
    Code.CREDENTIAL_MISSING,
    Code.CREDENTIAL_MALFORMED,
    Code.SIGN_IN_FAILED,  # a second try with the same password is how accounts are locked
    Code.SCRIPT_REFUSED,
}
"""What another try does not change."""

NETWORK = frozenset({Code.NAVIGATION_FAILED})
"""What the network may have done."""

_BY_WORDS = (
    ("page crashed", Code.PAGE_CRASHED),
    ("target crashed", Code.PAGE_CRASHED),
    ("has been closed", Code.BROWSER_LOST),
    ("connection closed", Code.BROWSER_LOST),
    ("browser closed", Code.BROWSER_LOST),
    ("net::err_", Code.NAVIGATION_FAILED),
    ("invalid url", Code.NAVIGATION_FAILED),
    ("while parsing", Code.SELECTOR_INVALID),
    ("not a valid selector", Code.SELECTOR_INVALID),
    ("not a valid xpath", Code.SELECTOR_INVALID),
    ("unknown engine", Code.SELECTOR_INVALID),
    ("not a checkbox", Code.ELEMENT_NOT_READY),
    ("element is not a", Code.ELEMENT_NOT_READY),
    ("node is not a", Code.ELEMENT_NOT_READY),
)


def code_of(message: str, *, timed_out: bool = False, otherwise: Code = Code.BROWSER_ERROR) -> Code:
    """Return what a message of the driver means.

    Args:
        message: as the driver says it.
        timed_out: whether it gave up after a time.
        otherwise: where its words say nothing.
    """
    words = message.lower()
    for mark, code in _BY_WORDS:
        if mark in words:
            return code
    return Code.STEP_TIMEOUT if timed_out else otherwise


def first_line(message: str) -> str:
    """Return what a message says, without the driver's log of calls, in which typed values stand."""
    head = message.partition("Call log:")[0].strip()
    return (head.splitlines() or [""])[0][:500]
