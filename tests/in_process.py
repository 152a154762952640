"""The command in the process of the tests: a process of its own takes seconds more."""

import contextlib
import logging
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from kvae_cli import main, output


def run(folder: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `kvae` in this process.

    The process's own settings and signals are not touched; they are tested with the real command.

    Args:
        folder: Where it works.
        arguments: Of `kvae`.
        variables: Of the environment.
    """
    words, logger = [str(argument) for argument in arguments], logging.getLogger("kvae")
    before = [*logger.handlers], logger.level, logger.propagate
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(main.startup, "install", output.show_messages)
        logger.handlers.clear()
        try:
            found = CliRunner().invoke(main.cli, words, env=variables, prog_name="kvae")
        finally:
            logger.handlers[:], logger.level, logger.propagate = before
    if not isinstance(found.exception, SystemExit | None):
        raise found.exception
    return subprocess.CompletedProcess(words, found.exit_code, found.stdout, found.stderr)
