"""Ask one shared reader a thousand requests of all kinds, from threads and an event loop at once.

    python examples/soak.py
    python examples/soak.py --requests 200 --threads 8 --model Qwen/Qwen2.5-0.5B-Instruct

Every result is compared with the same request's when nothing else was running, and after every
fifth of the requests the memory, threads and tensors that are left are counted. It ends with an
error if a result was another, or if anything grew. Without a model, a tiny random one is asked,
which writes nonsense, quickly.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import random
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers

from at2_rag import Answer, InputError, Passage, Reader, ScoreEstimator
from at2_rag.worlds import generate_examples

#: Requests of an event loop that wait at the same time.
TASKS = 4
#: What resident memory may differ by from one count to the next, in bytes.
ROOM = 32 * 2**20


@dataclass(frozen=True)
class Asked:
    """A question with its passages."""

    question: str
    passages: Sequence[str | Passage]


def tiny_reader() -> Reader:
    """Return a reader with a tiny random model and the demo reader's tokenizer."""
    tokenizer = Reader.demo().tokenizer
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    return Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=16)


def questions(count: int) -> list[Asked]:
    """Return questions about made-up worlds, with five passages each."""
    examples = islice(generate_examples(1, 5, 2), count)
    return [Asked(example.question, tuple(example.passages)) for example in examples]


# Requests, each with what can be compared of its result


def seen(answer: Answer) -> tuple[Any, ...]:
    """Return what an answer says and cites, and its scores."""
    cited = [[(c.number, c.passage_index, c.text) for c in s.citations] for s in answer.statements]
    return answer.text, answer.kept, cited, answer.attribution.scores.tolist()


def ask(reader: Reader, asked: Asked) -> Any:
    """Answer."""
    return seen(reader.answer(asked.question, asked.passages))


def ask_twice(reader: Reader, asked: Asked) -> Any:
    """Answer from what a draft used."""
    return seen(reader.answer(asked.question, asked.passages, prune_to=2))


def stream(reader: Reader, asked: Asked) -> Any:
    """Stream an answer to its end."""
    *events, answer = reader.stream(asked.question, asked.passages)
    return "".join(e for e in events if isinstance(e, str)), seen(answer)


def leave_stream(reader: Reader, asked: Asked) -> Any:
    """Take the first event of a stream, and leave."""
    with closing(reader.stream(asked.question, asked.passages, min_new_tokens=8)) as events:
        return next(events)


def attribute(reader: Reader, asked: Asked) -> Any:
    """Cite an answer that is given."""
    text = f"{asked.question} Nobody knows. {asked.passages[0].text}"
    return seen(reader.attribute(asked.question, asked.passages, text))


def ask_many(reader: Reader, asked: Asked) -> Any:
    """Answer two questions of unlike length at once."""
    fewer = asked.question, asked.passages[:2]
    batch = [(asked.question, asked.passages), fewer]
    return [seen(answer) for answer in reader.answer_batch(batch)]


def prune(reader: Reader, asked: Asked) -> Any:
    """Keep the sentences that an answer used."""
    pruned = reader.prune(asked.question, asked.passages, top_k=3, unit="sentence")
    return [passage.text for passage in pruned.passages]


def verify(reader: Reader, asked: Asked) -> Any:
    """Leave out what an answer cites."""
    answer = reader.attribute(asked.question, asked.passages, "Nobody knows. It is so.")
    return [s.together.drop for s in reader.verify(answer).statements if s.together]


def refuse(reader: Reader, asked: Asked) -> Any:
    """Ask what cannot be answered, in several ways."""
    messages = []
    for call in (
        lambda: reader.answer("", asked.passages),
        lambda: reader.answer(asked.question, asked.passages, prune_to=0),
        lambda: reader.answer(asked.question, ["word " * 5000]),
        lambda: list(reader.stream(asked.question, asked.passages, source_unit="page")),
        lambda: reader.answer_batch([(asked.question, asked.passages), (asked.question, [1])]),
    ):
        try:
            call()
        except InputError as error:
            messages.append(str(error))
        else:
            raise AssertionError(f"{asked.question!r} was answered in spite of everything.")
    return messages


async def astream(reader: Reader, asked: Asked) -> Any:
    """Stream an answer to its end, in a task."""
    *_, answer = [event async for event in reader.astream(asked.question, asked.passages)]
    return seen(answer)


async def leave_astream(reader: Reader, asked: Asked) -> Any:
    """Take the first event of a stream, and leave, in a task."""
    options = {"min_new_tokens": 8}
    async with aclosing(reader.astream(asked.question, asked.passages, **options)) as events:
        return await anext(events)


async def cancel(reader: Reader, asked: Asked) -> Any:
    """Cancel a task that waits for a stream's first event."""
    task = asyncio.ensure_future(astream(reader, asked))
    await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


SYNC: tuple[Callable[[Reader, Asked], Any], ...] = (
    ask, ask_twice, stream, leave_stream, attribute, ask_many, prune, verify, refuse,
)  # fmt: skip
ASYNC: tuple[Callable[[Reader, Asked], Awaitable[Any]], ...] = (astream, leave_astream, cancel)


