"""Many machines, by Ray Data: rows through workers that start once, each a GPU or CPU slot.

A worker or a machine that is lost is Ray's to replace; what it had in hand is done again.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ..taxonomy import UserError

Row = dict[str, Any]
AT_ONCE = 20_000
"""Rows that are handed to Ray at a time, so that a plan of millions is not in memory."""
# What is wrong, an exception says; and a run of ours tells nobody that it took place.
_QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_USAGE_STATS_ENABLED": "0"}


def mapped(
    rows: Iterable[Row],
    worker: Callable[..., Callable[[Row], Row]],
    argument: Any,
    *,
    device: str = "cpu",
    workers: int | None = None,
    together: int = 1,
) -> Iterator[Row]:
    """Rows, as workers have made them into others; those that are done come first.

    Args:
        rows: What Arrow can hold.
        worker: A class; one of it is made of `argument` on each slot, and called with each row.
        argument: Likewise.
        device: As of [`slots`].
        workers: Likewise.
        together: Rows that a worker takes at a time, and does again if it dies with them.

    Raises:
        UserError: One that a worker raised, there is no Ray, or Ray cannot go on.
    """
    ray = started()
    n_workers, takes = slots(device, workers)
    ray.data.DataContext.get_current().enable_progress_bars = False
    remaining = iter(rows)
    while part := list(islice(remaining, AT_ONCE)):
        n_blocks = -(-len(part) // together)
        done = ray.data.from_items(part, override_num_blocks=n_blocks).map(
            worker,
            fn_constructor_args=(argument,),
            compute=ray.data.ActorPoolStrategy(size=min(n_workers, n_blocks)),
            **takes,
        )
        with errors_of_workers():
            yield from done.iter_rows()


def started() -> Any:
    """Ray, connected to the cluster of this machine or of RAY_ADDRESS, or begun here.

    Raises:
        UserError: It is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError(f'ray: pip install "emonet-voice[scale]" first ({error})') from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def slots(device: str, workers: int | None) -> tuple[int, dict[str, float]]:
    """How many workers there can be, and what each takes of a machine.

    One a GPU, with its share of the processors to decode; without GPUs, or for another device, one
    a processor, or fewer with several each.

    Args:
        device: As for `score`: `auto` and `cuda` take a GPU where there is one.
        workers: At most; None for all slots.
    """
    nodes = [node["Resources"] for node in started().nodes() if node["Alive"]]
    cpus = int(sum(node.get("CPU", 0) for node in nodes))
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    on_gpu = gpus > 0 and device.partition(":")[0] in ("auto", "cuda")
    most = gpus if on_gpu else max(cpus, 1)
    n_workers = min(workers or most, most)
    smallest = min(int(node["CPU"]) for node in nodes if node.get("CPU"))
    takes: dict[str, float] = {"num_cpus": max(1, min(cpus // n_workers, smallest))}
    return n_workers, takes | ({"num_gpus": 1} if on_gpu else {})


@contextmanager
def errors_of_workers() -> Iterator[None]:
    """What the user can put right as it was raised; of the rest what Ray says last."""
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, UserError) as error:
        cause: BaseException | None = error
        while cause is not None:
            inner = getattr(cause, "cause", None)
            for one in (inner, cause):
                if isinstance(one, UserError) and not isinstance(one, RayError):
                    raise UserError(str(one)) from None
            cause = inner or cause.__cause__
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UserError(f"ray: {lines[-1] if lines else repr(error)}") from error
