"""Check the code blocks of the documentation.

    python docs/check.py                            all pages, several at a time
    python docs/check.py docs/getting-started.md    some pages

There are two kinds of pages:

- Tutorials (`TUTORIALS`): every block of `sh` and `python` is run, in order, in an empty folder.
- All others: the commands of kvae are parsed, and nothing is trained. Python is run.

A block below the comment `<!-- not run: WHY -->` is not run: its commands are parsed, and its
Python is compiled. The Python blocks of a page share their variables.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "saved_models/README.md", *sorted(ROOT.glob("docs/**/*.md"))]
TUTORIALS = ("getting-started.md", "own-pictures.md", "tutorials/*.md")
FENCE = re.compile(r"^( *)```([^`\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: (?:(?!-->).)+-->\s*$", re.DOTALL)
JOBS = 2
TIMED = "processor time "


class Block(NamedTuple):
    """A code block of a page: its language, its text, its first line, and whether it is run."""

    language: str
    text: str
    line: int
    is_run: bool


def is_tutorial(page: Path) -> bool:
    """Whether every block of a page is run."""
    return any(page.match(f"docs/{pattern}") for pattern in TUTORIALS)


def blocks(page: Path) -> Iterator[Block]:
    """The code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start(3)) + 1
        is_run = not NOT_RUN.search(text[: found.start()])
        yield Block(found[2], textwrap.dedent(found[3]), line, is_run)


def commands(script: str) -> Iterator[list[str]]:
    """The commands of a shell script, each a list of words, without variables before them."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        command: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set(";&|"):
                if command:
                    yield command
                command = []
            elif command or not re.match(r"\w+=", word):
                command.append(word)


def inline_commands(page: Path) -> Iterator[list[str]]:
    """The commands of kvae within the sentences of a page. Their values may be placeholders."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for code in re.findall(r"`(kvae [a-z][^`]*)`", prose):
        yield from (words for words in commands(code.replace("\n", " ")) if words[0] == "kvae")


def _command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command that words call, and the words that remain for it."""
    from kvae_cli.main import cli

    command: Any = cli
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        command = command.get_command(click.Context(command), name)
        if command is None:
            raise click.UsageError(f"there is no command {name}")
    return command, rest


def parse(words: list[str]) -> None:
    """Parse a command of kvae, with its options and their values, and run nothing.

    Raises:
        click.ClickException: The command or an option does not exist, or a value is not allowed.
    """
    command, rest = _command(words)
    command.make_context(" ".join(words[:2]), rest)


def check_options(words: list[str]) -> None:
    """Check that the options of a command of kvae exist, whatever their values are.

    Raises:
        click.ClickException: The command or an option does not exist.
    """
    command, rest = _command(words)
    known = {name for param in command.params for name in [*param.opts, *param.secondary_opts]}
    for word in rest:
        if word.startswith("-") and word.split("=")[0] not in {*known, "--help"}:
            raise click.UsageError(f"{words[1]} has no option {word}")


def parse_page(page: Path) -> list[str]:
    """What is wrong with the commands and the Python of a page; nothing is run."""
    wrong = []
    for block in blocks(page):
        try:
            if block.language == "python":
                compile(block.text, str(page), "exec")
            elif block.language == "sh":
                for words in commands(block.text):
                    if words[0] == "kvae":
                        parse(words)
        except (click.ClickException, SyntaxError, ValueError) as error:
            is_clicks = isinstance(error, click.ClickException)
            message = error.format_message() if is_clicks else error
            wrong.append(f"{page}:{block.line}: {message}")
    for words in inline_commands(page):
        try:
            check_options(words)
        except click.ClickException as error:
            wrong.append(f"{page}: `{shlex.join(words)}`: {error.message}")
    return wrong


def run_script(script: str) -> None:
    """Run a shell script, in the current folder.

    Where it has nothing but commands of kvae, they are run in this process, which imports
    TensorFlow once for all of them.

    Raises:
        subprocess.CalledProcessError: A command failed.
        click.ClickException: A command of kvae failed.
    """
    calls = list(commands(script))
    if any(words[0] != "kvae" or set("".join(words)) & set("<>$*(){}") for words in calls):
        subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True)
        return
    from kvae_cli import main, startup

    for words in calls:
        code = main.cli.main(words[1:], prog_name="kvae", standalone_mode=False)
        if code:
            raise subprocess.CalledProcessError(code, words)
        # It sets what a process needs once.
        startup.install = lambda: None


def run_page(page: Path) -> None:
    """Run the blocks of a page, in the current folder.

    Raises:
        Exception: Whatever a command or a Python block raises.
    """
    variables: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if not block.is_run:
            continue
        if block.language == "python":
            # Lines are numbered as they are in the page.
            code = "\n" * (block.line - 1) + block.text
            exec(compile(code, str(page), "exec"), variables)
        elif block.language == "sh" and is_tutorial(page):
            print(f"{page.name}:{block.line}", flush=True)
            run_script(block.text)


def has_to_run(page: Path) -> bool:
    """Whether some block of a page is run."""
    languages = {block.language for block in blocks(page) if block.is_run}
    return "python" in languages or (is_tutorial(page) and "sh" in languages)


def run(pages: list[Path]) -> str:
    """Run the blocks of pages in a process of their own; returns what it printed if it failed."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = {"PATH": paths, "MPLBACKEND": "Agg", "TF_NUM_INTRAOP_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--here", *pages],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    times = [line for line in done.stdout.splitlines() if line.startswith(TIMED)]
    print("\n".join(times), flush=True)
    return done.stdout if done.returncode else ""


def main(arguments: list[str]) -> int:
    """Check pages, and print what is wrong."""
    if arguments[:1] == ["--here"]:
        for page in map(Path, arguments[1:]):
            begin = time.process_time()
            run_page(page)
            print(f"{TIMED}{time.process_time() - begin:6.1f} s  {page}", flush=True)
        return 0
    pages = [Path(argument).resolve() for argument in arguments] or PAGES
    wrong = [each for page in pages for each in parse_page(page)]
    if not wrong:
        to_run = [page for page in pages if has_to_run(page)]
        # One process imports TensorFlow for all pages that train little.
        others = [page for page in to_run if not is_tutorial(page)]
        groups = [others] * bool(others) + [[page] for page in to_run if is_tutorial(page)]
        with ThreadPoolExecutor(JOBS) as pool:
            wrong = [each for each in pool.map(run, groups) if each]
    print("\n".join(wrong) or f"{len(pages)} pages are right.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
