"""The product's own layers in this process: keys, sessions and requests of tests."""

import json
from functools import cached_property

from tests.kernel.identity.people import People

ROLES = ("owner", "admin", "operator", "analyst", "approver", "auditor", "viewer")


class Answer:
    """What came back."""

    def __init__(self, response):
        self.response = response
        self.status = response.status_code
        self.headers = response.headers
        self.body = b"".join(response.streaming_content) if response.streaming else response.content
        response.close()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    @property
    def code(self):
        return self.json["error"]["code"]


class Doors:
    """The doors of a session's home."""

    def __init__(self, session):
        from trueup.kernel.http.callers import limit_with
        from trueup.kernel.http.host import serve_from

        self.session = session
        self.people = People(session)
        serve_from(session.installation)
        limit_with(None)

    @cached_property
    def everyone(self):
        """A person who holds every role."""
        return self.people.add("everyone@example.org", *ROLES)

    def key(self, *roles, **more):
        """Make a key with these roles; return its text."""
        return self.people.key(self.everyone, *roles, **more)

    def ask(self, method, path, *, key=None, body=None, client=None, **headers):
        from django.test import Client

        from trueup.kernel import tenancy

        client = client or Client(HTTP_HOST="localhost", raise_request_exception=False)
        given = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        if key:
            given["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        data = body if isinstance(body, bytes | str) else "" if body is None else json.dumps(body)
        more = {"content_type": "application/json"} if method not in ("GET", "HEAD") else {}
        before = tenancy.current()
        try:
            answer = Answer(client.generic(method, path, data, **given, **more))
            self.reach_after = tenancy.current()
        finally:
            tenancy._set(before)  # a request leaves nothing in reach; the test goes on as it was
        return answer

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body=body, **more)

    def browser(self, user, *, csrf=False):
        """Return a browser that is signed in as a user."""
        from django.test import Client

        from trueup.kernel.identity.web.support import BACKEND

        client = Client(HTTP_HOST="localhost", enforce_csrf_checks=csrf, raise_request_exception=False)
        client.force_login(user, backend=BACKEND)
        return client
