"""Secrets, and the files and variables that they are in."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.errors import SecretUnavailable
from drorch.policy.secret import Secret, SecretPlace, SecretReference
from tests.support.settings_files import MINIMAL, load, write


def make_fifo(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)


class TestSecrets:
    def secret(self, directory: Path, reference: str, **environment: str) -> Secret:
        parsed = SecretReference.parse(reference)
        assert parsed is not None
        return load(MINIMAL, directory, **environment).reveal(parsed)

    def test_in_a_file_beside_drorch_yaml(self, directory: Path):
        write(directory / "secrets/land", "hunter2\n")
        secret = self.secret(directory, "file:secrets/land")
        assert (secret.text(), secret.content()) == ("hunter2", b"hunter2\n")

    def test_in_the_environment_and_among_credentials(self, directory: Path):
        write(directory / "credentials/land", "hunter2", 0o400)
        assert self.secret(directory, "env:LAND", LAND="hunter2").text() == "hunter2"
        assert (
            self.secret(directory, "credential:land", CREDENTIALS_DIRECTORY=str(directory / "credentials")).text()
            == "hunter2"
        )

    @pytest.mark.parametrize("mode", [0o644, 0o660, 0o641, 0o750, 0o604])
    def test_a_file_that_is_too_open_is_refused_with_the_chmod(self, mode: int, directory: Path):
        path = write(directory / "secrets/land", "hunter2", mode)
        with pytest.raises(SecretUnavailable) as caught:
            self.secret(directory, "file:secrets/land")
        assert caught.value.hint == f"chmod 0640 {path}"
        assert f"mode {mode:04o}" in caught.value.found

    @pytest.mark.parametrize("mode", [0o640, 0o600, 0o440, 0o400])
    def test_a_file_that_is_tight_enough(self, mode: int, directory: Path):
        write(directory / "secrets/land", "hunter2", mode)
        assert self.secret(directory, "file:secrets/land").text() == "hunter2"

    @pytest.mark.parametrize(
        ("make", "reference", "message"),
        [
            (lambda path: None, "file:secrets/land", "cannot be read"),
            (lambda path: write(path, ""), "file:secrets/land", "is empty"),
            (lambda path: path.mkdir(parents=True), "file:secrets/land", "is no file"),
            (make_fifo, "file:secrets/land", "is no file"),
            (lambda path: write(path, "x" * (2**20 + 1)), "file:secrets/land", "is too big"),
            (lambda path: None, "env:LAND", "is not set"),
            (lambda path: None, "credential:land", "is not there"),
        ],
    )
    def test_a_secret_that_is_not_there(
        self, make: Callable[[Path], object], reference: str, message: str, directory: Path
    ):
        make(directory / "secrets/land")
        with pytest.raises(SecretUnavailable, match=message) as caught:
            self.secret(directory, reference)
        assert caught.value.exit_code == 12

    def test_when_it_was_changed(self, directory: Path):
        os.utime(write(directory / "secrets/land", "x"), (1_763_535_720, 1_763_535_720))
        found = load(MINIMAL, directory)
        assert found.secret_changed_at(SecretReference(SecretPlace.FILE, "secrets/land")) == datetime.fromtimestamp(
            1_763_535_720, UTC
        )
        assert found.secret_changed_at(SecretReference(SecretPlace.FILE, "secrets/sea")) is None
        assert found.secret_changed_at(SecretReference(SecretPlace.ENVIRONMENT, "LAND")) is None

    def test_settings_do_not_print_their_environment(self, directory: Path):
        assert "hunter2" not in repr(load(MINIMAL, directory, LAND="hunter2"))

    @pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff", b"a\x00b"])
    def test_what_is_no_password(self, content: bytes):
        with pytest.raises(SecretUnavailable, match="is not a password"):
            Secret(content, "env:X").text()

    def test_a_secret_does_not_leak(self):
        secret = Secret(b"hunter2", "env:X")
        assert "hunter2" not in f"{secret!r} {secret} {secret:>40} {[secret]}"
        assert secret == Secret(b"hunter2")
        assert secret != Secret(b"hunter3")
        assert secret != "hunter2"
        with pytest.raises(TypeError):
            hash(secret)
        with pytest.raises(TypeError):
            pickle.dumps(secret)
