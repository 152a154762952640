"""What a claim is, what it is measured with, and what is found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, Literal

from kvae.errors import KvaeError
from kvae.io.reading import read_json
from kvae.runs.folders import read_history, read_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kvae.data import Dataset
    from kvae.models.vae.model import VAE

Verdict = Literal["reproduced", "refined", "not reproduced", "not measured"]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Budget:
    """How much is trained for the claims.

    Attributes:
        seeds: Of every setting that the reference report compares.
        mnist: Options of its MNIST runs.
        mnist_fast: Those of MNIST runs that are to get further in as many epochs.
        mnist_latents: Their latent sizes, from the smallest.
        frey: Options of its Frey runs.
        frey_best: Options of `--recipe best` on the Frey Faces.
        collapse: Hidden layers, and latent sizes, of the grid of collapse.
        paper_images: Training images that the runs of Kingma & Welling's Figure 2 see.
        paper_mnist_latents: Latent sizes there.
        paper_frey_latents: Likewise.
        paper_hidden: Units there, for MNIST and for the Frey Faces.
        likelihood_images: Training images that the runs of their Figure 3 see.
        likelihood_sets: Sizes of the training sets there.
        annealed: Images whose marginal likelihood is measured there, temperatures, and how often.
        measured: Test images that classifiers, t-SNE and coverage are measured on, at most.
        jit: Compile with XLA, which pays where there is something to train.
    """

    seeds: tuple[int, ...]
    mnist: Options
    mnist_fast: Options
    mnist_latents: tuple[int, ...]
    frey: Options
    frey_best: Options
    collapse: tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]
    paper_images: int
    paper_mnist_latents: tuple[int, ...]
    paper_frey_latents: tuple[int, ...]
    paper_hidden: tuple[int, int]
    likelihood_images: int
    likelihood_sets: tuple[int, int]
    annealed: tuple[int, int, int]
    measured: int
    jit: bool


FULL = Budget(
    seeds=(0, 1, 2),
    mnist={"epochs": 30},
    mnist_fast={"learning_rate": 0.02},
    mnist_latents=(2, 5, 10, 20, 50),
    frey={"epochs": 500},
    frey_best={},
    collapse=(((200,), (200, 200), (500, 500, 500)), (2, 5, 20)),
    paper_images=1_500_000,
    paper_mnist_latents=(3, 5, 10, 20, 200),
    paper_frey_latents=(2, 5, 10, 20),
    paper_hidden=(500, 200),
    likelihood_images=1_000_000,
    likelihood_sets=(1_000, 50_000),
    annealed=(300, 100, 6),
    measured=2000,
    jit=True,
)
QUICK = Budget(
    seeds=(0,),
    mnist={"epochs": 1, "hidden": (64,), "learning_rate": 0.02},
    mnist_fast={},
    mnist_latents=(2, 20, 50),
    frey={"epochs": 10},
    frey_best={"epochs": 5, "components": 10},
    collapse=(((200, 200),), (5,)),
    paper_images=50_000,
    paper_mnist_latents=(3,),
    paper_frey_latents=(2, 20),
    paper_hidden=(64, 64),
    likelihood_images=2_000,
    likelihood_sets=(100, 1_000),
    annealed=(20, 10, 2),
    measured=300,
    jit=False,
)


@dataclass(frozen=True)
class Wanted:
    """A run that a claim is measured on.

    Attributes:
        name: The same name always has the same options.
        options: What `kvae.configure` takes, `dataset` and `recipe`.
    """

    name: str
    options: Options


@dataclass(frozen=True)
class Part:
    """One thing that is claimed, and what was found of it.

    Attributes:
        claimed: In a few words.
        measured: In numbers.
        holds: None where what was trained cannot tell.
        reading: Why, as far as we can see, where it does not hold as claimed.
    """

    claimed: str
    measured: str
    holds: bool | None
    reading: str = ""


@dataclass(frozen=True)
class Table:
    """Numbers behind the parts.

    Attributes:
        head: One cell a column.
        rows: Likewise.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Finding:
    """What was found of a claim.

    Attributes:
        parts: In the order they are claimed in.
        seeds: How many runs of each setting there were.
        tables: Behind the parts.
        pictures: By caption.
    """

    parts: Sequence[Part]
    seeds: int
    tables: Sequence[Table] = ()
    pictures: Mapping[str, "Figure"] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Reproduced if all of it holds, not reproduced if nothing does, else refined."""
        known = [part.holds for part in self.parts if part.holds is not None]
        if not known:
            return "not measured"
        return "reproduced" if all(known) else "refined" if any(known) else "not reproduced"


class Bench:
    """The runs of a reproduction, for those who measure.

    Args:
        budget: What was trained.
        datasets: By name.
        runs: Folder of runs.
        models: Folder of saved models.
        work: Folder of what the claims' tasks gave.
    """

    def __init__(
        self,
        budget: Budget,
        datasets: Mapping[str, "Dataset"],
        runs: Path,
        models: Path,
        work: Path,
    ) -> None:
        self.budget, self.datasets = budget, datasets
        self._runs, self._models, self._work = runs, models, work

    def model(self, name: str) -> "VAE":
        """A run's saved model."""
        from kvae.runs import export

        return export.load(self._models / name)

    def kept(self, name: str) -> Any:
        """What a task of a claim gave."""
        return read_json(kept_in(self._work, name))

    def history(self, name: str) -> Mapping[str, Sequence[Any]]:
        """The columns of a run's `history.csv`."""
        return read_history(self._runs / name)

    def results(self, name: str) -> dict[str, Any]:
        """What a run's `results.json` holds: figures on test images."""
        results = read_results(self._runs / name)
        if results is None:
            raise KvaeError(f"{self._runs / name} has no results: delete it")
        return results

    def over(self, names: Sequence[str], quantity: str) -> "Spread":
        """A quantity of the test results over runs that differ by their seed."""
        return Spread([float(self.results(name)[quantity]) for name in names])


def kept_in(work: Path, name: str) -> Path:
    """The file of what a task gave."""
    return work / f"{name}.json"


@dataclass(frozen=True)
class Spread:
    """A quantity over seeds.

    Attributes:
        values: One a seed.
    """

    values: Sequence[float]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return mean(self.values)

    @property
    def stddev(self) -> float:
        """Over seeds; 0 of a single one."""
        return stdev(self.values) if len(self.values) > 1 else 0.0

    def __str__(self) -> str:
        return self.format(2)

    def format(self, digits: int) -> str:
        """Mean and standard deviation with so many digits behind the point."""
        text = f"{self.mean:.{digits}f}"
        return f"{text} ± {self.stddev:.{digits}f}" if len(self.values) > 1 else text


@dataclass(frozen=True)
class Claim:
    """Something that was said of these models, and how it is measured.

    Attributes:
        name: For `--only`.
        title: In a few words.
        source: Where it was said.
        claimed: What was said.
        wanted: The runs that it takes, by budget.
        measure: What is found.
        tasks: Other work that it takes, by budget and folder of datasets: functions without
            arguments, by the name that `Bench.kept` has what they give under, which can be JSON.
    """

    name: str
    title: str
    source: str
    claimed: str
    wanted: Callable[[Budget], Sequence[Wanted]]
    measure: Callable[[Bench], Finding]
    tasks: Callable[[Budget, Path | None], Mapping[str, Callable[[], Any]]] = lambda *_: {}
