"""Claims, the runs that they are measured on, and the findings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kvae.errors import KvaeError
from kvae.io.reading import read_json
from kvae.reproduction.contestants import CONTESTANTS
from kvae.runs.folders import read_results
from kvae.runs.history import read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kvae.data import Dataset
    from kvae.models.vae.model import VAE

Verdict = Literal["reproduced", "refined", "not reproduced", "not measured"]
Options = Mapping[str, Any]
CONFIG = "config"
"""Where the result of a task has the configuration of the run that it measured."""
HOLDS: Mapping[bool | None, str] = {True: "yes", False: "no", None: "?"}
"""What the report says of a statement that holds, that does not, and that was not decided."""


@dataclass(frozen=True)
class Budget:
    """How much is trained and measured for the claims.

    The claims are from two sources: the report that kvae re-implements ("the report"), and Kingma &
    Welling (2014, "the paper").

    Attributes:
        seeds: The seeds with which each setting of the report is trained.
        mnist: Options of the report's MNIST runs.
        mnist_trainings: Further options of these runs, by what they are called: the report says 30
            to 50 epochs, and not what Adagrad's accumulators start with. Those of the recipe
            `reference` are the first; they decide the verdicts.
        mnist_fast: Further options of the MNIST runs that are trained at a higher learning rate.
        mnist_latents: Latent sizes of the MNIST runs, in ascending order.
        frey: Options of the report's Frey Faces runs.
        frey_best: Options of the Frey Faces run with the recipe `best`.
        collapse: The hidden layers and the latent sizes of the runs that measure posterior
            collapse.
        paper_images: How many training images each run for the paper's Figure 2 sees.
        paper_mnist_latents: Latent sizes of the MNIST runs for Figure 2.
        paper_frey_latents: Latent sizes of the Frey Faces runs for Figure 2.
        paper_hidden: Hidden units of the runs for Figure 2, on MNIST and on the Frey Faces.
        likelihood_images: How many training images each run for the paper's Figure 3 sees.
        likelihood_sets: Sizes of the two training sets for Figure 3.
        annealed: How the marginal likelihood is measured for Figure 3: the number of images, of
            temperatures, and of measurements during training.
        measured: The largest number of images that classifiers, t-SNE and coverage use.
        contestants: Names in `kvae.reproduction.contestants.CONTESTANTS` of those that take part.
        families: The seeds of the contestants, by dataset.
        families_share: The share of their epochs that contestants are trained for.
        families_importance_samples: Samples of z for each test image in their bounds.
        jit: Compile with XLA, where the recipe does so; only worth its time if the training is
            long.
    """

    seeds: tuple[int, ...]
    mnist: Options
    mnist_trainings: Mapping[str, Options]
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
    contestants: Collection[str]
    families: Mapping[str, Sequence[int]]
    families_share: float
    families_importance_samples: int
    jit: bool


FULL = Budget(
    seeds=(0, 1, 2),
    mnist={},
    mnist_trainings={
        f"{epochs} epochs, accumulators from {start:g}": {
            "epochs": epochs,
            "initial_accumulator": start,
        }
        for start in (0.1, 0.0)
        for epochs in (50, 30)
    },
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
    contestants=CONTESTANTS,
    families={"frey": (0, 1, 2), "mnist": (0,)},
    families_share=1.0,
    families_importance_samples=100,
    jit=True,
)
QUICK = Budget(
    seeds=(0,),
    mnist={"hidden": (64,), "learning_rate": 0.02},
    mnist_trainings={
        f"1 epoch, accumulators from {start:g}": {"epochs": 1, "initial_accumulator": start}
        for start in (0.1, 0.0)
    },
    mnist_fast={},
    mnist_latents=(2, 20, 50),
    frey={"epochs": 10},
    frey_best={"epochs": 5, "components": 10},
    collapse=(((200, 200),), (5,)),
    paper_images=50_000,
    paper_mnist_latents=(3,),
    paper_frey_latents=(2,),
    paper_hidden=(64, 64),
    likelihood_images=2_000,
    likelihood_sets=(100, 1_000),
    annealed=(20, 10, 2),
    measured=300,
    contestants=("quantized",),
    families={"frey": (0,)},
    families_share=0.001,
    families_importance_samples=5,
    jit=False,
)


@dataclass(frozen=True)
class Wanted:
    """A run that a claim is measured on. Several claims may share it.

    Attributes:
        name: The name of the run. Runs of the same name have the same options.
        options: `dataset`, `recipe`, and the options of `kvae.configure`, by name.
        measured_by: The name of a task whose result has all that the claim needs of the run. Where
            there is such a result, the run is not trained. None: the run itself is needed.
    """

    name: str
    options: Options
    measured_by: str | None = None


@dataclass(frozen=True)
class Part:
    """One statement of a claim, and what was measured about it.

    Attributes:
        claimed: The statement in a few words.
        measured: The numbers that were measured.
        holds: Whether the statement holds; None if the runs cannot decide it.
        reading: The probable reason if the statement does not hold.
    """

    claimed: str
    measured: str
    holds: bool | None
    reading: str = ""


@dataclass(frozen=True)
class Table:
    """A table of numbers in the report.

    Attributes:
        head: The name of each column.
        rows: The cells of each row, one for each column.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Finding:
    """What was measured about a claim.

    Attributes:
        parts: The statements of the claim, in its order.
        seeds: With how many seeds each setting was trained.
        tables: Tables of the numbers that the parts are based on.
        pictures: The figures, by their captions.
        summary: The answer in a paragraph, where the parts alone do not say it.
    """

    parts: Sequence[Part]
    seeds: int
    tables: Sequence[Table] = ()
    pictures: Mapping[str, "Figure"] = field(default_factory=dict)
    summary: str = ""

    @property
    def verdict(self) -> Verdict:
        """Reproduced if all parts hold, not reproduced if none does, otherwise refined."""
        known = [part.holds for part in self.parts if part.holds is not None]
        if not known:
            return "not measured"
        return "reproduced" if all(known) else "refined" if any(known) else "not reproduced"


