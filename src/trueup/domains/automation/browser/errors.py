"""Why no browser was started."""

from trueup.kernel.errors import ConfigurationError


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
