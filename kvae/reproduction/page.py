"""Write the report of a reproduction, as Markdown and as a single HTML page."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kvae import figures
from kvae.io.files import atomic_file
from kvae.reproduction.claim import HOLDS, Claim, Finding, Part, Table

PICTURES = Path("pictures")

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem }
th, td { border-bottom: 1px solid #ddd; padding: 0.3rem 0.7rem; text-align: left;
  vertical-align: top; font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto }
blockquote { margin: 1rem 0; padding-left: 1rem; border-left: 4px solid #ccc }
code { font-size: 0.95em }
"""


def summary(findings: Mapping[Claim, Finding]) -> Table:
    """A table with a row for each claim: its name, what was claimed, the seeds, and the verdict.

    Args:
        findings: The finding of each claim, in the order of the report.
    """
    return Table(
        ["claim", "what was claimed", "seeds", "verdict"],
        [
            [claim.name, claim.claimed, str(finding.seeds), finding.verdict]
            for claim, finding in findings.items()
        ],
    )


def write(
    folder: Path,
    findings: Mapping[Claim, Finding],
    preface: Sequence[str],
    command: Callable[[Claim], str],
) -> Path:
    """Write the report as `README.md` with figures beside it, and as `report.html`.

    The HTML page contains its figures and needs no other file.

    Args:
        folder: The folder of the report, which is created if it does not exist.
        findings: The finding of each claim, in the order of the report.
        preface: The paragraphs at the beginning of the report.
        command: Returns the command that measures a claim again.

    Returns:
        The path of the HTML page.
    """
    import markdown

    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(
        [
            "# What reproduces, and what does not",
            *preface,
            _markdown_table(_linked(summary(findings))),
            *(
                _section(claim, finding, folder, command(claim))
                for claim, finding in findings.items()
            ),
        ]
    )
    with atomic_file(folder / "README.md") as scratch:
        scratch.write_text(text + "\n", encoding="utf-8")
    body = markdown.markdown(text, extensions=["tables", "toc"])
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>kvae: what reproduces</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{re.sub(_SOURCE, lambda found: _inside(folder / found[1]), body)}\n</body>\n</html>\n"
    )
    with atomic_file(folder / "report.html") as scratch:
        scratch.write_text(page, encoding="utf-8")
    return folder / "report.html"


_SOURCE = r'src="([^"]+\.png)"'


def _inside(picture: Path) -> str:
    return f'src="data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"'


def _linked(table: Table) -> Table:
    rows = [[f"[{name}](#{name})", *rest, f"**{verdict}**"] for name, *rest, verdict in table.rows]
    return Table(table.head, rows)


def _section(claim: Claim, finding: Finding, folder: Path, command: str) -> str:
    paragraphs = [
        f"## {claim.name}",
        f"**{claim.title}: {finding.verdict}** ({_seeds(finding.seeds)}; claimed in "
        f"{claim.source}).",
        f"> {claim.claimed}",
        _markdown_table(
            Table(
                ["claimed", "measured", "holds"],
                [[part.claimed, part.measured, HOLDS[part.holds]] for part in finding.parts],
            )
        ),
        *(reading for part in finding.parts if (reading := _reading(part))),
        *([finding.summary] if finding.summary else []),
        *(_markdown_table(table) for table in finding.tables),
    ]
    for number, (caption, figure) in enumerate(finding.pictures.items(), 1):
        path = PICTURES / f"{claim.name}-{number}.png"
        figures.save(figure, folder / path)
        paragraphs += [f"![{caption}]({path.as_posix()})", f"*{caption}.*"]
    paragraphs.append(f"`{command}` measures it again.")
    return "\n\n".join(paragraphs)


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def _reading(part: Part) -> str:
    if part.holds is not False or not part.reading:
        return ""
    return f"Our reading, where *{part.claimed}* does not hold: {part.reading}."


def _markdown_table(table: Table) -> str:
    rows = [table.head, ["---"] * len(table.head), *table.rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows
    )