# Running them


@dataclass
class Soak:
    """A shared reader, what it was asked, and what came of it.

    Attributes:
        reader: The reader.
        asked: Questions.
        alone: Results by kind of request and question, when nothing else was running.
        errors: What went wrong.
    """

    reader: Reader
    asked: Sequence[Asked]
    alone: dict[tuple[str, int], Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def ask_alone(self) -> None:
        """Make every request once, one after the other."""
        for index, asked in enumerate(self.asked):
            for sync in SYNC:
                self.alone[sync.__name__, index] = sync(self.reader, asked)
            for request in ASYNC:
                self.alone[request.__name__, index] = asyncio.run(
                    _awaited(request(self.reader, asked))
                )

    def run(self, requests: int, threads: int, seed: int) -> None:
        """Make so many requests in an order drawn by the seed, many at the same time."""
        draw = random.Random(seed)
        kinds = [*SYNC, *ASYNC]
        drawn = [(draw.choice(kinds), draw.randrange(len(self.asked))) for _ in range(requests)]
        with ThreadPoolExecutor(threads) as pool:
            waiting = [pool.submit(self._sync, *each) for each in drawn if each[0] in SYNC]
            asyncio.run(self._tasks([each for each in drawn if each[0] in ASYNC]))
            for done in waiting:
                done.result()

    async def _tasks(self, drawn: list[tuple[Any, int]]) -> None:
        free = asyncio.Semaphore(TASKS)

        async def one(request: Callable[[Reader, Asked], Awaitable[Any]], index: int) -> None:
            async with free:
                try:
                    result = await request(self.reader, self.asked[index])
                except Exception as error:
                    self.errors.append(f"{request.__name__} {index}: {error!r}")
                else:
                    self._compare(request.__name__, index, result)

        await asyncio.gather(*(one(*each) for each in drawn))

    def _sync(self, request: Callable[[Reader, Asked], Any], index: int) -> None:
        try:
            result = request(self.reader, self.asked[index])
        except Exception as error:
            self.errors.append(f"{request.__name__} {index}: {error!r}")
        else:
            self._compare(request.__name__, index, result)

    def _compare(self, name: str, index: int, result: Any) -> None:
        if not same(result, self.alone[name, index]):
            self.errors.append(f"{name} {index}: another result than alone")


async def _awaited(waiting: Awaitable[Any]) -> Any:
    return await waiting


def same(one: Any, other: Any) -> bool:
    """Return whether two results are the same up to rounding."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-5)
    return bool(one == other)


# What is left behind


@dataclass(frozen=True)
class Left:
    """What there is in this process between requests.

    Attributes:
        memory: Resident memory, in bytes; the peak of it where the system does not say more.
        threads: Names of the threads.
        tensors: Number of tensors.
        hooks: Number of hooks in the model.
    """

    memory: int
    threads: tuple[str, ...]
    tensors: int
    hooks: int

    @classmethod
    def now(cls, model: torch.nn.Module) -> Left:
        """Count."""
        gc.collect()
        return cls(
            _memory(),
            tuple(sorted(thread.name for thread in threading.enumerate())),
            sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects()),
            sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()),
        )

    def __str__(self) -> str:
        return (
            f"{self.memory / 1e6:.1f} MB, {len(self.threads)} threads, {self.tensors} tensors, "
            f"{self.hooks} hooks"
        )


def _memory() -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def grown(before: Left, after: Left) -> list[str]:
    """Return what is more than it was."""
    found = []
    if after.memory > before.memory + ROOM:
        found.append(f"memory grew by {(after.memory - before.memory) / 1e6:.1f} MB")
    if after.threads != before.threads:
        found.append(f"threads left: {after.threads}")
    if after.tensors > before.tensors:
        found.append(f"{after.tensors - before.tensors} tensors left")
    if after.hooks != before.hooks:
        found.append(f"{after.hooks - before.hooks} hooks left")
    return found


def main() -> None:
    """Soak, and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="hub id or folder of a causal language model")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    reader = Reader.from_pretrained(arguments.model) if arguments.model else tiny_reader()

    soak = Soak(reader, questions(8))
    soak.ask_alone()
    began = time.perf_counter()
    counts = [Left.now(reader.model)]
    print(f"{0:5} requests: {counts[0]}")
    block = max(1, arguments.requests // 5)
    for seed in range(5):
        soak.run(block, arguments.threads, seed)
        counts.append(Left.now(reader.model))
        print(f"{(seed + 1) * block:5} requests: {counts[-1]}, {len(soak.errors)} errors")
    seconds = time.perf_counter() - began

    # The first requests at the same time make what threads keep, so they do not count.
    wrong = soak.errors + grown(counts[1], counts[-1])
    together = f"{arguments.threads} threads and {TASKS} tasks"
    print(f"\n{5 * block} requests in {seconds:.0f} s by {together}")
    print("\n".join(wrong) or "All results as when asked alone, and nothing grew.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
