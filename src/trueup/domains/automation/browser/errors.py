"""Why no browser was started, and why a step failed."""

from collections.abc import Mapping
from typing import Any

from trueup.domains.automation.engine.codes import Code
from trueup.kernel.errors import ConfigurationError, TrueupError


class BrowserMissing(ConfigurationError):
    """There is no browser, or what drives it is not installed."""

    code = "BROWSER_MISSING"


class SandboxMissing(ConfigurationError):
    """The browser would run without its sandbox, or as root."""

    code = "SANDBOX_MISSING"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no browser is started: {reason}",
            remedy=(
                "allow user namespaces to unprivileged users (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
                "kernel.apparmor_restrict_unprivileged_userns), or accept the risk with --allow-unsandboxed, which evidence records"
            ),
        )


class StepFailed(TrueupError):
    """A step did not do what it is for; caught where steps are performed.

    Args:
        reason: why, as a code; ``message`` says it in words.
        rules: of the policy that refused it.
        retry_after: as a target that blocks says it.
        selector: that found nothing.
        data: what was found all the same.
    """

    def __init__(
        self,
        reason: Code,
        message: str,
        *,
        rules: tuple[str, ...] = (),
        retry_after: str = "",
        selector: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = str(reason)
        self.reason = reason
        self.rules = rules
        self.retry_after = retry_after
        self.selector = selector
        self.data = data
