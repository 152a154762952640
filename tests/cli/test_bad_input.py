"""Bad input for every command: one clear line, an exit code, and nothing touched."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from kvae_cli import main, options

from ..corruptions import (
    FAILED,
    NO_OBJECT,
    PEAK,
    USAGE,
    bounded,
    check_error,
    command_refuses,
    cut,
    damage,
    each,
    instead,
    pixels,
    saved,
    untouched,
)

EARLIER = Path(__file__).parents[1] / "fixtures/earlier"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with two saved models, two runs, a file, folders, and a link to itself."""
    shutil.copytree(EARLIER, tmp_path, dirs_exist_ok=True)
    shutil.copytree(EARLIER / "saved_models/complete", tmp_path / "saved_models/other")
    shutil.copytree(EARLIER / "runs/interrupted", tmp_path / "runs/complete")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", "data")
    Path("file").touch()
    Path("loop").symlink_to("loop")
    Path("ten.npy").write_bytes(saved(pixels(10)))
    for suffix in "png", "npy", "svg":
        Path(f"folder.{suffix}").mkdir()


# What is typed ----------------------------------------------------------------------------------

STRANGE = ("\x1b[31m2", "2\n3", "\a\b", "\udcff", "\u202e2")
WRONG = {
    click.IntRange: ("-1", "1.5", "1e3", "two", "", "9" * 5000, *STRANGE),
    click.FloatRange: ("-1", "inf", "1e999", "nan", "fast", "", *STRANGE),
    click.Choice: ("no such", "", "../../x", "flow\rx", *STRANGE),
    options.Folder: ("", "file"),
    options.IntegerList: ("0", "10,,10", "10,", "1e9", "", "9" * 5000, *STRANGE),
    options.ImageSize: ("0x8", "bigxsmall", "10000x10000", "", *STRANGE),
    options.OutputFile: ("", "picture", "a.exe", ".png", "folder.png", "folder.npy", "folder.svg"),
}
"""What options of a type cannot be."""


def beyond(kind):
    """The first number beyond each end of a range."""
    if isinstance(kind, click.IntRange | click.FloatRange):
        for end, is_open, step in ((kind.min, kind.min_open, -1), (kind.max, kind.max_open, 1)):
            if end is not None:
                yield str(end if is_open else end + step)


COMMANDS = {name: main.cli.get_command(None, name) for name in main.COMMANDS}
COMMANDS |= {f"data {name}": command for name, command in COMMANDS.pop("data").commands.items()}
OPTIONS = {
    f"{name} {option.opts[0]}": (*WRONG[type(kind)], *beyond(kind))
    for name, command in COMMANDS.items()
    for option in command.params
    # Those of a sweep take several values of a type.
    for kind in [getattr(option.type, "of", option.type)]
    if option.opts[0].startswith("--") and type(kind) in WRONG
}


@pytest.mark.parametrize("line", OPTIONS)
def test_what_an_option_cannot_be(line):
    for value in OPTIONS[line]:
        command_refuses(line.split("--")[1], USAGE, line, value)


