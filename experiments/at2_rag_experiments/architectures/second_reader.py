"""A second reader to compare with: of another architecture, trained here or loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from at2_rag.errors import MissingResourceError
from at2_rag.estimators import ScoreEstimator
from at2_rag.model.loading import load_demo_model, load_model
from at2_rag.reader import Reader

from at2_rag_experiments.base import OnDone
from at2_rag_experiments.teaching import Lesson, TeachingPlan, short_curriculum, small_shape, teach

#: Stands for a model that is trained from scratch on generated worlds.
TRAIN = "train"

_WARM_UP = 100


@dataclass(frozen=True)
class SecondReader:
    """Which model is the second, and how it is taught if it is taught here.

    Attributes:
        name: ``"train"``, or a hub id or folder of the model.
        shape: Architecture of the model for ``"train"``, one of
            :data:`at2_rag_experiments.teaching.SHAPE_NAMES`.
        steps: Steps of its training.
        tokens: Tokens in a step of its training.
        most_passages: Most passages of a world in its training.
        seed: What its first weights and its worlds are drawn with.
    """

    name: str
    shape: str
    steps: int
    tokens: int
    most_passages: int
    seed: int

    @property
    def plan(self) -> TeachingPlan:
        """How it is taught.

        Raises:
            InputError: If it cannot be taught so.
        """
        curriculum = short_curriculum(self.most_passages)
        return TeachingPlan(self.steps, self.tokens, curriculum, warm_up=_WARM_UP, seed=self.seed)

    def load(self, first: Reader, folder: Path, on_done: OnDone) -> Reader:
        """Return the second reader, with the first one's settings, device and type of numbers.

        Args:
            first: The reader that it is compared with.
            folder: Folder that it is trained in; interrupted, the training goes on there.
            on_done: Called after each step of the training.

        Raises:
            InputError: If the folder holds another training, or a path to the model leads nowhere.
            MissingResourceError: If there is no such model.
            UnsupportedModelError: If it is no causal language model.
            NumericalError: If training diverged.
        """
        where = self._train(folder, on_done) if self.name == TRAIN else self.name
        try:
            model, tokenizer = load_model(where, {"dtype": first.model.dtype})
        except OSError as error:
            raise MissingResourceError(
                f"second is {self.name!r}, which cannot be loaded; expected {TRAIN!r}, or a model "
                f"of the hub or in a folder. {str(error).strip().splitlines()[0]}"
            ) from error
        model.to(first.model.device)
        return Reader(model, tokenizer, ScoreEstimator.uniform(model), first.settings)

    def _train(self, folder: Path, on_done: OnDone) -> Path:
        _, tokenizer = load_demo_model()

        def follow(lesson: Lesson) -> None:
            on_done(lesson.step, lesson.steps, lesson.resumed)

        return teach(
            small_shape(self.shape, tokenizer), tokenizer, self.plan, folder, on_step=follow
        )
