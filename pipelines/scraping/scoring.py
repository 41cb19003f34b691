"""How much of a car a photograph shows, as a published model sees it."""

from pipelines.errors import BadProject
from scrapers.relevance import Score
from scrapers.settings import RelevanceSettings

_LEAST = 0.001


def load_score(settings: RelevanceSettings) -> Score | None:
    """The scorer that the project names, None where it names none.

    A classifier's score is the sum of the probabilities of `classes`, a detector's the best score of an object of one
    of them; without `classes` any class is one.

    Raises:
        BadProject: a least score is asked for, but no model to give it.
    """
    if settings.bundle is None:
        if settings.min_score is not None:
            raise BadProject("scrape: relevance: min_score needs a model; name a published bundle's folder as bundle:")
        return None
    from training.bundle import read_bundle
    from training.predicting.pictures import decode_image
    from training.predictors import Classifier, load_predictor

    predictor = load_predictor(read_bundle(settings.bundle.parent, settings.bundle.name))
    classes = set(settings.classes or predictor.bundle.spec.class_names)

    def score(content: bytes) -> float:
        pixels = decode_image(content)
        if isinstance(predictor, Classifier):
            return min(1.0, sum(one.score for one in predictor.predict(pixels) if one.class_name in classes))
        found = predictor.predict(pixels, threshold=_LEAST)
        return max((one.score for one in found if one.class_name in classes), default=0.0)

    return score
