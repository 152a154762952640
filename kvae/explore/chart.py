"""The map of the page: test images as dots, with the picture under the pointer."""

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh import palettes
from bokeh.layouts import row
from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    DataRange1d,
    Div,
    HoverTool,
    RadioButtonGroup,
    Select,
    WheelZoomTool,
)
from bokeh.plotting import figure as new_figure

from kvae.explore import thumbnails
from kvae.explore.atlas import ELBO, LATENT_MAP, PCA, TSNE, Atlas, View, axes_of
from kvae.figures.style import BLUE

WIDTH, HEIGHT = 530, 530
SHOWN = 112
"""The longer side of the picture under the pointer, in pixels, at most."""
LABEL = "label"
MOST = 20
"""The largest number of labels in the legend."""
BAR = "linear-gradient(to right, {})"

SWITCH = """
const two = kinds.labels[kinds.active] === LATENTS
const [x, y] = two ? [across.value, up.value] : planes[kinds.labels[kinds.active]]
dots.glyph.x = {field: x}
dots.glyph.y = {field: y}
figure.below[0].axis_label = titles[x]
figure.left[0].axis_label = titles[y]
across.visible = two
up.visible = two
figure.reset.emit()
"""
"""Shows another map, in the browser alone. The ranges follow the dots."""

COLOUR = """
const name = colours.labels[colours.active]
dots.glyph.fill_color = {field: 'colour by ' + name}
legend.text = legends[name]
"""


@dataclass(frozen=True, eq=False)
class Chart:
    """The map, and what changes it.

    Attributes:
        figure: The plot.
        source: A row for each image.
        kinds: Which kind of map is shown.
        across: The horizontal axis of a map of two latents.
        up: Its vertical axis.
        controls: All of the above but the plot, and the choice of colours.
        legend: What the colours mean.
    """

    figure: Any
    source: ColumnDataSource
    kinds: RadioButtonGroup
    across: Select
    up: Select
    controls: Any
    legend: Div

    @property
    def view(self) -> View:
        """What is shown."""
        kind = self.kinds.labels[self.kinds.active]
        return View(kind, self.across.value, self.up.value)

    @property
    def is_drawn(self) -> bool:
        """Whether the dots have places: those of t-SNE are computed when they are asked for."""
        return not np.isnan(self.source.data[self.view.axes[0]][0])


def chart(atlas: Atlas, with_tsne: bool) -> Chart:
    """The map of an atlas.

    Args:
        atlas: Test images, and where they are.
        with_tsne: Whether t-SNE is computed at once. Otherwise its columns are NaN.
    """
    source = ColumnDataSource(_columns(atlas, with_tsne))
    axes = atlas.axes
    first, second = axes[0], axes[min(1, len(axes) - 1)]
    titles = _titles(atlas)
    zoom = WheelZoomTool(visible=False)
    figure: Any = new_figure(
        width=WIDTH,
        height=HEIGHT,
        tools=[zoom, "reset"],
        active_drag=None,
        active_scroll=zoom,
        toolbar_location="right",
        x_axis_label=titles[first],
        y_axis_label=titles[second],
        x_range=DataRange1d(range_padding=0.06),
        y_range=DataRange1d(range_padding=0.06),
        outline_line_color=None,
        margin=(6, 0, 0, 0),
        background_fill_color="#fafbfc",
        border_fill_color="#ffffff",
    )
    figure.toolbar.logo = None
    figure.stylesheets = [".bk-Canvas { --outline-width: 0 }"]
    figure.grid.grid_line_color = "#e9edf1"
    for axis in figure.axis:
        axis.update(
            axis_line_color="#b8c0c8",
            major_tick_line_color="#b8c0c8",
            minor_tick_line_color=None,
            axis_label_text_font_style="normal",
            axis_label_text_color="#3c4650",
            major_label_text_color="#5c6670",
        )
    colours = [name for name in (LABEL, ELBO) if f"colour by {name}" in source.data]
    dots = figure.scatter(
        x=first,
        y=second,
        source=source,
        size=float(np.clip(240 / np.sqrt(len(atlas.images)), 5, 10)),
        fill_color=f"colour by {colours[0]}" if colours else BLUE,
        fill_alpha=0.75,
        line_color="#ffffff",
        line_width=0.4,
        nonselection_fill_alpha=0.75,
        hover_line_color="#1f2933",
        hover_line_width=1.5,
    )
    figure.x_range.renderers = figure.y_range.renderers = [dots]
    figure.add_tools(
        HoverTool(renderers=[dots], tooltips=_tooltip(atlas, source), limit=1, visible=False)
    )

    kinds = RadioButtonGroup(labels=atlas.kinds, active=0, width=62 * len(atlas.kinds), margin=0)
    across = Select(options=axes, value=first, width=66, margin=0, name="across")
    up = Select(options=axes, value=second, width=66, margin=0, name="up")
    switch = CustomJS(
        args={
            "kinds": kinds,
            "across": across,
            "up": up,
            "dots": dots,
            "figure": figure,
            "titles": titles,
            "planes": {kind: axes_of(kind) for kind in atlas.kinds if kind != LATENT_MAP},
        },
        code=SWITCH.replace("LATENTS", repr(LATENT_MAP)),
    )
    kinds.js_on_change("active", switch)
    for each in across, up:
        each.js_on_change("value", switch)
    legends = {name: _legend(atlas, name) for name in colours}
    legend = Div(
        text=legends[colours[0]] if colours else "",
        width=WIDTH,
        disable_math=True,
        margin=(2, 0, 0, 0),
    )
    shades = RadioButtonGroup(
        labels=colours, active=0, width=56 * len(colours), margin=0, name="colours"
    )
    shades.js_on_change(
        "active",
        CustomJS(
            args={"colours": shades, "dots": dots, "legend": legend, "legends": legends},
            code=COLOUR,
        ),
    )
    choices = [kinds, across, up]
    if len(colours) > 1:
        text = Div(text="colour by", margin=(0, 0, 0, 12), styles={"line-height": "32px"})
        choices += [text, shades]
    return Chart(figure, source, kinds, across, up, row(*choices, spacing=8), legend)


