"""Functions that run only with what a person has put on the machine: a function.yaml says so in an annotation.

    metadata: {annotations: {requires_weights: CARLOOP_SEGMENTER_WEIGHTS}}

The environment variable of that name has to point at a folder as `transformers` saves a model: `config.json` and
weights as safetensors. Whoever lists or deploys functions asks `is_available` first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUIRES_WEIGHTS = "requires_weights"
CONFIG_FILE = "config.json"
WEIGHTS_PATTERN = "*.safetensors"


def is_available(config: Mapping[str, Any], env: Mapping[str, str]) -> str | None:
    """Why the function of a function.yaml cannot run, in one sentence; None where it can, or needs no weights.

    `env` stands over the values in the file.
    """
    metadata = config.get("metadata") or {}
    variable = (metadata.get("annotations") or {}).get(REQUIRES_WEIGHTS)
    if not variable:
        return None
    reason = weights_problem(variable, {**_own_env(config), **env}.get(variable))
    return reason and f"{metadata.get('name')} is left out: {reason}"


def weights_problem(variable: str, folder: str | None) -> str | None:
    """What is wrong with a folder of weights that an environment variable names; None where nothing is."""
    if not folder:
        return f"{variable} is not set; let it point at a folder with {CONFIG_FILE} and {WEIGHTS_PATTERN}"
    path = Path(folder)
    if not path.is_dir():
        return f"{variable} is {folder}, which is no folder here; put {CONFIG_FILE} and {WEIGHTS_PATTERN} there"
    if not (path / CONFIG_FILE).is_file():
        return f"{folder} ({variable}) has no {CONFIG_FILE}; save the model there with save_pretrained"
    if not any(path.glob(WEIGHTS_PATTERN)):
        return f"{folder} ({variable}) has no {WEIGHTS_PATTERN}, and pickled weights are never opened; convert them"
    return None


def _own_env(config: Mapping[str, Any]) -> dict[str, str]:
    variables = (config.get("spec") or {}).get("env") or []
    return {variable["name"]: variable["value"] for variable in variables if "value" in variable}
