"""Write the golden renderings anew: `make golden`. Read the diff before you commit it."""

from tests.chart.test_invariants import GOLDEN
from tests.conftest import CI_VALUES, HELM_VERSIONS, Template

if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.yaml"):
        old.unlink()
    for path in CI_VALUES:
        result = Template(HELM_VERSIONS[-1]).run("-f", str(path))
        assert result.returncode == 0, result.stderr
        lines = [line.rstrip() for line in result.stdout.splitlines()]
        (GOLDEN / f"{path.stem}.yaml").write_text("\n".join(lines) + "\n")
