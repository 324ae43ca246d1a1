"""How a server does under load: what is answered and refused, how fast, and what memory it takes.

    $ python examples/serve_load.py --clients 50 --rounds 5

A part of the clients stream, some read slowly, some vanish in the middle, and some send what is too
large or no JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections import Counter
from itertools import islice
from statistics import median, quantiles

import httpx

from at2_rag import Reader
from at2_rag.server.app import create_app
from at2_rag.server.limits import Limits
from at2_rag.server.metrics import resident_bytes
from at2_rag.server.run import serving
from at2_rag.server.service import Service
from at2_rag.worlds import generate_examples

PATH = "/v1/chat/completions"


def bodies(count: int, longest: int) -> list[dict[str, object]]:
    """Return requests about made-up worlds, as clients send them."""
    return [
        {
            "messages": [{"role": "user", "content": example.question}],
            "documents": [{"title": p.title, "text": p.text} for p in example.passages],
            "max_tokens": longest,
            "stream": index % 2 == 1,
        }
        for index, example in enumerate(islice(generate_examples(0, 6, hops=2), count))
    ]


async def ask(client: httpx.AsyncClient, body: dict[str, object]) -> tuple[str, float]:
    """Ask and read all; return what came of it, and after how many seconds."""
    begun = time.perf_counter()
    response = await client.post(PATH, json=body)
    kind = str(response.status_code)
    if response.status_code == 200 and body["stream"]:
        kind += " whole" if response.text.endswith("data: [DONE]\n\n") else " broken"
    return kind, time.perf_counter() - begun


async def read_slowly(client: httpx.AsyncClient, body: dict[str, object]) -> tuple[str, float]:
    """Ask for a stream and take a piece at a time."""
    begun = time.perf_counter()
    async with client.stream("POST", PATH, json={**body, "stream": True}) as response:
        read = b""
        async for piece in response.aiter_bytes(64):
            read += piece
            await asyncio.sleep(0.005)
    kind = "slow whole" if read.endswith(b"data: [DONE]\n\n") else f"slow {response.status_code}"
    return kind, time.perf_counter() - begun


async def vanish(client: httpx.AsyncClient, body: dict[str, object]) -> tuple[str, float]:
    """Ask for a stream and leave."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(0.5):
            await client.post(PATH, json={**body, "max_tokens": 2000})
    except TimeoutError:
        return "vanished", time.perf_counter() - begun
    return "too fast to vanish", time.perf_counter() - begun


async def annoy(client: httpx.AsyncClient, body: dict[str, object]) -> tuple[str, float]:
    """Send 50 MB, and then what is no JSON."""
    begun = time.perf_counter()
    large = await client.post(PATH, content=b" " * 50_000_000)
    broken = await client.post(
        PATH, content=json.dumps(body)[:-1], headers={"Content-Type": "application/json"}
    )
    return f"{large.status_code} and {broken.status_code}", time.perf_counter() - begun


async def one_round(url: str, asked: list[dict[str, object]]) -> list[tuple[str, float]]:
    """Have all clients ask at once; of ten, one reads slowly, one vanishes and one annoys."""
    limits = httpx.Limits(max_connections=None)
    kinds = {7: read_slowly, 8: vanish, 9: annoy}
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        return await asyncio.gather(
            *(kinds.get(i % 10, ask)(client, body) for i, body in enumerate(asked))
        )


def until_free(url: str) -> None:
    """Wait until nobody waits for the model."""
    while httpx.get(f"{url}/health").json()["busy"]:
        time.sleep(0.05)


def main() -> None:
    """Run the rounds and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="hub id or folder; else the tiny demo reader")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--waiting", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=32)
    args = parser.parse_args()
    reader = Reader.from_pretrained(args.model) if args.model else Reader.demo()
    service = Service.of(reader, Limits(waiting=args.waiting))
    asked = bodies(args.clients, args.max_tokens)
    with serving(create_app(service), service.limits) as url:
        for number in range(args.rounds):
            begun = time.perf_counter()
            came = asyncio.run(one_round(url, asked))
            until_free(url)
            gc.collect()
            seconds = [took for kind, took in came if kind.startswith("200")]
            last = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else 0.0
            print(
                f"round {number + 1}: {dict(Counter(kind for kind, _ in came))}, "
                f"{time.perf_counter() - begun:.1f} s, answered after {median(seconds):.1f} s "
                f"(median) and {last:.1f} s (19 of 20), {resident_bytes() / 2**20:.0f} MiB"
            )
        print(httpx.get(f"{url}/metrics").text)


if __name__ == "__main__":
    main()
