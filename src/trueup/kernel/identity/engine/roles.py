"""Which roles a role stands for: nobody hands on a right that they do not hold.

The table repeats what the policies say of the product's own roles; a test asks the policies whether it is true.
"""

from collections.abc import Collection

STANDS_FOR: dict[str, frozenset[str]] = {
    "owner": frozenset({"admin", "operator", "analyst", "approver", "auditor", "viewer"}),
    "admin": frozenset({"operator", "analyst", "approver", "auditor", "viewer"}),
    "operator": frozenset({"viewer"}),
    "analyst": frozenset({"viewer"}),
    "approver": frozenset({"viewer"}),
    "auditor": frozenset({"viewer"}),
}
"""role → the other roles whose every right it has; a role that a room declares stands for itself alone."""


def covered(held: Collection[str]) -> frozenset[str]:
    """Return the roles whose every right somebody with these roles has.

    >>> sorted(covered({"analyst", "auditor"}))
    ['analyst', 'auditor', 'viewer']
    """
    return frozenset(held).union(*(STANDS_FOR.get(role, frozenset()) for role in held))


def beyond(wanted: Collection[str], held: Collection[str]) -> list[str]:
    """Return the roles, sorted, that somebody may not hand on.

    >>> beyond({"owner", "viewer"}, {"admin"})
    ['owner']
    """
    return sorted(frozenset(wanted) - covered(held))
