"""What the documentation names is there, and its commands and its code are right.

`tox -e docs` builds the site, runs the code blocks by docs/check.py, and tests the links of the
site: SITE is its folder then.
"""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "saved_models/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.py"))
SITE = os.environ.get("KVAE_SITE")
LANGUAGES = {"", "sh", "python", "{eval-rst}", "{toctree}"}
# What contributors are led to write is not there yet.
ALL_PAGES = [*PAGES, *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"))]
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def anchors(page: Path) -> set[str]:
    """What a link may point to in a page, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def assert_is_address(link: str) -> None:
    """External links are not fetched here; `tox -e docs-links` does that."""
    parts = urlsplit(link)
    assert parts.scheme in ("https", "http", "mailto"), link
    assert parts.scheme == "mailto" or re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", parts.netloc), link


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    prose = check.FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"\w+:", link):
            assert_is_address(link)
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


def _check_module():
    spec = importlib.util.spec_from_file_location("check", ROOT / "docs/check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = _check_module()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_code_can_be_parsed(page):
    assert check.parse_page(page) == []
    assert {block.language for block in check.blocks(page)} <= LANGUAGES


def test_a_block_after_a_directive_is_found(tmp_path):
    page = tmp_path / "page.md"
    directive = "```{eval-rst}\n.. autofunction:: kvae.build\n```"
    page.write_text(f"{directive}\n\n```python\nx = 1\n```\n", encoding="utf-8")
    assert [(block.language, block.line) for block in check.blocks(page)] == [
        ("{eval-rst}", 2),
        ("python", 6),
    ]


def test_tutorials_are_run():
    tutorials = [page for page in check.PAGES if check.is_tutorial(page)]
    assert len(tutorials) >= 8
    for page in tutorials:
        assert check.has_to_run(page), page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```sh\nkvae trian\n```", "no command trian"),
        ("```sh\nls && kvae train --latnet 5  # a comment\n```", "No such option"),
        ("```sh\nkvae train --latent 0\n```", "latent"),
        ("```sh\nTF_CONFIG=x kvae train \\\n    --family wea\n```", "wea"),
        ("```sh\nkvae encode\n```", "Missing argument"),
        ("- A list\n\n  ```sh\n  kvae train --oops\n  ```", "No such option"),
        ("<!-- not run: it is only parsed -->\n```python\nx = = 1\n```", "invalid syntax"),
        ("Inline `kvae list | head` and `kvae train --name NAME\n--oops 1`.", "no option --oops"),
    ],
)
def test_what_is_wrong_in_a_page_is_found(tmp_path, text, said):
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}\n", encoding="utf-8")
    assert said in "\n".join(check.parse_page(page))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```sh\ntrue\n```\n\n```sh\nls missing-file\n```", "missing-file"),
        ("```sh\nkvae sample missing-model\n```", "missing-model"),
        ("```python\nx = 1\n```\n\n```python\nassert x == 2\n```", "AssertionError"),
    ],
)
def test_a_tutorial_that_fails_is_found(tmp_path, text, said):
    page = tmp_path / "docs/tutorials/page.md"
    page.parent.mkdir(parents=True)
    page.write_text(f"# Page\n\n{text}\n", encoding="utf-8")
    command = [sys.executable, ROOT / "docs/check.py", page]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert said in done.stdout


def test_a_block_that_is_marked_is_not_run(tmp_path):
    page = tmp_path / "docs/tutorials/page.md"
    page.parent.mkdir(parents=True)
    marked = "<!-- not run: it would fail -->\n```sh\nfalse\n```\n\n```sh\necho right > file\n```\n"
    page.write_text(f"# Page\n\n{marked}", encoding="utf-8")
    subprocess.run([sys.executable, ROOT / "docs/check.py", page], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(notebook, tmp_path):
    variables = {**os.environ, "MPLBACKEND": "Agg"}
    subprocess.run([sys.executable, notebook], cwd=tmp_path, env=variables, check=True)


class _Page(HTMLParser):
    """The addresses that a page of the site leads to, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.anchors = set[str](), set[str]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        self.links |= {found[name] for name in ("href", "src") if found.get(name)}


@pytest.mark.skipif(not SITE, reason="tox -e docs builds the site")
def test_links_of_the_site_lead_somewhere():
    pages = {path.resolve(): _Page(path) for path in Path(SITE).rglob("*.html")}
    assert len(pages) > 30
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"\w+:", link):
                if not link.startswith("data:"):
                    assert_is_address(link)
                continue
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            anchor = unquote(parts.fragment)
            assert not anchor or target not in pages or anchor in pages[target].anchors, (
                f"{path.name}: {link}"
            )
