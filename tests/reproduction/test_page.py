"""The report states each finding, and its HTML page needs no other file."""

import base64
import re

import numpy as np
import pytest

from kvae import figures
from kvae.reproduction import page
from kvae.reproduction.claim import Claim, Finding, Part, Spread, Table

CLAIM = Claim("mine", "A claim", "a report", "All | is well.", lambda budget: [], None)


def command(claim):
    return f"measure {claim.name}"


def finding(*holds, **more):
    return Finding([Part("it is so", "1.5 nats", each, "a | reason") for each in holds], 2, **more)


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        ((True, True), "reproduced"),
        ((True, None), "reproduced"),
        ((True, False), "refined"),
        ((False, None), "not reproduced"),
        ((None,), "not measured"),
    ],
)
def test_verdict(holds, verdict):
    assert finding(*holds).verdict == verdict


def test_spread():
    assert str(Spread([1.0, 2.0, 3.0])) == "2.00 ± 1.00"
    assert Spread([1.25]).format(1) == "1.2"


def test_the_page_has_everything_inside(tmp_path):
    picture = figures.picture(np.zeros((20, 20, 1), np.uint8), "black")
    found = finding(
        True, False, tables=[Table(["a"], [["0.25"]])], pictures={"Nothing to see": picture}
    )
    path = page.write(tmp_path / "report", {CLAIM: found}, ["First."], command)
    text = (tmp_path / "report" / "README.md").read_text()
    (name,) = re.findall(r"!\[Nothing to see\]\((.+)\)", text)
    drawn = (tmp_path / "report" / name).read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert "`measure mine` measures it again." in text
    assert "| [mine](#mine) | All &#124; is well. | 2 | **refined** |" in text
    assert "Our reading, where *it is so* does not hold: a | reason." in text
    html = path.read_text()
    (inside,) = re.findall(r'<img [^>]*src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(inside) == drawn
    assert 'href="#mine"' in html
    assert '<h2 id="mine">' in html
    assert "<td>0.25</td>" in html
    assert not re.findall(r'(src|href)="(?!#|data:)', html)


def test_no_reading_where_it_holds(tmp_path):
    page.write(tmp_path, {CLAIM: finding(True, None)}, [], command)
    assert "Our reading" not in (tmp_path / "README.md").read_text()
