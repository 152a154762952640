"""How the command line says what the library says."""

import logging

import pytest

from kvae.errors import UsageError
from kvae_cli import output, startup
from kvae_cli.main import cli


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("`batch_size` is negative", "--batch-size is negative"),
        ("give `prior=mixture`, or more `epochs`", "give --prior mixture, or more --epochs"),
        ("`image_size=64x64`", "--image-size 64x64"),
        ("`hidden=200,200` is too large", "--hidden 200,200 is too large"),
        ("call `kvae.load(path)` or `Model`", "call `kvae.load(path)` or `Model`"),
        ("no field at all", "no field at all"),
        ("a single ` is no mark", "a single ` is no mark"),
    ],
)
def test_fields_are_shown_as_options(said, shown):
    assert output.spoken(said) == shown


def test_errors_and_log_messages_show_options(monkeypatch, capsys):
    def fail(*arguments, **options):
        raise UsageError("`batch_size` must be at least 1")

    monkeypatch.setattr(startup, "install", fail)
    with pytest.raises(SystemExit) as ended:
        cli(["list"], prog_name="kvae")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Error: --batch-size must be at least 1\n"
    record = logging.LogRecord("kvae", logging.INFO, "", 0, "use `prior=%s`", ("flow\t",), None)
    assert output.OneLine("%(message)s").format(record) == "use --prior flow\\t"
