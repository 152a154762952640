"""The measures of the claims are right, and a quick reproduction measures every claim."""

import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from kvae import registry
from kvae.config.configuration import facts
from kvae.models.vae import recipes
from kvae.reproduction import paper
from kvae.reproduction.claim import FULL, QUICK
from kvae.reproduction.claims import CLAIMS as NAMES
from kvae.reproduction.paper import MANIFOLD_SIDE
from kvae.reproduction.reference import collapse, convergence

CLAIMS = {name: registry.resolve(NAMES, name) for name in NAMES}


@pytest.mark.parametrize("budget", [FULL, QUICK])
def test_a_name_stands_for_one_run(budget):
    options = {}
    for name, claim in CLAIMS.items():
        assert claim.name == name
        for run in claim.wanted(budget):
            assert options.setdefault(run.name, run.options) == run.options
    assert len({json.dumps(each, sort_keys=True) for each in options.values()}) == len(options)


def test_verdicts_are_those_of_the_recipe(few_digits):
    mnist = facts(few_digits)._replace(name="mnist", train_images=50_000)
    recipe = recipes.recipe("reference", mnist)
    main = next(iter(FULL.mnist_trainings.values()))
    assert main["epochs"] == recipe["epochs"]
    assert main["initial_accumulator"] == recipe.get("initial_accumulator", 0.1)


def test_convergence_is_nine_tenths_of_the_way():
    assert convergence._converged([0.0, 5.0, 8.9, 9.0, 10.0]) == 4
    assert convergence._converged([-200.0, -110.0, -109.0, -100.0]) == 2


def test_a_plane_that_changes_evenly_is_smooth():
    grid = np.mgrid[:MANIFOLD_SIDE, :MANIFOLD_SIDE].transpose(1, 2, 0).reshape(-1, 1, 2, 1)
    assert paper._smoothness(grid.astype(float)) < 0.2
    noise = np.random.default_rng(1).standard_normal((MANIFOLD_SIDE**2, 5, 5, 1))
    assert paper._smoothness(noise) == pytest.approx(1, abs=0.1)


def test_collapse():
    kl = {"kl_per_dimension": [0.0] * 20}
    assert collapse._collapsed(kl | {"active_units": 2})
    assert not collapse._collapsed(kl | {"active_units": 3})


@pytest.mark.slow
def test_a_quick_reproduction_measures_every_claim(invoke, tmp_path, mnist_dir, frey_dir, browser):
    data = tmp_path / "data"
    data.mkdir()
    (data / "mnist").symlink_to(mnist_dir / "mnist")
    (data / "downloads").symlink_to(frey_dir / "downloads")
    options = ["reproduce", "--quick", "--output", "report", "--json"]
    result = invoke(*options, TFDS_DATA_DIR=str(data))
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert [claim["claim"] for claim in found["claims"]] == list(NAMES)
    for claim in found["claims"]:
        for part in claim["parts"]:
            assert re.search(r"\d", part["measured"]), part
            assert "nan" not in part["measured"]
    folder = tmp_path / "report"
    text = (folder / "README.md").read_text()
    pictures = re.findall(r"!\[.+\]\((.+)\)", text)
    assert len(pictures) >= len(NAMES)
    assert all((folder / picture).is_file() for picture in pictures)
    assert "its verdicts mean nothing" in text
    [trained] = re.findall(r"Training the (\d+) runs in the folder `runs` took \d+\.\d hours", text)
    with (folder / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == int(trained)
    trains = {name for name in NAMES if registry.resolve(NAMES, name).wanted(QUICK)}
    assert {name for row in rows for name in row["claims"].split()} == trains
    for row in rows:
        results = json.loads((folder / "runs" / row["run"] / "results.json").read_text())
        assert row["elbo"] == str(results.get("elbo", ""))
    assert browser(folder / "report.html") == (len(pictures), len(pictures))
    runs = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/results.json")}
    again = invoke(*options, "--only", "frey-sigmoid", TFDS_DATA_DIR=str(data))
    claim = next(claim for claim in found["claims"] if claim["claim"] == "frey-sigmoid")
    assert json.loads(again.stdout)["claims"] == [claim]
    assert {path: path.stat().st_mtime_ns for path in runs} == runs
    # What was measured needs neither its run nor its model any more.
    for kind in "runs", "saved_models":
        for path in folder.glob(f"{kind}/families-*"):
            shutil.rmtree(path)
    again = invoke(*options, "--only", "families", TFDS_DATA_DIR=str(data))
    claim = next(claim for claim in found["claims"] if claim["claim"] == "families")
    assert json.loads(again.stdout)["claims"] == [claim]
    assert not list(folder.glob("runs/families-*"))
    [measured] = folder.glob("work/families-*quantized*.json")
    result = json.loads(measured.read_text())
    result["config"]["training"]["learning_rate"] = 0.5
    measured.write_text(json.dumps(result))
    refused = invoke(*options, "--only", "families", TFDS_DATA_DIR=str(data))
    assert refused.returncode == 1
    assert f"{measured.name} is of a run with other options" in refused.stderr


@pytest.fixture
def browser(tmp_path):
    """A function that opens a page in a browser and returns how many images it has, and loaded."""
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium here to open the page with")

    def open_page(path):
        page = tmp_path / "opened.html"
        count = (
            "<script>window.onload = () => { const all = [...document.images]; document.title = "
            "`${all.length} ${all.filter(i => i.complete && i.naturalWidth > 0).length}`; }"
            "</script></body>"
        )
        page.write_text(path.read_text().replace("</body>", count))
        shown = subprocess.run(
            [
                program, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
                f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000",
                page.as_uri(),
            ],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        all_pictures, loaded = re.search(r"<title>(\d+) (\d+)</title>", shown.stdout).groups()
        return int(all_pictures), int(loaded)

    return open_page
