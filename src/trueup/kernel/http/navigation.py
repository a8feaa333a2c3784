"""What a room's pages add to the side navigation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the side navigation.

    Args:
        section: heading under which it stands (``Evidence``); empty for the top.
        title: for people.
        url: where it leads.
        icon: name in the sprite.
        tags: it is shown to who may call actions of one of these tags; empty for everybody.
    """

    section: str
    title: str
    url: str
    icon: str
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a box on the home page: what it is about, where to look, its state in a word, and since when."""

    words: str
    url: str
    badge: str = ""
    at: str = ""
    more: str = ""
