"""Write the golden renderings and the templates' copy of the defaults anew: `make golden`. Read the diff then."""

import json

import yaml

from tests.chart.test_invariants import GOLDEN
from tests.conftest import CHART, CI_VALUES, HELM_VERSIONS, Template


def defaults() -> str:
    """Return the defaults of the values as the chart's templates read them, whose values file Helm hides."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return json.dumps(values, separators=(",", ":"), sort_keys=True) + "\n"


if __name__ == "__main__":
    (CHART / "files" / "defaults.json").write_text(defaults())
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.yaml"):
        old.unlink()
    for path in CI_VALUES:
        result = Template(HELM_VERSIONS[-1]).run("-f", str(path))
        assert result.returncode == 0, result.stderr
        lines = [line.rstrip() for line in result.stdout.splitlines()]
        (GOLDEN / f"{path.stem}.yaml").write_text("\n".join(lines) + "\n")
