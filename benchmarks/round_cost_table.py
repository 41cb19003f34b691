"""What was clocked of a round, by step: what its models took, and all else."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.clocked_loop import Block, Moment

TARGET_SECONDS = 90.0
FIRST_STEP = "scrape"
BETWEEN_PASSES = "train, between passes"


@dataclass(frozen=True)
class Cost:
    """A step's seconds that are not of a model's passes, on the wall and of processors; and those of its models."""

    step: str
    wall: float
    processor: float
    model_wall: float = 0.0
    model_processor: float = 0.0
    passes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.step,
            self.wall + other.wall,
            self.processor + other.processor,
            self.model_wall + other.model_wall,
            self.model_processor + other.model_processor,
            self.passes + other.passes,
        )

    def told(self) -> dict[str, Any]:
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()}


def costs_of(blocks: Sequence[Block]) -> list[Cost]:
    """The steps of the last round in their order, with the first round's scraping and what was between the steps."""
    rounds = rounds_of(blocks)
    first, last = rounds[0], rounds[-1]
    scraped = [] if len(rounds) == 1 else [cost_of(block) for block in first if block.step == FIRST_STEP]
    costs: dict[str, Cost] = {}
    for cost in (*scraped, *(part for block in last for part in parts_of(block))):
        costs[cost.step] = costs[cost.step] + cost if cost.step in costs else cost
    return [*costs.values(), between_steps(last)]


def rounds_of(blocks: Iterable[Block]) -> list[list[Block]]:
    """The steps of each round."""
    rounds: list[list[Block]] = []
    for block in blocks:
        if block.step == FIRST_STEP or not rounds:
            rounds.append([])
        rounds[-1].append(block)
    return rounds


def parts_of(block: Block) -> list[Cost]:
    """The cost of a step; of one that trained, what goes with every epoch apart."""
    whole, between = cost_of(block), block.training.get("between", 0.0)
    processor = block.training.get("between_processor", 0.0)
    if not between:
        return [whole]
    return [Cost(BETWEEN_PASSES, between, processor), whole + Cost("", -between, -processor)]


def cost_of(block: Block) -> Cost:
    """The cost of a step with all that its training did beside its passes."""
    model = {
        name: block.end.model[name] - block.start.model[name] + block.training.get(name, 0.0)
        for name in ("wall", "processor", "passes")
    }
    return Cost(
        block.step,
        block.end.wall - block.start.wall - model["wall"],
        _processor(block.start, block.end) - model["processor"],
        model["wall"],
        model["processor"],
        int(model["passes"]),
    )


def between_steps(blocks: Sequence[Block]) -> Cost:
    """What a round takes beside its steps: the flow's own business."""
    start, end = blocks[0].start, blocks[-1].end
    wall = sum(block.end.wall - block.start.wall for block in blocks)
    processor = sum(_processor(block.start, block.end) for block in blocks)
    return Cost("between steps", end.wall - start.wall - wall, _processor(start, end) - processor)


def _processor(start: Moment, end: Moment) -> float:
    """Processors' seconds of all parts; one that began in the meantime counts from its beginning."""
    return sum(seconds - start.processor.get(part, 0.0) for part, seconds in end.processor.items())


def total(costs: Sequence[Cost]) -> Cost:
    return sum(costs[1:], costs[0])


def print_costs(costs: Sequence[Cost], *, images: int) -> None:
    """The table by step, and whether the target is met."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"A round with {images:,} images, seconds")
    table.add_column("step")
    for head in ("not models', wall", "processors'", "models', wall", "processors'", "passes"):
        table.add_column(head, justify="right")
    whole = total(costs)
    for name, cost in [*((cost.step, cost) for cost in costs), ("in all", whole)]:
        seconds = (cost.wall, cost.processor, cost.model_wall, cost.model_processor)
        table.add_row(name, *(f"{value:.1f}" for value in seconds), f"{cost.passes:,}")
    console = Console()
    console.print(table)
    met = "met" if whole.wall <= TARGET_SECONDS else "not met"
    told = f"{whole.wall:.1f} s on the wall, {whole.processor:.1f} s of processors"
    console.print(f"Beside the models' passes: {told}; the target of {TARGET_SECONDS:g} s is {met}.", soft_wrap=True)
