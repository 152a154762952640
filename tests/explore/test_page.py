"""The page in a real browser, used as a person does: pointer, keyboard and dropped files."""

import base64
import contextlib
import io
import re
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.explore import thumbnails
from kvae.explore.explorer import Explorer
from kvae.figures import tile

from .needs import need

EARLIER = Path(__file__).parents[1] / "fixtures/earlier"
KVAE = Path(sys.executable).with_name("kvae")
PICTURE = "all('img').find(each => each.alt === 'the decoded point')?.src"
RIGHT, LEFT = ("ArrowRight", 39), ("ArrowLeft", 37)
WATCH = f"""
window.latencies = []
document.addEventListener('keydown', () => {{
  const begin = performance.now(), before = {PICTURE}
  const look = () => {{
    const image = all('img').find(each => each.alt === 'the decoded point')
    if (image.src === before) return requestAnimationFrame(look)
    // It is on the screen in the frame after it is decoded.
    image.decode().then(() => requestAnimationFrame(
      () => latencies.push((performance.now() - begin) / 1000)))
  }}
  look()
}}, true)
"""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bokeh")]


@pytest.fixture(scope="module")
def tab():
    """A tab of a headless Chromium."""
    from .browser import browser, program

    need(program(), "there is no Chromium")
    with browser() as found:
        yield found


