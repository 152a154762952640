"""The page as one file that needs no server: its decoded pictures are computed beforehand."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import CustomJS, Div, Model, Slider
from bokeh.resources import INLINE

from kvae.explore import thumbnails
from kvae.explore.atlas import TSNE, Atlas, Latent
from kvae.explore.chart import chart
from kvae.explore.explorer import Explorer
from kvae.explore.page import PICTURE, slider, template, variables
from kvae.figures.grids import to_uint8
from kvae.io.files import atomic_file
from kvae.progress import Progress, silent

STEPS = 21
"""How many values a slider has."""

MOVE = """
const place = (s) => Math.round((s.value - s.start) / s.step)
const places = sliders.map(place)
const row = together ? places[0] * STEPS + places[1] : sliders.indexOf(cb_obj) * STEPS + place(cb_obj)
picture.text = before + pictures[row] + after
"""
"""Shows the picture of the sliders' values. The pictures of one slider follow those of the other."""


def export(explorer: Explorer, path: Path, progress: Progress = silent) -> None:
    """Write the page. The write is atomic.

    The page has the map and sliders. If two latents are in use, there is a picture for every pair
    of values on the sliders; otherwise a slider shows its latent alone, and the others are those of
    the first point.

    Args:
        explorer: The model.
        path: The file to write.
        progress: Shows how much of t-SNE is done.
    """
    parts: dict[str, Any] = {}
    atlas = explorer.atlas
    if TSNE in atlas.kinds:
        atlas.compute_tsne(progress)
    if atlas.kinds:
        made = chart(atlas, with_tsne=True)
        parts |= {"controls": made.controls, "map": made.figure, "legend": made.legend}
    if explorer.decodes:
        parts |= _sliders(explorer)
    roots: list[Model] = []
    for name, part in parts.items():
        part.name = name
        roots.append(part)
    page = file_html(
        roots,
        INLINE,
        f"{explorer.name} · kvae explore",
        template=template(),
        template_variables=variables(explorer, list(parts)),
    )
    with atomic_file(path) as scratch:
        scratch.write_text(page, encoding="utf-8")
