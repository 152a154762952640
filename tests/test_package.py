"""What is published: the package that is built, and the pages that describe it."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import kvae

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "cli", "docs", "kvae", "tests")
DATA = {
    "kvae/py.typed",
    "kvae/explore/page.html",
    *(f"kvae/data/frey_faces/{name}" for name in ("CITATIONS.bib", "README.md", "TAGS.txt")),
    "kvae/data/frey_faces/checksums.tsv",
}


def copy_sources(target: Path) -> None:
    """Copy what belongs to the repository, and nothing that was built there."""
    unwanted = shutil.ignore_patterns("__pycache__", "_build")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, target / folder, ignore=unwanted)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, target)
    (target / "saved_models").mkdir()
    shutil.copy(ROOT / "saved_models/README.md", target / "saved_models")


def files_of(folder: Path, suffix: str = "") -> set[str]:
    """The files of a folder that end in `suffix`, by their paths in it."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob(f"*{suffix}")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist and the wheel that is built from it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    copy_sources(source)
    # Without --sdist and --wheel, `build` makes the wheel from the sdist.
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", target, source],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return source, sdist, wheel


@pytest.mark.slow
def test_the_sdist_has_all_sources(built):
    source, sdist, _ = built
    assert sdist.name == f"kvae-{kvae.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    hidden = {name for name in files_of(source) if name.startswith(".")}
    assert files_of(source) - packed == hidden
    assert {"LICENSE", "README.md", "CHANGELOG.md", "tox.ini", "tests/conftest.py"} <= packed


@pytest.mark.slow
def test_the_wheel_has_the_packages_and_nothing_else(built):
    source, _, wheel = built
    metadata = f"kvae-{kvae.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
        about = message_from_bytes(archive.read(f"{metadata}/METADATA"))
        scripts = archive.read(f"{metadata}/entry_points.txt").decode()
    assert {name.partition("/")[0] for name in packed} == {"kvae", "kvae_cli", metadata}
    modules = {f"kvae/{name}" for name in files_of(source / "kvae", ".py")}
    modules |= {f"kvae_cli/{name}" for name in files_of(source / "cli", ".py")}
    assert {name for name in packed if not name.startswith(metadata)} == modules | DATA
    assert f"{metadata}/licenses/LICENSE" in packed
    assert about["Version"] == kvae.__version__
    assert "kvae = kvae_cli.main:main" in scripts
    # Links to other files of the repository would lead nowhere on the page of a package index.
    description = about.get_payload()
    assert "kvae train" in description
    assert not re.search(r"\]\((?!\w+:)", description)


@pytest.mark.slow
def test_the_first_prior_of_a_contributor(tmp_path):
    copy_sources(tmp_path)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^   ```python\n(.*?)^   ```", text, re.DOTALL | re.MULTILINE)
    prior, line, test = (re.sub("^   ", "", block, flags=re.MULTILINE) for block in blocks)
    (tmp_path / "kvae/models/skewed.py").write_text(prior, encoding="utf-8")
    (tmp_path / "tests/models/test_skewed.py").write_text(test, encoding="utf-8")
    registry = tmp_path / "kvae/registry.py"
    lines = registry.read_text(encoding="utf-8")
    changed = re.sub(r"(\nPRIORS = \{\n(?:    .*\n)*)", rf"\1{line}", lines)
    registry.write_text(changed, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/models/test_skewed.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_the_citation_has_the_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {kvae.__version__}\n" in text


def test_the_changelog_has_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {kvae.__version__} - " in text
