"""The page that a person explores a model on. Each visitor has one of their own."""

import base64
import html
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from bokeh.document import Document, without_document_lock
from bokeh.events import PanEnd, PanStart, Tap
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    ColumnDataSource,
    CustomJS,
    Div,
    Model,
    RadioButtonGroup,
    Slider,
    Spinner,
)
from tornado.ioloop import IOLoop

from kvae import figures
from kvae.errors import KvaeError
from kvae.explore import thumbnails
from kvae.explore.atlas import ELBO, TSNE, Latent, axes_of
from kvae.explore.chart import WIDTH, Chart, chart
from kvae.explore.explorer import Explorer, Own
from kvae.explore.server import LARGEST_MESSAGE, Server

PICTURE = 224
"""The longer side of the decoded picture, in pixels, at most."""
SMALL = 98
"""The longer side of a person's own picture and its reconstruction, in pixels, at most."""
TINY = 60
STEPS = 9
COUNT, COLUMNS = 24, 6
RIGHT = 332
NEAR = 8
"""How near the pointer must be to the middle of a dot for the dot to be taken, in pixels."""
MARKED_EVERY = 100
"""Milliseconds after which the mark on the map follows the sliders."""
LARGEST = LARGEST_MESSAGE * 5 // 8
"""Bytes of a picture, at most."""
MUTED = {"color": "#5c6670", "font-size": "12px"}
SAID = "; ".join(f"{name}: {value}" for name, value in MUTED.items())
ROW = "display: flex; gap: 10px; overflow: hidden"
FIGURE = "margin: 0; max-width: 100px; overflow: hidden; text-overflow: ellipsis"
GRID = (
    "display: grid; grid-template-columns: auto auto; gap: 0 8px; align-content: start; "
    "font-size: 11px; white-space: nowrap"
)
PRIOR, POINT = "prior", "near point"

LINE = """
const {x, y} = cb_obj
const data = line.data
line.data = cb_obj.event_name === 'panstart' ? {x: [x, x], y: [y, y]}
                                             : {x: [data.x[0], x], y: [data.y[0], y]}
"""
"""Draws the line that is dragged, in the browser alone."""


def template() -> jinja2.Template:
    """The HTML around the parts of the page."""
    text = resources.files("kvae.explore").joinpath("page.html").read_text(encoding="utf-8")
    return jinja2.Template(text)


def variables(explorer: Explorer, parts: Sequence[str]) -> dict[str, Any]:
    """What the HTML around the parts of the page says.

    Args:
        explorer: The model.
        parts: The names of the parts.
    """
    atlas, dataset = explorer.atlas, explorer.dataset
    shown = f"{len(atlas.images):,} of " if len(atlas.images) < atlas.total else ""
    # Where the images are on this machine is nothing to put into a page for others.
    name = Path(dataset.name).name if Path(dataset.name).is_absolute() else dataset.name
    others = ""
    if atlas.others:
        is_one = atlas.others == 1
        others = (
            f"{atlas.others} other {'latent is' if is_one else 'latents are'} used less, and "
            f"{'keeps its value' if is_one else 'keep their values'}."
        )
    return {
        "name": explorer.name,
        "about": f"{explorer.summary} · {shown}{atlas.total:,} test images of {name}",
        "parts": parts,
        "others": others,
        "largest": LARGEST,
    }


def slider(latent: Latent, value: float) -> Slider:
    """The slider of a latent.

    Args:
        latent: The latent.
        value: Where the slider stands.
    """
    digits = max(0, math.ceil(round(-math.log10(latent.step), 6)))
    title = latent.name if latent.kl is None else f"{latent.name}, KL {latent.kl:.2f}"
    return Slider(
        start=latent.low,
        end=latent.high,
        step=latent.step,
        value=float(np.clip(value, latent.low, latent.high)),
        title=title,
        format="0." + "0" * digits if digits else "0",
        width=PICTURE - 8,
        bar_color="#0072b2",
        margin=(0, 4, 5, 4),
        name=latent.name,
    )


def samples_html(images: np.ndarray, about: str) -> str:
    """The HTML of a grid of samples.

    Args:
        images: Floats in [0, 1], `[count, height, width, channels]`.
        about: What they are, which stands below.
    """
    grid, about = thumbnails.uri(figures.tile(images, COLUMNS)), html.escape(about)
    return (
        f'<img src="{grid}" alt="{about}" style="max-width: 100%; display: block">'
        f'<div style="{SAID}">{about}</div>'
    )


