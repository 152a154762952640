"""`kvae explore` without a browser: what it refuses, what it exports, and what is on the page."""

import io
import re
import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.data import Dataset, Split
from kvae.explore.explorer import Explorer
from kvae.explore.server import Server

EARLIER = Path(__file__).parents[1] / "fixtures/earlier"
pytestmark = pytest.mark.usefixtures("bokeh")


@pytest.fixture
def place(tmp_path):
    """A folder with a saved model of digits."""
    shutil.copytree(EARLIER / "saved_models", tmp_path / "saved_models")
    return tmp_path


def test_without_bokeh(place, invoke, monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    done = invoke("explore", "complete")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: kvae explore needs Bokeh: pip install 'kvae[explore]'\n"


def test_a_port_that_is_taken(place, invoke):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = invoke("explore", "complete", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: port {port} of 127.0.0.1 is taken: give another --port, or --port 0 for a free "
        "one\n"
    )


@pytest.mark.parametrize(
    ("host", "code"), [("", 2), ("a b", 2), ("a\nb", 2), ("::1", 2), ("a..b", 2), ("1.2.3.4", 1)]
)
def test_hosts_that_cannot_be(place, invoke, host, code):
    done = invoke("explore", "complete", "--host", host, "--port", 0)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "--host must be a name or an" in done.stderr.splitlines()[-1]


def test_it_is_closed_to_other_machines_unless_a_host_is_given(bokeh):
    own = Server(port=0)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", own.address)
    assert [each.getsockname()[0] for each in own._sockets] == ["127.0.0.1"]
    assert own.is_private
    assert own._names == {"127.0.0.1", "localhost"}
    everyone = Server("0.0.0.0", 0)
    assert not everyone.is_private
    assert everyone.address.startswith(f"http://{socket.gethostname()}:")
    assert socket.gethostname() in everyone._names
    for server in own, everyone:
        for each in server._sockets:
            each.close()


def test_an_export_that_exists_is_kept(place, invoke):
    (place / "page.html").write_text("mine")
    done = invoke("explore", "complete", "--export", "page.html")
    assert done.returncode == 1
    assert "page.html exists: give --overwrite, or another --export" in done.stderr
    assert (place / "page.html").read_text() == "mine"


@pytest.mark.slow
def test_export(place, invoke, digits):
    (place / "page.html").write_text("mine")
    done = invoke("explore", "complete", "--export", "page.html", "--overwrite")
    assert (done.returncode, done.stdout) == (0, "complete in page.html\n"), done.stderr
    page = (place / "page.html").read_text()
    # All scripts and pictures are in the file.
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.(https?:)?//", page)
    assert page.count("data:image/png;base64,") >= len(digits.test) + 21 * 21
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []


def test_parts_of_the_page_are_what_the_model_can_do(bokeh, only_samples, few_digits):
    from bokeh.document import Document

    from kvae.explore.page import Page

    def parts(explorer):
        document = Document()
        Page(explorer, document, ThreadPoolExecutor(1))
        html = document.template.render(document.template_variables, roots=Roots(), macros=MACROS)
        titles = re.findall(r"<h2>(.+)</h2>", html)
        return {root.name for root in document.roots}, titles

    from bokeh.core.templates import MACROS

    class Roots:
        """What Bokeh gives to the template."""

        def __getattr__(self, name):
            return self

    assert parts(only_samples) == ({"samples"}, ["Samples"])
    model = kvae.build(kvae.configure(few_digits, latent=3, hidden=(8,)))
    names, titles = parts(Explorer("some", model, few_digits))
    assert {"map", "way", "point", "sliders", "own", "samples"} <= names
    assert titles == ["Decoded point", "A picture of your own", "Samples"]


def test_colours(bokeh, few_digits):
    from kvae.explore.chart import chart

    model = kvae.build(kvae.configure(few_digits, latent=2, hidden=(8,)))
    made = chart(Explorer("some", model, few_digits).atlas, with_tsne=False)
    data, labels = made.source.data, few_digits.test.labels
    colours = np.array(data["colour by label"])
    for label in np.unique(labels):
        (own,) = set(colours[labels == label])
        assert own not in colours[labels != label]
    order = np.argsort(data["ELBO"])
    assert data["colour by ELBO"][order[0]] == "#440154"
    assert data["colour by ELBO"][order[-1]] == "#FDE724"
    assert list(data["label"]) == [few_digits.label_names[label] for label in labels]
    assert not np.isfinite(data["t-SNE 1"]).any()


@pytest.mark.parametrize(("height", "width", "channels"), [(4, 9, 1), (9, 4, 2), (60, 70, 3)])
def test_other_images(bokeh, tmp_path, height, width, channels):
    from kvae.explore.export import export

    some = np.random.default_rng(0).integers(0, 256, (12, height, width, channels), np.uint8)
    split = Split(some)
    dataset = Dataset("made", split, split, split, "made up")
    model = kvae.build(kvae.configure(dataset, latent=1, hidden=(4,)))
    explorer = Explorer("<b>made", model, dataset)
    export(explorer, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<h1>&lt;b&gt;made</h1>" in page
    # There are no labels, and t-SNE needs two latents.
    assert "colour by ELBO" in page
    assert "colour by label" not in page
    assert explorer.atlas.kinds == ["Latents"]
    if channels != 2:
        content = io.BytesIO()
        Image.fromarray(some[0].squeeze()).save(content, "PNG")
        own = explorer.own(content.getvalue(), "a.png")
        np.testing.assert_array_equal(own.image, some[0])
