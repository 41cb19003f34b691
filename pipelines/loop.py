"""`loop`: round after round of ingest ─► [ people correct, accept in CVAT ] ─► learn.

With ground truth, a simulated annotator stands in for people. Round 0 has no models yet: a few photographs and the
whole test set are labelled from scratch. Test frames are never pre-labelled, and the test set is not touched again.
"""

from prefect import flow

from cvat.annotator import annotate_task
from cvat.jobs import Job, read_frames
from cvat.pull import note_states
from pipelines.bench import Bench
from pipelines.flows.artifacts import show_round
from pipelines.ingest import Ingested, ingest
from pipelines.learn import learn
from pipelines.results import RoundResult, read_round, write_round
from pipelines.tasks import step


@flow(name="loop", validate_parameters=False)
def loop(bench: Bench, *, rounds: int, budget: int) -> list[RoundResult]:
    """Play round 0 and `rounds` more; finished ones are taken as they are. Ends early when nothing is left to label."""
    results: list[RoundResult] = []
    for number in range(rounds + 1):
        previous = results[-1] if results else None
        result = read_round(bench.run.rounds, number) or play_round(bench, number, previous, budget)
        if result is None:
            bench.progress.say(f"No photographs are left to label after round {number - 1}.")
            bench.run.exhausted.touch()
            break
        results.append(result)
    return results


def play_round(bench: Bench, number: int, previous: RoundResult | None, budget: int) -> RoundResult | None:
    """One round; None when there is nothing left to label."""
    bench.progress.say(f"Round {number}")
    bench.seconds.clear()
    ingested = ingest(bench, number=number, previous=previous, budget=budget)
    if not ingested.tasks:
        return None
    people_correct(bench, ingested)
    result = learn(bench, number=number, ingested=ingested, previous=previous)
    write_round(bench.run.rounds, result)
    show_round(result)
    return result


@step("annotate", retries=2)
def people_correct(bench: Bench, ingested: Ingested) -> None:
    """The simulated annotator corrects every job against the ground truth and accepts it; the ledger notes when."""
    images = bench.images()

    def note(job: Job) -> None:
        note_states(bench.ledger, [job])

    with bench.progress.step("annotate (simulated)"), bench.cvat() as client:
        for task_id in ingested.tasks.values():
            annotate_task(client, read_frames(client, task_id, images), bench.true_objects, on_change=note)
