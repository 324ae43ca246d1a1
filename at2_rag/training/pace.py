"""How long examples of own documents will take, from two timed passes, before they are begun."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from at2_rag.evaluation.timing import forward_seconds
from at2_rag.training.asking import QUESTION_TOKENS
from at2_rag.training.own_documents import Side

_TIMED_TOKENS = 8

#: What a question costs in passes beside its tokens: it is written from a shorter prompt, its
#: answer is begun, and what the answer depends on is measured.
_ASKING_PASSES = 3.0
#: What an ablation costs, of a pass: what is left out is not run, and a beginning is run once.
_ABLATION_SHARE = 0.6
#: Which share of the questions is kept; with SmolLM2-135M-Instruct, of 24 it was 0.6.
_SHARE_KEPT = 0.6


@dataclass(frozen=True)
class Pace:
    """How fast a model reads and writes.

    Attributes:
        pass_seconds: How long a pass over prompt and answer takes, with as many passages as
            examples have.
        token_seconds: How long each token of an answer takes.
        sources: How many sources the passages have that were timed.
    """

    pass_seconds: float
    token_seconds: float
    sources: int

    @classmethod
    def measured(cls, side: Side) -> Pace | None:
        """Time a pass, and a few tokens; ``None`` where there is nothing to ask about.

        Args:
            side: What is asked about, and how.

        Raises:
            ContextOverflowError: If the passages do not fit the model's context.
        """
        if side.first is None:
            return None
        side.asker.example_task(side.first, 1)  # the first pass of a process takes longer
        began = perf_counter()
        task = side.asker.example_task(side.first, _TIMED_TOKENS)
        seconds = perf_counter() - began
        whole = forward_seconds(task)
        written = max(len(task.ids) - task.prompt_length, 1)
        return cls(whole, max(seconds - whole, 0.0) / written, len(task.sources))

    def seconds_per_question(self, side: Side) -> float:
        """Return how long each question takes that is kept, those that are not included.

        Args:
            side: What is asked about, how, and what is collected.
        """
        options = side.collector.options
        tokens = QUESTION_TOKENS / 2 + side.asker.options.max_new_tokens
        asking = _ASKING_PASSES * self.pass_seconds + tokens * self.token_seconds
        ablations = options.num_ablations + (self.sources + 2 if options.detail else 0)
        collecting = (1 + _ABLATION_SHARE * ablations) * self.pass_seconds
        return asking / _SHARE_KEPT + collecting
