"""Who there is: tenants, people, what a person may be in a tenant, and the keys of programs."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Tenant(models.Model):
    """An organisation whose data never meets another's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    slug = models.SlugField(unique=True, max_length=63)
    name = models.TextField()
    created_at = models.DateTimeField()


class User(AbstractBaseUser):
    """A person who can log in; rights come from memberships alone.

    ``failures`` counts wrong passwords and codes since the last good login or lock-out, ``lockouts`` the lock-outs since
    the last good login; both live here so that they hold over processes. ``totp_counter`` is the time step of the last
    code that was used: none is taken twice. ``person`` is the ``os:name`` of the user of the machine whose account this is:
    consent by the one counts as consent by the other.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    name = models.TextField(blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    must_change_password = models.BooleanField(default=False)
    failures = models.IntegerField(default=0)
    lockouts = models.IntegerField(default=0)
    locked_until = models.DateTimeField(null=True)
    totp_counter = models.BigIntegerField(default=0)
    person = models.TextField(blank=True)

    objects = BaseUserManager["User"]()

    USERNAME_FIELD = "email"

    @property
    def ref(self) -> str:
        """The person, as policies name one."""
        return self.person or f"user:{self.id}"


class Membership(models.Model):
    """The roles of one user in one tenant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    roles = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "tenant"], name="membership_once")]


class ApiKey(models.Model):
    """A program's way in, made by a person, in one tenant; only the digest of its secret is kept.

    ``previous_digest`` is that of the secret before the last rotation, good until ``previous_until``. ``maker`` is the
    ``kind:id`` of the person behind the key, ``user`` that person where it is a user.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    name = models.TextField()
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    previous_digest = models.CharField(max_length=64, blank=True)
    previous_until = models.DateTimeField(null=True)
    roles = models.JSONField(default=list)
    is_agent = models.BooleanField(default=False)
    maker = models.TextField()
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "created_at"], name="apikey_tenant_created")]


class LoginFailure(models.Model):
    """Failed logins of one address against one account in one window, as one row with a count.

    ``account`` is the id of a user, empty for all accounts that do not exist together: whoever invents names makes a
    number grow, not a table.
    """

    id = models.BigAutoField(primary_key=True)
    address = models.CharField(max_length=64)
    account = models.CharField(max_length=36, blank=True)
    window = models.DateTimeField(db_index=True)
    count = models.IntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["address", "account", "window"], name="loginfailure_once")]
