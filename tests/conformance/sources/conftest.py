"""Homes and captures that end with their test."""

import shutil

import pytest

from tests.conformance.sources.broker import Mosquitto
from tests.conformance.sources.natsserver import NatsServer
from tests.conformance.sources.running import Captures


@pytest.fixture
def captures(template_home, tmp_path):
    found = Captures(shutil.copytree(template_home, tmp_path / "home"))
    yield found
    found.close()


@pytest.fixture
def broker(tmp_path):
    found = Mosquitto(tmp_path).start()
    yield found
    found.stop()


@pytest.fixture
def server(tmp_path):
    found = NatsServer(tmp_path).start().stream()
    yield found
    found.stop()
