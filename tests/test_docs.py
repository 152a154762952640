"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What contributors are led to write is not there yet.
ALL_PAGES = [*PAGES, *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"))]
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def anchors(page: Path) -> set[str]:
    """What a link may point to in a page, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for file in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (ROOT / file).is_file(), file
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in TESTS, name


def test_every_promise_names_its_test():
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    faults = text.split("## Faults")[1].split("##")[0]
    rows = [line for line in faults.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 7
    assert all(re.search(r"`(tests/[\w/]+\.py|test_\w+)` *(\||,)", row) for row in rows)
    for section in text.split("\n## ")[1:]:
        assert re.search(r"`(tests/[\w/]+\.py|test_\w+)`", section), section.splitlines()[0]