MANY = "9" * 30
CANNOT_BE_TYPED = {
    "is not in the range": ("sweep --latent 1,0", "sweep --seed 0,1,2147483648"),
    "must be at most": (
        f"train --latent {MANY}", f"train --batch-size {MANY}", f"train --epochs {'9' * 400}",
        f"train --prior mixture --components {MANY}",
        f"train --bound iwae --importance-samples {MANY}",
    ),
    "layers": ["train --hidden 1" + ",1" * 5000],
    # What else does not go together is a matter of configurations, and of their tests.
    "bound": ("train --importance-samples 5", "train --doubly-reparameterized"),
    "mixture": (
        "train --components 3", "sweep --prior mixture,standard --components 3",
        "fit-prior complete --prior flow --components 3",
    ),
    "components": (
        "train --prior vamp --components 100000 --no-jit --hidden 4",
        "fit-prior complete --components 1000000",
    ),
    "has 4 epochs": ["train --resume interrupted --epochs 3"],
    "requires an argument": ["train --batch-size"],
    "No such option": (
        "train --latnet 2", "train --fit", "sweep --resume complete", "sweep --overwrite",
        "reproduce --seed 1", "sample complete --nothing", "list --all", "export complete --json",
        "data list --nothing", "--trian", "-x train", "train --\x1b[31m", "train --a\nb",
    ),
    "unexpected extra argument": (
        "train digits", "reproduce frey", "sample complete other", "list a\nb",
        "export complete other", "data prepare digits mnist",
    ),
    "Missing argument": (
        "export", "data prepare", "compare", "encode complete", "score complete",
        "nearest complete", "interpolate complete",
    ),
    "No such command": ("trian", "data delete", "''", "tr\nain", "\x1b[31mtrain\x1b[0m"),
    "twice": (
        "sweep --latent 2,2", "sweep --latent 2,02", "sweep --beta 1,1.0",
        "sweep --hidden 8 --hidden 8",
    ),
    "is not a valid": ("sweep --latent 1,", "sweep --latent ,"),
    "is not one of": ["sweep --likelihood normal,poisson"],
    "beta": ["sweep --beta 1,nan"],
    "runs": [
        "sweep --seed " + ",".join(map(str, range(200)))
        + " --latent " + ",".join(map(str, range(1, 200)))
    ],
    "did you mean": ["sweep --dataset digits,minst"],
    "two models": (
        "compare complete", "compare complete complete", "compare complete saved_models/complete",
    ),
    "same name": ["compare complete runs/complete"],
    "choose another": (
        "fit-prior complete --name complete --overwrite",
        "fit-prior runs/../saved_models/complete --name complete --overwrite",
    ),
    "is a file": ["data list --data-dir file"],
    "must be a name or an IPv4 address": (
        "explore complete --host ''", "explore complete --host a,b",
        "explore complete --host \x1b[31m",
    ),
}  # fmt: skip


@each(CANNOT_BE_TYPED)
def test_what_cannot_be_typed(says, bad):
    command_refuses(says, USAGE, bad)


CANNOT_BE_DONE = {
    "memory": (
        "train --hidden 100000000", "train --hidden 1000000,1000000", "train --latent 1000000000",
        "train --posterior full --latent 1000000", "train --prior mixture --components 2000000000",
        "train --prior mixture --components 1000000 --latent 1000",
        "train --prior flow --flow-units 1000000", "train --posterior iaf --flow-units 1000000",
        "train --bound iwae --importance-samples 100000000", "sample complete --count 900000000",
        "sample complete --count 900000000 --output a.npy",
    ),
    "there is no run": ["train --resume nothing"],
    "there is no saved model": ("train --start-from nothing", "compare complete nothing"),
    "saved model is empty": ["compare complete ''"],
    "cannot start from": (
        "train --start-from complete --latent 3", "train --start-from complete --hidden 9",
    ),
    "its own size": ["train --image-size 4x4"],
    "of this machine": ["explore complete --host 192.0.2.1", "explore complete --host no.invalid"],
    "exists already": (
        "train --name complete", "fit-prior complete --name other", "export complete",
    ),
    "t-SNE": ["figures complete --only tsne --dataset ten.npy"],
    "two test images": ["figures complete --only interpolation --dataset ten.npy"],
    **{
        place: [f"data prepare frey --data-dir {place}"]
        for place in ("file/data", "/proc/none", "~no-one")
    },
}  # fmt: skip


@each(CANNOT_BE_DONE)
def test_what_cannot_be_done(says, bad):
    command_refuses(says, FAILED, bad, may=("figures",))


NAMES = (
    "../../x", "a/b", "/tmp/x", "", ".", "..", ".x", "-x", "a b", "a\nb", "a\n", "\x1b[31mx",
    "a'b", "a\\b", "a%sb", "a\udcff", "a" * 1000,
)  # fmt: skip


@pytest.mark.parametrize("line", ["train", "sweep --latent 2,3", "fit-prior complete"])
def test_names_that_cannot_be(line):
    for name in NAMES:
        command_refuses("must be letters, digits", USAGE, line, f"--name={name}")


MODELS = {
    "did you mean 'complete'?": ["compleet"],
    "there is no ": ("../../etc", "file", "\x1b[2J", "com\nplete", "a" * 10_000, "\udcff"),
    "is not a run or saved model of kvae": ("/etc", ".", ".."),
    "is empty": [""],
}