def _on_change(model: Model, attribute: str, function: Callable[[], None]) -> None:
    """Call a function when an attribute of one of Bokeh's models changes."""
    model.on_change(attribute, lambda attr, old, new: function())


class Page:
    """Fills the document of a visitor, and answers what the visitor does.

    Args:
        explorer: The model.
        document: The visitor's document.
        workers: Where t-SNE is computed, so that the page answers meanwhile.
    """

    def __init__(self, explorer: Explorer, document: Document, workers: ThreadPoolExecutor) -> None:
        self._explorer, self._document, self._workers = explorer, document, workers
        self._atlas = explorer.atlas
        self._can_point = explorer.decodes and explorer.atlas.can_walk
        self._latents, self._about = np.zeros(0, np.float32), ""
        self._chart: Chart | None = None
        self._sliders: dict[int, Slider] = {}
        self._is_moving = self._is_due = self._is_mark_due = False
        parts: dict[str, Any] = {}
        if explorer.decodes:
            parts |= self._point_parts()
        if self._atlas.kinds:
            parts |= self._map_parts()
        if explorer.describes:
            parts |= self._own_parts()
        if explorer.generates:
            parts |= self._sample_parts()
        for name, part in parts.items():
            part.name = name
            document.add_root(part)
        document.title = f"{explorer.name} · kvae explore"
        document.template = template()
        document.template_variables.update(variables(explorer, list(parts)))
        if explorer.decodes:
            about = str(self._atlas.names[0]) if self._can_point else "the prior's mean"
            self._go_to(self._atlas.start, about)

    # The decoded point --------------------------------------------------------------------------

    def _point_parts(self) -> dict[str, Any]:
        height, _ = thumbnails.displayed(self._atlas.images.shape[1:], PICTURE)
        self._picture = Div(width=PICTURE, height=height, disable_math=True, margin=0)
        self._where = Div(width=PICTURE, height=18, disable_math=True, margin=(4, 0, 0, 0))
        for latent in self._atlas.latents:
            each = slider(latent, self._atlas.start[latent.index])
            _on_change(each, "value", partial(self._slid, latent, each))
            self._sliders[latent.index] = each
        return {
            "point": column(self._picture, self._where),
            "sliders": column(*self._sliders.values()),
        }

    def _slid(self, latent: Latent, moved: Slider) -> None:
        if self._is_moving:
            return
        self._latents = self._latents.copy()
        self._latents[latent.index] = moved.value
        self._about = "the point of the sliders"
        if not self._is_due:
            # If numbers come faster than pictures are decoded, only the last is decoded.
            self._is_due = True
            self._document.add_next_tick_callback(self._show)
        if not self._is_mark_due:
            # The browser draws the whole map anew, for which the picture would have to wait.
            self._is_mark_due = True
            self._document.add_timeout_callback(self._mark, MARKED_EVERY)

    def _go_to(self, latents: np.ndarray, about: str) -> None:
        """Decode a point, and move the sliders there."""
        self._latents, self._about = np.array(latents, np.float32), about
        self._is_moving = True
        for index, each in self._sliders.items():
            value = float(latents[index])
            each.update(start=min(each.start, value), end=max(each.end, value), value=value)
        self._is_moving = False
        self._show()
        self._mark()

    def _show(self) -> None:
        self._is_due = False
        image = self._explorer.decode(self._latents)
        self._picture.text = thumbnails.tag(
            thumbnails.uri(image), image.shape, PICTURE, "the decoded point"
        )
        where = f'<span style="{SAID}">{html.escape(self._about)}</span>'
        if self._where.text != where:
            self._where.text = where

    # The map ------------------------------------------------------------------------------------

    def _map_parts(self) -> dict[str, Any]:
        self._chart = made = chart(self._atlas, with_tsne=False)
        _on_change(made.kinds, "active", self._switched)
        parts = {"controls": made.controls, "map": made.figure, "legend": made.legend}
        if self._can_point:
            for each in made.across, made.up:
                _on_change(each, "value", self._switched)
            self._here = ColumnDataSource({"x": [], "y": []})
            self._line = ColumnDataSource({"x": [], "y": []})
            made.figure.line("x", "y", source=self._line, line_color="#1f2933", line_width=2)
            made.figure.scatter(
                "x", "y", source=self._here, size=17, fill_color=None, line_color="#ffffff",
                line_width=5,
            )  # fmt: skip
            made.figure.scatter(
                "x", "y", source=self._here, size=17, fill_color=None, line_color="#1f2933",
                line_width=2,
            )  # fmt: skip
            draw = CustomJS(args={"line": self._line}, code=LINE)
            for event in "panstart", "pan":
                made.figure.js_on_event(event, draw)
            made.figure.on_event(Tap, self._tapped)
            made.figure.on_event(PanStart, self._drag_began)
            made.figure.on_event(PanEnd, self._drag_ended)
            self._way = Div(width=WIDTH, height=88, disable_math=True, margin=(6, 0, 0, 0))
            self._say_way("Click to decode a point. Drag to decode what lies between two.")
            parts["way"] = self._way
        return parts

    def _switched(self) -> None:
        assert self._chart is not None
        if self._chart.view.kind == TSNE and not self._chart.is_drawn:
            self._chart.figure.title.text = "t-SNE is computed. This may take a minute."
            self._document.add_next_tick_callback(self._compute_tsne)
        else:
            self._chart.figure.title.text = ""
        if self._can_point:
            # The line of the last drag is one of another map.
            self._line.data = {"x": [], "y": []}
            self._mark()

    @without_document_lock
    async def _compute_tsne(self) -> None:
        plane = await IOLoop.current().run_in_executor(self._workers, lambda: self._atlas.tsne)

        def show() -> None:
            assert self._chart is not None
            self._chart.source.data.update(dict(zip(axes_of(TSNE), plane.T, strict=True)))
            self._chart.figure.title.text = ""
            self._mark()

        # Nobody is told if the visitor has left.
        if self._document.session_context:
            self._document.add_next_tick_callback(show)

    def _mark(self) -> None:
        """Mark the decoded point on the map."""
        self._is_mark_due = False
        if self._chart is None or not self._can_point:
            return
        place = (math.nan, math.nan)
        if self._chart.is_drawn:
            place = self._atlas.place(self._chart.view, self._latents)
        self._here.data = {"x": [place[0]], "y": [place[1]]}

    def _at(self, x: float, y: float) -> tuple[np.ndarray, str]:
        """The latents of a point of the map, and what they are: an image's, if there is one."""
        assert self._chart is not None
        plot, view = self._chart.figure, self._chart.view
        reach = tuple(
            NEAR * (axis.end - axis.start) / max(1, pixels)
            for axis, pixels in (
                (plot.x_range, plot.inner_width),
                (plot.y_range, plot.inner_height),
            )
        )
        image = self._atlas.hit(view, (x, y), reach)
        if image is not None:
            assert self._atlas.means is not None
            return self._atlas.means[image], str(self._atlas.names[image])
        latents = self._atlas.latents_at(view, (x, y), self._latents)
        if view.kind == TSNE:
            return latents, "the image that is nearest on the map"
        names = zip(view.axes, (x, y), strict=True)
        return latents, ", ".join(f"{name} {value:.2f}" for name, value in names if name != ELBO)

    def _tapped(self, event: Tap) -> None:
        assert self._chart is not None
        if self._chart.is_drawn:
            self._go_to(*self._at(event.x, event.y))

    def _drag_began(self, event: PanStart) -> None:
        self._begin = event.x, event.y

    def _drag_ended(self, event: PanEnd) -> None:
        assert self._chart is not None
        if not self._chart.is_drawn:
            return
        (first, start), (last, end) = self._at(*self._begin), self._at(event.x, event.y)
        grid = figures.tile(self._explorer.between(first, last, STEPS), STEPS)
        self._say_way(f"From {start} to {end}, decoded on the straight way.", thumbnails.uri(grid))
        self._go_to(last, end)

    def _say_way(self, text: str, picture: str = "") -> None:
        shown = f'<img src="{picture}" alt="the way" style="max-width: 100%">' if picture else ""
        self._way.text = f'{shown}<div style="{SAID}">{html.escape(text)}</div>'

    # A picture of one's own ---------------------------------------------------------------------

    def _own_parts(self) -> dict[str, Any]:
        upload = ColumnDataSource({"name": [], "content": [], "problem": []}, name="upload")
        _on_change(upload, "data", partial(self._dropped, upload))
        # As a tag it is a part of the document without being drawn.
        self._own = Div(width=RIGHT, disable_math=True, margin=(8, 0, 0, 0), tags=[upload])
        self._say_own("Here you will see what the model says of it.")
        return {"own": self._own}

    def _dropped(self, upload: ColumnDataSource) -> None:
        name, content, problem = (upload.data[key][0] for key in ("name", "content", "problem"))
        if problem:
            self._say_own(f"{name}: {problem}", is_problem=True)
            return
        self._say_own(f"{name} is read …")
        # In the next tick, so that this is seen.
        self._document.add_next_tick_callback(partial(self._take, name, content))

    def _take(self, name: str, content: str) -> None:
        try:
            own = self._explorer.own(base64.b64decode(content), name)
        except (KvaeError, OSError) as error:
            self._say_own(str(error), is_problem=True)
            return
        self._own.text = _told(own, name, self._atlas.latents)
        if own.latents is not None and self._can_point:
            self._go_to(own.latents, name)

    def _say_own(self, text: str, is_problem: bool = False) -> None:
        style = "color: #b3261e" if is_problem else SAID
        self._own.text = f'<div style="{style}">{html.escape(text)}</div>'

    # Samples ------------------------------------------------------------------------------------

    def _sample_parts(self) -> dict[str, Any]:
        self._sampled = Div(width=RIGHT, disable_math=True, margin=(4, 0, 0, 0))
        where = [PRIOR, POINT] if self._explorer.decodes else [PRIOR]
        self._from = RadioButtonGroup(
            labels=where, active=0, width=80 * len(where), margin=0, name="from"
        )
        self._seed = Spinner(
            low=0, high=2**31 - 1, step=1, value=0, mode="int", width=60, margin=0, name="seed"
        )
        self._spread = Slider(
            start=0.05, end=1.5, step=0.05, value=0.3, width=RIGHT - 8, margin=(6, 4, 0, 4),
            title="standard deviation, in those of the prior", bar_color="#0072b2", name="spread",
            visible=False,
        )  # fmt: skip
        button = Button(label="Sample", button_type="primary", width=62, margin=0, name="sample")
        button.on_click(self._sample)
        _on_change(self._from, "active", self._sample)
        _on_change(self._seed, "value", self._sample)
        _on_change(self._spread, "value_throttled", self._sample)
        seed = Div(text="seed", styles={"line-height": "32px"}, margin=(0, 0, 0, 4))
        controls = row(self._from, seed, self._seed, button, spacing=4)
        self._sample()
        return {"samples": column(controls, self._spread, self._sampled)}

    def _sample(self) -> None:
        # The field of the seed can be empty.
        seed = int(self._seed.value or 0)
        is_near = self._from.labels[self._from.active] == POINT
        self._spread.visible = is_near
        if is_near:
            images = self._explorer.near(self._latents, self._spread.value, COUNT, seed)
            about = f"{COUNT} samples near {self._about}, seed {seed}"
        else:
            images = self._explorer.samples(COUNT, seed)
            about = f"{COUNT} samples from the prior, seed {seed}"
        self._sampled.text = samples_html(images, about)


