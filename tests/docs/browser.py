"""What a person does in the browser while a page of the documentation is followed, by the same forms, over HTTP.

Pages tell people to do it in words; their hidden steps (``<!-- $ browser … -->``) do it here:

    browser first-login EMAIL               sign in with a new one-time password, and choose one's own
    browser send EMAIL PATH NAME=VALUE …    fill in the form of a page and send it
    browser approve EMAIL                   consent to what waits for this person's vote
"""

import json
import os
import re
import subprocess
import sys
from http.cookiejar import MozillaCookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

SERVER = os.environ.get("SERVER", "")
PASSWORD = "the valve of rig seven was replaced"
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Person:
    """Somebody at a browser, whose cookies are kept from one step to the next.

    Args:
        email: who.
    """

    def __init__(self, email: str) -> None:
        self.jar = MozillaCookieJar(f".browser-{email}")
        if Path(self.jar.filename or "").exists():
            self.jar.load(ignore_discard=True)
        self.opener: OpenerDirector = build_opener(HTTPCookieProcessor(self.jar))

    def get(self, path: str) -> str:
        """Open a page."""
        return self._answer(path, None)

    def send(self, path: str, fields: dict[str, str]) -> str:
        """Open a page, fill in its form and send it."""
        found = _TOKEN.search(self.get(path))
        if found is None:
            raise SystemExit(f"{path} has no form")
        return self._answer(path, {"csrfmiddlewaretoken": found[1], **fields})

    def _answer(self, path: str, fields: dict[str, str] | None) -> str:
        data = urlencode(fields).encode() if fields is not None else None
        with self.opener.open(f"{SERVER}{path}", data=data, timeout=60) as answer:
            text: str = answer.read().decode()
        self.jar.save(ignore_discard=True)
        return text


def first_login(email: str) -> None:
    """Sign in with a one-time password that is made for this, and choose another."""
    done = subprocess.run(["trueup", "--json", "user", "reset-password", email], capture_output=True, text=True, check=True)
    once = json.loads(done.stdout)["one_time_password"]
    person = Person(email)
    person.send("/login/", {"email": email, "password": once})
    person.send("/password/", {"current": once, "new": PASSWORD, "again": PASSWORD})
    if "Sign out" not in person.get("/"):
        raise SystemExit(f"{email} is not signed in")


def approve(email: str) -> None:
    """Consent to every request that waits for this person's vote."""
    person = Person(email)
    waiting = sorted(set(re.findall(r'href="(/approvals/[0-9a-f-]{36}/)"', person.get("/approvals/?state=open"))))
    if not waiting:
        raise SystemExit(f"nothing waits for {email}")
    for path in waiting:
        person.send(path, {"do": "approve", "comment": ""})


def main(command: str, email: str, *more: str) -> None:
    """Do one step."""
    if command == "first-login":
        first_login(email)
    elif command == "approve":
        approve(email)
    elif command == "send":
        Person(email).send(more[0], dict(item.split("=", 1) for item in more[1:]))
    else:
        raise SystemExit(f"unknown step {command!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