@each(MODELS)
def test_models_that_are_not_there(says, bad):
    for line in "sample", "evaluate", "reconstruct", "figures", "fit-prior", "export", "explore":
        command_refuses(says, FAILED, line, bad, may=("figures",))
    for line in "encode", "score", "nearest", "interpolate":
        command_refuses(says, FAILED, line, bad, "ten.npy")


DATASETS = {
    (USAGE, "empty"): [""],
    (USAGE, "unknown dataset"): (
        " ", "dig\nits", "\x1b[2Jdigits", "digits\rx", "'\"`$(mkdir ran)", "цифры",
        "\u202edigits", "\udcff\udcfe", "loop",
    ),
    (USAGE, "is not tfds:NAME"): ("tfds:", "tfds:a b", "tfds:../../x", "tfds:mnist/..", "tfds:a\n"),
    (USAGE, "did you mean"): ("minst", "tfds:fashon_mnist"),
    (USAGE, "tfds:mnist/nothing"): ["tfds:mnist/nothing"],
    (FAILED, "name too long"): ("a" * 10_000, "./" + "a" * 10_000),
    (FAILED, "there is no folder or file"): ("../../../nowhere", "./nothing", "~no-one/faces"),
    (FAILED, "is not a whole .npy or .npz file"): ["/etc/passwd"],
    (FAILED, "Not a directory"): ["/etc/passwd/a.npy"],
    (FAILED, "/"): ("/dev/zero", "/dev/tty", "/proc/self/mem"),
}  # fmt: skip


@each(DATASETS)
def test_datasets_that_are_none(says, bad):
    for line in "data prepare", "train --dataset", "encode complete":
        command_refuses(says[1], says[0], line, bad)


WRITE = (
    "train --runs", "train --models", "export complete --models", "figures complete --output",
    "reproduce --output", "sweep --hidden 4 --epochs 1 --sweeps", "sample complete --output",
    "reconstruct complete --output", "compare complete other --output",
    "encode complete ten.npy --output", "score complete ten.npy --picture",
    "nearest complete ten.npy --output", "interpolate complete ten.npy --output",
    "explore complete --export",
)  # fmt: skip


@pytest.mark.parametrize("folder", ["file/x", "loop", "/proc/none", "a" * 300])
def test_places_that_cannot_be_written(folder):
    says = "name too long" if len(folder) > 200 else "cannot write to the folder"
    for line in WRITE:
        is_folder = line.startswith(("train", "export", "figures", "reproduce", "sweep"))
        suffix = {"encode": "csv", "explore": "html"}.get(line.split()[0], "png")
        file = "" if is_folder else f"/a.{suffix}"
        command_refuses(says, FAILED, line, folder + file)


# What is in the environment ---------------------------------------------------------------------

TASK = '{"cluster": {"worker": %s}, "task": {"type": "worker", "index": %s}}'
TF_CONFIGS = (
    "", "hello", "[]", "3", "{}", "[" * 100_000, TASK % ('["a:1"]', 9), TASK % ('["a:1"]', -1),
    TASK % (5, 0),
)  # fmt: skip


def test_variables_that_cannot_be():
    for value in TF_CONFIGS:
        command_refuses("TF_CONFIG", USAGE, "train --strategy multiworker", TF_CONFIG=value)
    command_refuses("is a file", USAGE, "data list", TFDS_DATA_DIR="file")


# What is read -----------------------------------------------------------------------------------

