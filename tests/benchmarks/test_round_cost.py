"""Models' passes are told from all else in a round, by clocks where they are made and by the table made of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openvino
import pytest

from benchmarks.clocked_loop import Block, Moment, Recorder
from benchmarks.model_clock import ModelClock, clock_graphs, clock_networks
from benchmarks.round_cost import photographs_needed, told, write_photographs
from benchmarks.round_cost_table import BETWEEN_PASSES, Cost, costs_of, rounds_of, total
from datasets.files import read_json, write_json
from datasets.importing import TruthSettings, read_truth
from datasets.taxonomy import DEFAULT_TAXONOMY
from tests.nuclio_functions.conftest import SIZE, write_constant_graph
from training.bundle import BundleSpec, read_bundle, write_bundle
from training.predictors import Detector

NO_MODEL = {"wall": 0.0, "processor": 0.0, "passes": 0.0}


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def moment(wall: float, *, flow: float = 0.0, model: float = 0.0) -> Moment:
    passes = {"wall": model, "processor": model, "passes": 10 * model}
    return Moment(wall=wall, processor={"flow": flow, "cvat": 1.0}, model=passes)


def block(
    step: str, begin: float, end: float, *, model: float = 0.0, training: dict[str, float] | None = None
) -> Block:
    """A step whose processors' time is its time on the wall, and whose models took so long until its end."""
    start = moment(begin, flow=begin)
    return Block(step=step, start=start, end=moment(end, flow=end, model=model), training=training or {})


def test_a_pass_within_a_pass_is_a_part_of_it_and_pauses_are_counted_apart() -> None:
    clock = ModelClock()
    for _ in range(2):
        with clock.running(), clock.running():
            spin(0.01)
        spin(0.03)
    read = clock.read()
    assert read["passes"] == 2
    assert 0.02 <= read["processor"] < 0.03 <= read["between_processor"]
    assert read["wall"] >= 0.02
    assert read["between"] >= 0.03


def test_graphs_are_clocked_however_they_are_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(openvino.Core, "compile_model", openvino.Core.compile_model)
    for name in ("infer", "start_async", "wait"):
        monkeypatch.setattr(openvino.InferRequest, name, getattr(openvino.InferRequest, name))
    clock = ModelClock()
    clock_graphs(clock)
    graph = write_constant_graph(tmp_path / "graph.onnx", np.array([[[32.0], [32.0], [20.0], [10.0], [0.9]]]))
    spec = BundleSpec(task="detector", model="damage_detector", version="1", class_names=("dent",), image_size=SIZE)
    detector = Detector(read_bundle(tmp_path, write_bundle(tmp_path, spec, graph)))
    warmed_up, picture = clock.passes, np.zeros((SIZE, SIZE, 3), np.uint8)
    (alone,) = detector.predict(picture)
    streamed = list(detector.predict_stream((number, picture) for number in range(5)))
    assert [(number, found) for number, (found,) in streamed] == [(number, alone) for number in range(5)]
    assert clock.passes == warmed_up + 6


def test_what_a_network_learns_by_is_clocked_and_what_it_answers_then_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.nn.Module, "__call__", torch.nn.Module.__call__)
    monkeypatch.setattr(torch.autograd, "backward", torch.autograd.backward)
    clock = ModelClock()
    clock_networks(clock)
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    network(torch.ones(1, 2)).sum().backward()
    assert clock.passes == 2
    torch.autograd.backward(network(torch.ones(1, 2)).sum())
    assert clock.passes == 4
    network.eval()(torch.ones(1, 2))
    assert clock.passes == 4


def test_each_step_is_recorded_with_the_training_that_was_in_it(tmp_path: Path) -> None:
    @contextmanager
    def timed(bench: object, step: str) -> Iterator[None]:
        yield

    recorder = Recorder(tmp_path / "blocks.json")
    recorded = recorder.recording(timed)
    with recorded(None, "train"):
        write_json(recorder.training, {"wall": 3.0})
    with recorded(None, "promote"), recorder.clock.running():
        spin(0.01)
    train, promote = [Block.model_validate(one) for one in read_json(tmp_path / "blocks.json")]
    assert (train.step, train.training) == ("train", {"wall": 3.0})
    assert (promote.step, promote.training) == ("promote", {})
    assert promote.end.model["processor"] >= 0.01
    assert promote.end.processor["flow"] >= promote.start.processor["flow"]


def test_a_round_has_what_its_steps_took_beside_models_and_all_scraping() -> None:
    blocks = [
        *(block("scrape", 0, 5), block("push", 5, 9)),
        *(block("scrape", 10, 11), block("select", 12, 20, model=6), block("push", 20, 22)),
    ]
    assert [len(each) for each in rounds_of(blocks)] == [2, 3]
    costs = {cost.step: cost for cost in costs_of(blocks)}
    assert list(costs) == ["scrape", "select", "push", "between steps"]
    assert (costs["scrape"].wall, costs["push"].wall) == (6, 2)
    assert costs["select"] == Cost("select", 2, 2, 6, 6, 60)
    assert costs["between steps"].wall == 1
    assert total(list(costs.values())).wall == 11


def test_a_training_is_its_passes_what_goes_with_every_epoch_and_the_rest() -> None:
    training = {"wall": 20.0, "processor": 18.0, "passes": 40.0, "between": 5.0, "between_processor": 4.0}
    costs = {cost.step: cost for cost in costs_of([block("train", 0, 32, training=training)])}
    assert (costs[BETWEEN_PASSES].wall, costs[BETWEEN_PASSES].processor) == (5, 4)
    train = costs["train"]
    assert (train.wall, train.processor, train.model_wall, train.passes) == (7, 10, 20, 40)


def test_the_target_is_met_by_what_is_no_models() -> None:
    assert told([Cost("push", 89, 20, 500, 500, 1)], images=1000, is_small=False)["holds"]
    assert not told([Cost("push", 91, 20)], images=1000, is_small=False)["holds"]


def test_photographs_are_many_enough_and_each_of_a_family_of_its_own(tmp_path: Path) -> None:
    assert (1 - 0.2) * photographs_needed(1000) > 1060
    write_photographs(tmp_path / "cars", 4)
    images = read_truth(tmp_path / "cars", DEFAULT_TAXONOMY, TruthSettings()).images
    assert len({image.family for image in images}) == len(images) == 4
