"""Finds the chart: the one in the wheel, or in a checkout the one of the repository."""

from __future__ import annotations

from pathlib import Path

from .errors import ChartError

NAME = "twister2-job"


def packaged() -> Path:
    """Return the folder of the chart that travels with this package.

    Raises:
        ChartError: The installation is broken.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "chart", here.parent.parent / "charts" / NAME):
        if (folder / "Chart.yaml").is_file():
            return folder
    raise ChartError("The chart is missing from this installation.", "Install twister2-job again, or give --chart.")


def find(path: str = "") -> Path:
    """Return the absolute path of the chart to use.

    Args:
        path: Folder or .tgz of another chart; empty means the packaged one.

    Raises:
        ChartError: There is no chart at `path`.
    """
    if not path:
        return packaged()
    chosen = Path(path).expanduser().resolve()
    if not chosen.is_file() and not (chosen / "Chart.yaml").is_file():
        raise ChartError(f"There is no chart at {path}.", "Check --chart: a folder with a Chart.yaml, or a .tgz.")
    return chosen


def version(chart: Path) -> str:
    """Return the version of a chart in a folder."""
    text = (chart / "Chart.yaml").read_text()
    return next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("version:"))