def _told(own: Own, name: str, latents: Sequence[Latent]) -> str:
    """The HTML of what a model says of a picture."""

    def shown(image: np.ndarray, caption: str, side: int) -> str:
        picture = thumbnails.tag(thumbnails.uri(image), image.shape, side, caption)
        return f'<figure style="{FIGURE}">{picture}<figcaption>{caption}</figcaption></figure>'

    lines = [f"<b>{html.escape(name)}</b>"]
    if own.elbo is not None and own.percentile is not None:
        lines[0] += (
            f": ELBO {own.elbo:.1f} nats, above that of {own.percentile:.0f} % of the validation "
            "images"
        )
    lines += [html.escape("; ".join(own.notes))] if own.notes else []
    pictures = shown(own.image, "input", SMALL)
    if own.reconstruction is not None:
        pictures += shown(own.reconstruction, "reconstruction", SMALL)
    if own.latents is not None:
        numbers = "".join(
            f"<span>{each.name} {own.latents[each.index]:.2f}</span>" for each in latents
        )
        pictures += f'<div class="latents" style="{GRID}">{numbers}</div>'
    parts = [f"<div>{line}</div>" for line in lines]
    parts.append(f'<div style="{ROW}; margin: 6px 0">{pictures}</div>')
    if own.neighbours:
        near = "".join(
            shown(each.image, f"{html.escape(Path(each.name).name)}<br>{each.distance:.2f}", TINY)
            for each in own.neighbours
        )
        parts.append(
            "<div>nearest training images, and how far their latents are</div>"
            f'<div style="{ROW}; margin-top: 4px">{near}</div>'
        )
    return f'<div style="{SAID}">{"".join(parts)}</div>'


def serve(explorer: Explorer, server: Server) -> None:
    """Serve the page until the process ends.

    Args:
        explorer: The model.
        server: Where it is served.
    """
    workers = ThreadPoolExecutor(1)

    def fill(document: Document) -> None:
        Page(explorer, document, workers)

    server.run(fill)
