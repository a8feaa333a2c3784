"""People of tests: accounts with one known password, whose hash is computed once."""

from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

PASSWORD = "correct horse battery staple"


@cache
def _hash():
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)


class Clock:
    """A clock that goes as it is told."""

    def __init__(self):
        self.at = datetime.now(UTC)

    def __call__(self):
        return self.at

    def step(self, **delta):
        self.at += timedelta(**delta)


class People:
    """Makes people, and acts for them."""

    def __init__(self, session):
        self.session = session

    def add(self, email, *roles, tenant=None, must_change=False):
        from trueup.kernel.identity.models import Membership, User

        user, _ = User.objects.get_or_create(
            email=email,
            defaults={"id": uuid4(), "password": _hash(), "created_at": datetime.now(UTC), "must_change_password": must_change},
        )
        if roles:
            Membership.objects.create(user=user, tenant_id=tenant or self.session.tenant, roles=list(roles))
        return user

    def tenant(self, slug):
        from trueup.kernel.actions.runner import run
        from trueup.kernel.identity.actions import CreateTenant

        return UUID(run(CreateTenant, self.session.context(system=True), {"slug": slug}).value["id"])

    def principal(self, user, tenant=None):
        from trueup.kernel.actions.base import Principal

        found = self.session.installation.principal(f"user:{user.id}", tenant or self.session.tenant)
        return found or Principal(f"user:{user.id}", frozenset())

    def run(self, who, action, tenant=None, /, **input):
        """Run an action as a user, with the rights the user has now."""
        return self.run_as(self.principal(who, tenant), action, tenant, **input)

    def run_as(self, principal, action, tenant=None, /, **input):
        from trueup.kernel.actions.runner import run

        return run(action, self.session.installation.context(principal, tenant or self.session.tenant), input).value

    def as_home(self, action, **input):
        """Run an action as the owner of the home, in the system log."""
        from trueup.kernel.actions.runner import run

        return run(action, self.session.context(system=True), input).value

    def key(self, user, *roles, tenant=None, **more):
        """Make an API key as a user; return its text."""
        from trueup.kernel.identity.actions_keys import CreateApiKey
        from trueup.kernel.identity.credentials import new_key

        key = new_key()
        input = {"name": "test", "prefix": key.prefix, "secret": key.secret, "roles": roles, **more}
        self.run(user, CreateApiKey, tenant, **input)
        return key.text