class Places(NamedTuple):
    """Where the tasks of claims find what they measure.

    Attributes:
        data_dir: Folder of the datasets that `kvae.data.load` prepares; None is its default.
        runs: Folder of runs.
        models: Folder of saved models.
    """

    data_dir: Path | None
    runs: Path
    models: Path


class Bench:
    """Everything that a claim is measured on: the runs of a reproduction, and its tasks' results.

    Args:
        budget: How much was trained.
        datasets: The datasets, by name.
        runs: Folder of runs.
        models: Folder of saved models.
        work: Folder of the results of the claims' tasks.
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
        """Load the saved model of a run.

        Args:
            name: The name of the run.
        """
        from kvae.runs import saved_models

        return saved_models.load(self._models / name)

    def task_result(self, name: str) -> Any:
        """Read what a task of a claim returned.

        Args:
            name: The name of the task.
        """
        return read_json(task_file(self._work, name))

    def history(self, name: str) -> Mapping[str, Sequence[Any]]:
        """Read the columns of a run's `history.csv`.

        Args:
            name: The name of the run.
        """
        return read_history(self._runs / name)

    def results(self, name: str) -> dict[str, Any]:
        """Read a run's `results.json`, which holds its results on test images.

        Args:
            name: The name of the run.
        """
        results = read_results(self._runs / name)
        if results is None:
            raise KvaeError(f"{self._runs / name} has no results: delete it to train it again")
        return results

    def over(self, names: Sequence[str], quantity: str) -> "Spread":
        """One of the test results, over runs that differ only in their seed.

        Args:
            names: The names of the runs.
            quantity: The name of the result in `results.json`.
        """
        return Spread([float(self.results(name)[quantity]) for name in names])


def task_file(work: Path, name: str) -> Path:
    """The file that holds the result of a task.

    Args:
        work: Folder of the results of tasks.
        name: The name of the task.
    """
    return work / f"{name}.json"


@dataclass(frozen=True)
class Spread:
    """The values of a quantity over seeds.

    Attributes:
        values: The value for each seed.
    """

    values: Sequence[float]

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return mean(self.values)

    @property
    def stddev(self) -> float:
        """The standard deviation over seeds; 0 if there is a single seed."""
        return stdev(self.values) if len(self.values) > 1 else 0.0

    @property
    def error(self) -> float:
        """The standard error of the mean over seeds."""
        return self.stddev / len(self.values) ** 0.5

    def __str__(self) -> str:
        return self.format(2)

    def format(self, digits: int) -> str:
        """The mean and, for several seeds, the standard deviation as text.

        Args:
            digits: How many digits stand behind the decimal point.
        """
        text = f"{self.mean:.{digits}f}"
        return f"{text} ± {self.stddev:.{digits}f}" if len(self.values) > 1 else text


@dataclass(frozen=True)
class Claim:
    """Something that was said about these models, and how it is measured.

    Attributes:
        name: The name by which users select the claim.
        title: The title of its section in the report.
        source: Where it was said.
        claimed: What was said.
        wanted: Returns the runs that the claim is measured on, from the budget.
        measure: Measures the claim.
        tasks: Returns further work for the claim, from the budget and the places of data, runs and
            saved models: functions without arguments, by their names. It is done when the runs are
            trained. What the functions return is stored as JSON, and `Bench.task_result` reads it.
            A task that is named in `Wanted.measured_by` returns the configuration of the run under
            `CONFIG`, so that results of other options are noticed.
    """

    name: str
    title: str
    source: str
    claimed: str
    wanted: Callable[[Budget], Sequence[Wanted]]
    measure: Callable[[Bench], Finding]
    tasks: Callable[[Budget, Places], Mapping[str, Callable[[], Any]]] = lambda *_: {}
