"""The SQLite file of a registry."""

from pathlib import Path

from sqlalchemy import make_url


def make_database(uri: str) -> None:
    """Let MLflow fill a new SQLite file aside: one that is killed while it makes its tables cannot use them again."""
    path = sqlite_file(uri)
    if path is None or path.exists():
        return
    from mlflow.tracking import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(f"{path}.part")
    part.unlink(missing_ok=True)
    MlflowClient(f"sqlite:///{part}", f"sqlite:///{part}").search_registered_models(max_results=1)
    part.replace(path)


def sqlite_file(uri: str) -> Path | None:
    """The file behind an SQLite address; None for any other."""
    path = make_url(uri).database if uri.startswith("sqlite:") else None
    return Path(path) if path else None
