"""Metadata and dependencies of kvae."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "kvae/__init__.py").read_text("utf-8"))[1]


def description() -> str:
    """The README, without the links and pictures that lead to other files of the repository."""
    text = (HERE / "README.md").read_text("utf-8")
    text = re.sub(r"!\[([^]]+)\]\((?!\w+:)[^)]+\)", r"[Picture: \1]", text)
    return re.sub(r"\[([^]]+)\]\((?!\w+:)[^)]+\)", r"\1", text)


setup(
    name="kvae",
    version=VERSION,
    description="Variational autoencoders that work, with Keras 3 and TensorFlow Probability",
    long_description=description(),
    long_description_content_type="text/markdown",
    author="The kvae authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        # Those that the tests were run with.
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # The commands live in cli/ but install as kvae_cli, so that no package called "cli" lands in
    # a user's site-packages.
    packages=[*find_packages(include=["kvae", "kvae.*"]), "kvae_cli"],
    package_dir={"kvae_cli": "cli"},
    package_data={
        "kvae": ["py.typed"],
        "kvae.explore": ["*.html"],
        "kvae.data.frey_faces": ["*.md", "*.bib", "*.txt", "*.tsv"],
    },
    install_requires=[
        "tensorflow>=2.21,<3",
        "tensorflow-probability[tf]>=0.25,<1",
        # Earlier versions cannot restore a dataset with protobuf 7.
        "tensorflow-datasets>=4.9.10,<5",
        # tensorflow-datasets imports importlib_resources without requiring it.
        "importlib_resources>=6",
        # TensorFlow 2.21 no longer brings tensorboard along.
        "tensorboard>=2.20,<3",
        # With Keras 3.10, 3.12 and 3.14, TensorFlow crashed while models of pixels drew samples.
        "keras>=3.15,<4",
        # pyarrow and pandas no longer have wheels for earlier versions.
        "numpy>=2.0,<3",
        "matplotlib>=3.9,<4",
        "click>=8.2,<9",
        "scikit-learn>=1.6,<2",
        # scikit-learn's own means of running things side by side, and of limiting its threads.
        "joblib>=1.4,<2",
        "threadpoolctl>=3.1,<4",
        "tqdm>=4.66,<5",
        # How much memory is free, on any system. TensorFlow Datasets brings it anyway.
        "psutil>=5.9,<8",
        # Windows cannot lock folders.
        'filelock>=3.16,<5; sys_platform == "win32"',
        # Its wheels read AVIF from this version on.
        "Pillow>=11.3,<14",
        # The page of `kvae reproduce`, from its Markdown. TensorBoard brings it anyway.
        "markdown>=3.5,<4",
    ],
    extras_require={
        # Clusters that joblib hands the runs of a sweep to.
        "ray": ["ray>=2.40,<3"],
        "dask": ["distributed>=2024.10"],
        # The page of `kvae explore`. Bokeh's server is Tornado.
        "explore": ["bokeh>=3.8,<4"],
        "gpu": ["tensorflow[and-cuda]>=2.21,<3"],
        # The site that `tox -e docs` builds from docs/: Sphinx, its theme, Markdown with notebooks
        # that are run, and what reads notebooks that are Python files.
        "docs": [
            "sphinx>=8,<10",
            "furo>=2025.7",
            "myst-nb>=1.3,<2",
            "jupytext>=1.17,<2",
        ],
        "test": [
            "pytest>=8.4,<10",
            "pytest-xdist>=3.5,<4",
            # A test builds the package, with the setuptools that is installed.
            "build>=1.2,<2",
            "setuptools>=77",
            # TFDS's test case of dataset builders imports dill.
            "dill>=0.3.8",
            # What Windows locks folders with is tested on other systems, too.
            "filelock>=3.16,<5",
            "hypothesis>=6.100,<7",
            # The tables that scikit-learn's checks of estimators ask for.
            "pandas>=2.2.2",
            "polars>=1",
        ],
    },
    entry_points={"console_scripts": ["kvae = kvae_cli.main:main"]},
)
