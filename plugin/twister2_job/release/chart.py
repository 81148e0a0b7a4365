"""Finds the chart: the one in the wheel or, in a checkout, that of the repository."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ChartError

NAME = "twister2-job"


def packaged() -> Path:
    """Return the folder of the chart that is installed with this package.

    Raises:
        ChartError: The installation is broken.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "chart", package.parent.parent / "charts" / NAME):
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
    chosen = os.path.realpath(os.path.expanduser(path))  # Unlike pathlib's functions, these raise no errors.
    remedy = "Check --chart: a folder with a Chart.yaml, or a .tgz."
    if os.path.isfile(chosen) or os.path.isfile(os.path.join(chosen, "Chart.yaml")):
        return Path(chosen)
    if os.path.exists(path) and not os.path.isdir(chosen):
        raise ChartError(f"The chart {path} is a device or a pipe, and Helm has to read it several times.", remedy)
    raise ChartError(f"There is no chart at {path}.", remedy)


def version(chart: Path) -> str:
    """Return the version of a chart in a folder."""
    text = (chart / "Chart.yaml").read_text()
    return next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("version:"))
