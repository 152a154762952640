"""The page as one file that needs no server: its decoded pictures are computed beforehand."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import CustomJS, Div, Slider
from bokeh.resources import INLINE

from kvae.explore import thumbnails
from kvae.explore.atlas import Latent
from kvae.explore.chart import chart
from kvae.explore.explorer import Explorer
from kvae.explore.page import (
    COUNT,
    MUTED,
    PICTURE,
    RIGHT,
    samples_html,
    slider,
    template,
    variables,
)
from kvae.figures.grids import to_uint8
from kvae.io.files import atomic_file

STEPS = 21
"""How many values a slider has."""

MOVE = """
const place = (s) => Math.round((s.value - s.start) / s.step)
const row = together ? place(sliders[0]) * STEPS + place(sliders[1])
                     : sliders.indexOf(cb_obj) * STEPS + place(cb_obj)
picture.text = before + pictures[row] + after
"""
"""Shows the picture of what the sliders say."""


def export(explorer: Explorer, path: Path) -> None:
    """Write the page. The write is atomic.

    It has the map, the sliders and samples. If the model has two latents, there is a picture for
    every pair of values on their sliders. Otherwise a slider shows what its latent alone changes in
    the first point.

    Args:
        explorer: The model.
        path: The file to write.
    """
    atlas = explorer.atlas
    parts: dict[str, Any] = {}
    if atlas.kinds:
        made = chart(atlas, with_tsne=True)
        parts |= {"controls": made.controls, "map": made.figure, "legend": made.legend}
    if explorer.decodes:
        parts |= _point_parts(explorer)
    if explorer.generates:
        text = samples_html(explorer.samples(COUNT, 0), f"{COUNT} samples from the prior, seed 0")
        parts["samples"] = Div(text=text, width=RIGHT, disable_math=True, margin=0)
    for name, part in parts.items():
        part.name = name
    page = file_html(
        list(parts.values()),
        INLINE,
        f"{explorer.name} · kvae explore",
        template=template(),
        template_variables=variables(explorer, list(parts)),
    )
    with atomic_file(path) as scratch:
        scratch.write_text(page, encoding="utf-8")


def _point_parts(explorer: Explorer) -> dict[str, Any]:
    """The decoded picture, and sliders with a picture for each of their values."""
    atlas = explorer.atlas
    together = len(atlas.latents) == 2 and not atlas.others
    sliders = [_coarse(each, float(atlas.start[each.index])) for each in atlas.latents]
    values = [np.linspace(each.start, each.end, STEPS) for each in sliders]
    indices = [each.index for each in atlas.latents]
    if together:
        latents = np.tile(atlas.start, (STEPS * STEPS, 1))
        latents[:, indices] = np.stack(np.meshgrid(*values, indexing="ij"), axis=-1).reshape(-1, 2)
        note = ""
        first = atlas.start.copy()
        first[indices] = [each.value for each in sliders]
    else:
        latents = np.tile(atlas.start, (len(sliders) * STEPS, 1))
        for row, (index, each) in enumerate(zip(indices, values, strict=True)):
            latents[row * STEPS : (row + 1) * STEPS, index] = each
        first = atlas.start
        point = str(atlas.names[0]) if atlas.can_walk else "the prior's mean"
        note = f"Each slider alone, from {point}"
    images = to_uint8(explorer.decode_all(latents))
    before, after = thumbnails.tag("|", images.shape[1:], PICTURE, "the decoded point").split("|")
    picture = Div(
        text=before + thumbnails.uri(explorer.decode(first)) + after,
        width=PICTURE,
        height=thumbnails.displayed(images.shape[1:], PICTURE)[0],
        disable_math=True,
        margin=0,
    )
    move = CustomJS(
        args={
            "sliders": sliders,
            "pictures": thumbnails.thumbnails(images),
            "picture": picture,
            "before": before,
            "after": after,
            "together": together,
            "STEPS": STEPS,
        },
        code=MOVE,
    )
    for each in sliders:
        each.js_on_change("value", move)
    about = Div(text=note, width=PICTURE, disable_math=True, margin=(4, 0, 0, 0), styles=MUTED)
    return {"point": column(picture, about), "sliders": column(*sliders)}


def _coarse(latent: Latent, value: float) -> Slider:
    """A slider of few values, which stands at that nearest to a number."""
    step = (latent.high - latent.low) / (STEPS - 1)
    place = round((value - latent.low) / step)
    return slider(dataclasses.replace(latent, step=step), latent.low + place * step)