def _columns(atlas: Atlas, with_tsne: bool) -> dict[str, Any]:
    """The columns of the dots: axes, colours, and what is under the pointer."""
    columns: dict[str, Any] = {axis: atlas.column(axis) for axis in atlas.axes}
    for kind in atlas.kinds:
        if kind == PCA or (kind == TSNE and with_tsne):
            columns |= {axis: atlas.column(axis) for axis in axes_of(kind)}
        elif kind == TSNE:
            columns |= {axis: np.full(len(atlas.images), np.nan) for axis in axes_of(kind)}
    columns["name"] = list(atlas.names)
    columns["picture"] = atlas.pictures
    if atlas.labels is not None:
        columns[LABEL] = [atlas.label_name(index) for index in range(len(atlas.labels))]
        present = np.unique(atlas.labels)
        palette = _palette(len(present))
        columns[f"colour by {LABEL}"] = [
            palette[place] for place in np.searchsorted(present, atlas.labels)
        ]
    if atlas.elbo is not None:
        # A few images far from the others would take most of the colours.
        low, high = _limits(atlas.elbo)
        shares = np.clip((atlas.elbo - low) / max(high - low, 1e-9), 0, 1)
        columns[f"colour by {ELBO}"] = [
            palettes.Viridis256[round(255 * float(share))] for share in shares
        ]
    return columns


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, (2, 98))
    return float(low), float(high)


def _palette(count: int) -> list[str]:
    """Colours for labels: distinct ones as long as there are enough."""
    if count <= 10:
        return list(palettes.Category10[10])
    if count <= 20:
        return list(palettes.Category20[20])
    return [palettes.Turbo256[round(255 * index / (count - 1))] for index in range(count)]


def _titles(atlas: Atlas) -> dict[str, str]:
    """What stands at each axis."""
    titles = {
        each.name: each.name if each.kl is None else f"{each.name} (KL {each.kl:.2f} nats)"
        for each in atlas.latents
    }
    titles[ELBO] = "ELBO (nats)"
    if PCA in atlas.kinds:
        for axis, share in zip(axes_of(PCA), atlas.shares(), strict=True):
            titles[axis] = f"{axis} ({share:.0%} of the variance)"
    return titles | {axis: axis for axis in axes_of(TSNE)}


def _tooltip(atlas: Atlas, source: ColumnDataSource) -> str:
    height, width = thumbnails.displayed(atlas.images.shape[1:], SHOWN)
    lines = ['<div style="color: #5c6670">@{name}</div>']
    if LABEL in source.data:
        lines.append("<div>label <b>@{label}</b></div>")
    if ELBO in source.data:
        lines.append(f"<div>{ELBO} @{{{ELBO}}}{{0.0}} nats</div>")
    picture = (
        f'<img src="@picture" width="{width}" height="{height}" alt="" class="under-pointer" '
        'style="image-rendering: pixelated; display: block; margin-bottom: 4px">'
    )
    return f'<div style="font: 12px system-ui, sans-serif">{picture}{"".join(lines)}</div>'


def _legend(atlas: Atlas, name: str) -> str:
    if name == ELBO:
        assert atlas.elbo is not None
        low, high = _limits(atlas.elbo)
        bar = BAR.format(", ".join(palettes.Viridis256[::51]))
        return (
            f"ELBO&ensp;{low:.0f}<span style='display: inline-block; width: 180px; height: 10px; "
            f"margin: 0 8px; border-radius: 2px; background: {bar}'></span>{high:.0f} nats"
        )
    assert atlas.labels is not None
    present = np.unique(atlas.labels)
    palette = _palette(len(present))
    named = {atlas.labels[index]: index for index in range(len(atlas.labels))}
    return "".join(
        "<span style='white-space: nowrap; margin-right: 12px'><span style='display: inline-block; "
        f"width: 10px; height: 10px; border-radius: 5px; background: {palette[place]}; "
        f"margin-right: 5px'></span>{html.escape(atlas.label_name(named[label]))}</span>"
        for place, label in enumerate(present[:MOST])
    ) + ("" if len(present) <= MOST else f"and {len(present) - MOST} more")
