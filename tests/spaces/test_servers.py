"""What the tests of pages stand on: a port of their own, and servers that fail in words."""

import http.server
import socket
import sys

import pytest

from tests.support.servers import LOGS, reserved_port, started


def test_a_reserved_port_is_there_for_a_server_and_for_nobody_else():
    with reserved_port() as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        for _ in range(2):  # and again after a restart
            address = ("127.0.0.1", port)
            http.server.HTTPServer(address, http.server.BaseHTTPRequestHandler).server_close()


def test_a_server_that_ends_fails_at_once_with_what_it_printed(tmp_path):
    with reserved_port() as port, pytest.raises(AssertionError, match="the server ended: no luck"):
        command = [sys.executable, "-c", "raise SystemExit('no luck')"]
        with started(command, f"http://127.0.0.1:{port}/", tmp_path / "log.txt"):
            pass
    assert tmp_path / "log.txt" not in LOGS