@contextlib.contextmanager
def serving(folder: Path, model: str) -> Iterator[SimpleNamespace]:
    """`kvae explore`, its address and its process. Ctrl-C ends it in the end."""
    process = subprocess.Popen(
        [KVAE, "explore", model, "--port", "0"], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        found = re.fullmatch(rf"{model} at (http://127\.0\.0\.1:\d+/) until Ctrl-C\n", line)
        assert found, (line, process.stderr.read())
        yield SimpleNamespace(address=found[1], process=process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
        # Bokeh says whose websocket it refused.
        others = [line for line in stderr.splitlines() if "Refusing websocket" not in line]
        assert (process.returncode, others) == (0, [])
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def model(tmp_path_factory, digits):
    """A saved model, and what the library says of it."""
    folder = tmp_path_factory.mktemp("explore")
    shutil.copytree(EARLIER / "saved_models", folder / "saved_models")
    loaded = kvae.load(folder / "saved_models/complete")
    explorer = Explorer("complete", loaded, digits)
    return SimpleNamespace(folder=folder, loaded=loaded, explorer=explorer, atlas=explorer.atlas)


@pytest.fixture(scope="module")
def server(model):
    with serving(model.folder, "complete") as found:
        yield found


@pytest.fixture
def page(tab, server):
    """The page, opened anew."""
    tab.requests.clear()
    tab.open(server.address)
    tab.wait(PICTURE)
    yield tab
    assert tab.errors == []
    assert all(
        each.startswith((server.address, "data:", "ws://127.0.0.1")) for each in tab.requests
    )


def pixels_of(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def check(uri, image):
    """A picture on the page is an image, but for rounding in another process."""
    expected = pixels_of(thumbnails.uri(image)).astype(int)
    np.testing.assert_allclose(pixels_of(uri), expected, atol=1)


def point_of(page):
    """The latents that the sliders show."""
    return np.array([page.run(f"model('z{n}').value") for n in (1, 2)], np.float32)


def test_the_picture_under_the_pointer(page, model):
    assert page.run("model('map').renderers[0].data_source.data.name.length") == 179
    # A dot that no other hides.
    means = model.atlas.means
    far = np.sort(np.linalg.norm(means[:, None] - means[None], axis=2), axis=1)[:, 1]
    row = int(np.argmax(far))
    page.move(*page.run(f"spot({row})"))
    uri = page.wait("one('.under-pointer')?.src")
    np.testing.assert_array_equal(pixels_of(uri), model.atlas.images[row, ..., 0])
    shown = page.run("one('.under-pointer').parentElement.innerText")
    elbo = f"ELBO {model.atlas.elbo[row]:.1f}"
    for text in model.atlas.names[row], f"label {model.atlas.label_name(row)}", elbo:
        assert text in shown


def test_click_decodes_a_point(page, model):
    before = page.run(PICTURE)
    page.click(*page.run("spot(40)"))
    page.wait(f"{PICTURE} !== {before!r}")
    # Several images may be at the same place, nearly.
    check(page.run(PICTURE), model.explorer.decode(model.atlas.means[40]))
    x, y, width, _ = page.run("box(one('.bk-Figure'))")
    before = page.run(PICTURE)
    # Two clicks at once would be one double click.
    page.rest(0.5)
    page.click(x + width - 100, y + 20)
    page.wait(f"{PICTURE} !== {before!r}")
    frame = "Bokeh.index.find_one(model('map')).frame"
    across, up = page.run(f"[{frame}.x_scale.invert({width - 100}), {frame}.y_scale.invert(20)]")
    # The latent with the larger KL is across.
    assert [latent.index for latent in model.atlas.latents] == [1, 0]
    np.testing.assert_allclose(point_of(page), [up, across], atol=1e-4)
    check(page.run(PICTURE), model.explorer.decode(point_of(page)))


def test_drag_decodes_the_way_between_two(page, model):
    first, last = page.run("spot(3)"), page.run("spot(50)")
    page.drag(first, last)
    uri = page.wait("all('img').find(each => each.alt === 'the way')?.src")
    between = model.explorer.between(model.atlas.means[3], model.atlas.means[50], 9)
    check(uri, tile(between, 9))
    check(page.run(PICTURE), model.explorer.decode(model.atlas.means[50]))


def test_the_picture_follows_a_slider(page, model):
    latent = model.atlas.latents[0]
    value = f"model({latent.name!r}).value"
    page.click_on("all('.noUi-handle')[0]")
    begin, before = page.run(value), page.run(PICTURE)
    for _ in range(30):
        page.press(*RIGHT)
    page.wait(f"{PICTURE} !== {before!r}")
    page.wait(f"Math.abs({value} - ({begin}) - {30 * latent.step}) < {latent.step}")
    page.rest(0.3)
    check(page.run(PICTURE), model.explorer.decode(point_of(page)))


def latency(page) -> float:
    """The median of the seconds from a key on a slider to the picture on the screen."""
    page.run(WATCH)
    page.click_on("all('.noUi-handle')[0]")
    for number in range(40):
        page.press(*(RIGHT if number < 20 else LEFT))
        page.wait(f"latencies.length > {number}")
    page.rest(0.3)
    return statistics.median(page.run("latencies"))


def test_the_picture_follows_each_step_of_a_slider(page, model):
    print(f"digits: median {1000 * latency(page):.0f} ms")
    check(page.run(PICTURE), model.explorer.decode(point_of(page)))


def test_the_picture_of_mnist_follows_each_step_of_a_slider(tab, tmp_path, mnist_dir):
    dataset = kvae.data.load("mnist", mnist_dir)
    built = kvae.build(kvae.configure(dataset, latent=10))
    kvae.save(built, tmp_path / "saved_models/mnist")
    with serving(tmp_path, "mnist") as server:
        tab.open(server.address)
        tab.wait(PICTURE)
        print(f"MNIST: median {1000 * latency(tab):.0f} ms")


def test_drop_a_picture(page, model, tmp_path, digits):
    image = digits.train.images[12]
    Image.fromarray(image[..., 0]).save(tmp_path / "mine & yours.png")
    page.drop(tmp_path / "mine & yours.png", 300, 300)
    page.wait("all('figure').length === 7")
    own = model.explorer.own((tmp_path / "mine & yours.png").read_bytes(), "mine & yours.png")
    expected = [own.image, own.reconstruction, *(each.image for each in own.neighbours)]
    for uri, each in zip(page.run("all('figure img').map(e => e.src)"), expected, strict=True):
        check(uri, each)
    shown = page.run("one('figure').closest('.bk-clearfix').innerText")
    assert shown.startswith(f"mine & yours.png: ELBO {own.elbo:.1f} nats")
    assert f"z1 {own.latents[0]:.2f}" in shown
    np.testing.assert_allclose(point_of(page), own.latents, atol=1e-4)


def test_what_is_no_picture_is_said_and_the_page_goes_on(page, model, tmp_path):
    for name, says in {
        "notes.txt": "notes.txt is no image file",
        "<i>cut.png": "<i>cut.png is not a whole image",
    }.items():
        (tmp_path / name).write_text("text")
        page.drop(tmp_path / name, 300, 300)
        page.wait(
            f"document.body && all('.bk-clearfix').some(e => e.innerText.startsWith({says!r}))"
        )
    # A file that is too large is not even sent.
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2**26)
    page.drop(tmp_path / "large.png", 300, 300)
    page.wait(
        "all('.bk-clearfix').some(e => e.innerText === 'large.png: it is larger than 40 MiB')"
    )
    Image.fromarray(model.atlas.images[0, ..., 0]).save(tmp_path / "good.png")
    node = page.call("DOM.getDocument")["root"]["nodeId"]
    field = page.call("DOM.querySelector", nodeId=node, selector="#file")["nodeId"]
    page.call("DOM.setFileInputFiles", nodeId=field, files=[str(tmp_path / "good.png")])
    page.wait("all('figure').length === 7")


def samples_of(page, says):
    text = f"all('img').find(each => each.alt === {says!r})?.src"
    return page.wait(text)


def test_samples(page, model):
    uri = samples_of(page, "24 samples from the prior, seed 0")
    check(uri, tile(model.loaded.sample(24, 0).numpy(), 6))
    page.click_on("one('input.bk-input')")
    page.call("Input.insertText", text="7")
    page.click_on("one('h1')")
    seed = page.wait("model('seed').value || null")
    uri = samples_of(page, f"24 samples from the prior, seed {seed}")
    check(uri, tile(model.loaded.sample(24, seed).numpy(), 6))
    page.click_on("all('.bk-btn').find(each => each.innerText === 'near point')")
    uri = samples_of(page, f"24 samples near test image 0, seed {seed}")
    check(uri, tile(model.explorer.near(model.atlas.means[0], 0.3, 24, seed), 6))


def test_other_maps_and_colours(page, model):
    fills = "model('map').renderers[0].glyph.fill_color.field"
    assert page.run(fills) == "colour by label"
    page.click_on("all('.bk-btn').find(each => each.innerText === 'ELBO')")
    page.wait(f"{fills} === 'colour by ELBO'")
    page.wait("all('.bk-clearfix').some(each => each.innerText.startsWith('ELBO'))")
    for kind in "PCA", "t-SNE":
        page.click_on(f"all('.bk-btn').find(each => each.innerText === {kind!r})")
        page.wait(f"model('map').below[0].axis_label.startsWith('{kind} 1')")
        page.wait("spot(30).every(isFinite)")
        page.wait("model('map').title.text === ''")
        x, y, width, height = page.run("box(one('.bk-Figure'))")
        spots = np.array(page.run("[...Array(179).keys()].map(spot)"))
        assert np.all((spots > [x, y]) & (spots < [x + width, y + height]))
        page.click(*spots[60])
        expected = thumbnails.uri(model.explorer.decode(model.atlas.means[60]))
        page.wait(f"{PICTURE} === {expected!r}", 5)
        mark = "model('map').renderers.at(-1).data_source.data"
        across = f"model('map').renderers[0].data_source.data['{kind} 1'][60]"
        page.wait(f"Math.abs({mark}.x[0] - {across}) < 1e-3")


def test_other_pages_cannot_read_it(page, server):
    for origin, code in ("http://127.0.0.1:1", 403), ("http://evil.example:80", 403):
        assert handshake(server.address, origin) == code
    assert handshake(server.address, server.address.rstrip("/")) == 101


def handshake(address, origin):
    """The answer to a websocket that a page of an origin opens."""
    import http.client
    from urllib.parse import urlparse

    parts = urlparse(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request("GET", "/", headers={})
    token = re.search(r'"token":"([^"]+)"', connection.getresponse().read().decode())[1]
    headers = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": origin,
        "Sec-WebSocket-Protocol": f"bokeh, {token}",
    }  # fmt: skip
    connection.request("GET", "/ws", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_exported_page_needs_no_server(tab, model, invoke, in_process):
    done = in_process(model.folder, "explore", "complete", "--export", "page.html", "--overwrite")
    assert done.returncode == 0, done.stderr
    tab.requests.clear()
    tab.open((model.folder / "page.html").as_uri())
    tab.wait(PICTURE)
    tab.move(*tab.run("spot(5)"))
    tab.wait("one('.under-pointer')?.src")
    before = tab.run(PICTURE)
    tab.click_on("all('.noUi-handle')[0]")
    for _ in range(5):
        tab.press(*RIGHT)
    tab.wait(f"{PICTURE} !== {before!r}")
    tab.rest(0.3)
    check(tab.run(PICTURE), model.explorer.decode(point_of(tab)))
    tab.click_on("all('.bk-btn').find(each => each.innerText === 't-SNE')")
    tab.wait("spot(30).every(isFinite) && model('map').below[0].axis_label === 't-SNE 1'")
    assert tab.errors == []
    assert all(each.startswith(("file:", "data:")) for each in tab.requests)
