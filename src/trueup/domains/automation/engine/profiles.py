"""Declared devices, for compatibility tests: what a page is shown on, never who shows it.

No profile holds a user agent: whatever the screen, the browser says what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trueup.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Profile:
    """What a page is shown on.

    Args:
        width, height: of the viewport, in CSS pixels.
        scale: device pixels for each of those.
        mobile: whether the page's own viewport instructions count.
        touch: whether there is a touch screen.
        locale: BCP 47 tag; languages and number formats.
        time_zone: IANA name.
    """

    width: int
    height: int
    scale: float = 1.0
    mobile: bool = False
    touch: bool = False
    locale: str = "en-GB"
    time_zone: str = "UTC"
    colours: Literal["light", "dark"] = "light"
    reduced_motion: bool = False
    contrast: bool = False

    def context(self) -> dict[str, Any]:
        """Return it as what a browser's context is opened with."""
        return {
            "viewport": {"width": self.width, "height": self.height},
            "device_scale_factor": self.scale,
            "is_mobile": self.mobile,
            "has_touch": self.touch,
            "locale": self.locale,
            "timezone_id": self.time_zone,
            "color_scheme": self.colours,
            "reduced_motion": "reduce" if self.reduced_motion else "no-preference",
            "contrast": "more" if self.contrast else "no-preference",
        }


DEFAULT = "desktop"
PROFILES: Mapping[str, Profile] = {
    DEFAULT: Profile(1_280, 720),
    "desktop-wide": Profile(1_920, 1_080),
    "desktop-dark": Profile(1_280, 720, colours="dark"),
    "desktop-calm": Profile(1_280, 720, reduced_motion=True),
    "desktop-contrast": Profile(1_280, 720, contrast=True),
    "desktop-de": Profile(1_280, 720, locale="de-DE", time_zone="Europe/Berlin"),
    "desktop-us": Profile(1_280, 720, locale="en-US", time_zone="America/New_York"),
    "desktop-jp": Profile(1_280, 720, locale="ja-JP", time_zone="Asia/Tokyo"),
    "laptop": Profile(1_440, 900, 2.0),
    "tablet": Profile(820, 1_180, 2.0, mobile=True, touch=True),
    "tablet-landscape": Profile(1_180, 820, 2.0, mobile=True, touch=True),
    "phone": Profile(390, 844, 3.0, mobile=True, touch=True),
    "phone-small": Profile(320, 568, 2.0, mobile=True, touch=True),
    "phone-landscape": Profile(844, 390, 3.0, mobile=True, touch=True),
    "phone-dark": Profile(390, 844, 3.0, mobile=True, touch=True, colours="dark"),
}
"""All profiles, by name."""


def profile(name: str) -> Profile:
    """Return a profile.

    Raises:
        NotFound: there is none of that name.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise NotFound(f"there is no profile {name!r}", remedy=f"use one of {', '.join(PROFILES)}") from None