WITH_IMAGES = (
    "data prepare", "train --dataset", "sweep --latent 2,3 --dataset",
    "evaluate complete --dataset", "reconstruct complete", "figures complete --dataset",
    "encode complete", "score complete", "nearest complete", "interpolate complete",
)  # fmt: skip
WITH_MODEL = (
    "sample complete", "evaluate complete", "reconstruct complete", "figures complete",
    "fit-prior complete", "compare other complete", "encode complete ten.npy",
    "score complete ten.npy", "nearest complete ten.npy", "interpolate complete ten.npy",
    "explore complete --port 0", "explore complete --export a.html",
    "train --hidden 8 --posterior full --prior mixture --components 3 --likelihood normal-shared "
    "--start-from complete",
)  # fmt: skip
EXPORT, RESUME = "export interrupted --models others", "train --resume interrupted"
CURVES = "figures complete --only curves"
HEAD = (EARLIER / "runs/interrupted/history.csv").read_text().splitlines()[0]
READERS = {
    ("bad.npy", "bad.npy is not a whole", "text"): [f"{line} bad.npy" for line in WITH_IMAGES],
    ("faces/a.png", "a.png is not a whole", "text"): [f"{line} faces" for line in WITH_IMAGES],
    ("data/mnist/3.0.1/decoded/info.json", "delete that folder", "text"): [
        f"{line} mnist" for line in WITH_IMAGES[:3]
    ],
    ("saved_models/complete/config.json", "complete is not a run", b"[" * 10**5): WITH_MODEL,
    ("saved_models/complete/variables/variables.index", "cannot load", cut(0.5)): WITH_MODEL,
    ("runs/interrupted/config.json", "interrupted is not a run", "text"): (EXPORT, RESUME),
    ("runs/interrupted/checkpoints/ckpt-46.index", "checkpoint", cut(0.4)): (EXPORT, RESUME),
    ("runs/interrupted/results.json", "results.json", "text"): (EXPORT, RESUME),
    ("runs/interrupted/frames.npz", "frames.npz", "text"): [RESUME],
    ("runs/complete/frames.npz", "frames.npz", "text"): ["figures complete --only animation"],
    ("runs/complete/history.csv", "history.csv is damaged", "text"): [CURVES],
    ("runs/complete/history.csv", "there is no such run", f"{HEAD}\n"): [CURVES],
}


@each(READERS, "reads, line")
def test_damaged_files_by_every_command_that_reads_them(reads, line):
    file, says, bad = reads
    damage(Path(file), bad)
    command_refuses(says, FAILED, line, may=("figures", "others"))


@pytest.mark.parametrize("file", ["saved_models/other/config.json", "runs/complete/results.json"])
def test_list_shows_what_is_damaged(file, capsys):
    for bad in NO_OBJECT.values():
        damage(Path(file), bad)
        with untouched(), bounded():
            main.cli(["list"], standalone_mode=False)
        shown = capsys.readouterr()
        assert shown.out.count("damaged") == 1
        assert shown.err == ""


def test_a_run_by_a_path_that_ends_in_dots_is_exported_under_its_own_name():
    with untouched("others"):
        words = ["export", "runs/interrupted/checkpoints/..", "--models", "others/deep"]
        main.cli([*words, "--overwrite"], standalone_mode=False)
    assert Path("others/deep/interrupted/config.json").is_file()


# The real command -------------------------------------------------------------------------------

REAL = {
    (USAGE, "--latent"): ["train --latent \udcff"],
    (USAGE, "No such command"): ["\x1b[31mtrain\x1b[0m"],
    (FAILED, "a.png is not a whole"): ["train --dataset fa\n\udcffces"],
    (FAILED, "cannot read"): ["data prepare pipe.npy"],
    (FAILED, "cannot load the weights"): ["sample other"],
    (USAGE, "TF_CONFIG"): ["train --strategy multiworker"],
}


@each(REAL)
def test_the_real_command(says, bad):
    damage(Path("fa\n\udcffces/a.png"), "text")
    damage(Path("pipe.npy"), instead(os.mkfifo))
    damage(Path("saved_models/other/variables/variables.index"), cut(0.5))
    with untouched():
        result = subprocess.run(
            [Path(sys.executable).with_name("kvae"), *bad.split(" ")], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="backslashreplace", timeout=120, check=False,
        )  # fmt: skip
    assert result.returncode == says[0]
    check_error(says[1], result.stdout, result.stderr)


# What these tests would see ---------------------------------------------------------------------


def test_what_is_touched_or_takes_too_much_is_seen():
    for make in (Path("new").touch, Path("file").unlink, lambda: os.utime("ten.npy")):
        with pytest.raises(AssertionError, match="file|new|ten"), untouched():
            make()
    with untouched("more"):
        damage(Path("more/file"), "text")
    with pytest.raises(AssertionError), bounded():
        bytearray(b"x") * (2 * PEAK)
    with pytest.raises(MemoryError), bounded():
        bytearray(2**40)
    with pytest.raises(AssertionError, match="no answer"), bounded(1):
        time.sleep(10)
