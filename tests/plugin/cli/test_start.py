"""What starts: help, versions and usage errors pay for nothing that only a command needs."""

import sys

import pytest
from twister2_job.cli.registry import COMMANDS

from tests.conftest import run

HEAVY = {"asyncio", "json", "logging", "subprocess", "yaml", "pyhelm3", "pydantic"}


def imported(code, *words):
    """Run Python, and return the result and the names of all modules that it has imported in the end."""
    dump = "import atexit, sys; atexit.register(lambda: print('MODULES', *sys.modules, file=sys.stderr))\n"
    result = run(sys.executable, "-c", dump + code, *words)
    return result, set(result.stderr.rpartition("MODULES")[2].split())


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("--help", 0, "COMMAND"),
        ("install --help", 0, "--force-conflicts"),
        ("--version", 0, "twister2-job 0"),
        ("", 2, "COMMAND"),
        ("fly job", 2, "fly"),
        ("install", 2, "NAME"),
        ("address job --nonsense", 2, "--nonsense"),
        ("install job --timeout soon", 2, "soon"),
        ("forward job --local 0", 2, "port number"),
        ("address job -o env --first", 2, "-o env"),
        ("address job --watch --first", 2, "--first"),
        ("submit job a.jar b.jar", 2, "b.jar"),
    ],
)
def test_help_versions_and_usage_errors_import_neither_asyncio_nor_the_api(line, code, said):
    result, modules = imported("from twister2_job.__main__ import main; sys.exit(main())", *line.split())
    assert result.returncode == code and said in result.stdout + result.stderr
    assert "twister2_job.cli.parser" in modules and not HEAVY & modules
    ours = {name for name in modules if name.startswith("twister2_job.")}
    needed = "__main__ cli cli.parser cli.registry cli.streams cli.suggestions clients clients.signals errors".split()
    command = COMMANDS.get(line.partition(" ")[0])
    needed += ["cli.command", "cli.options", f"cli.{command.module}"] if command else []
    assert ours <= {f"twister2_job.{name}" for name in needed}


def test_the_package_alone_imports_nothing():
    _, modules = imported("import twister2_job; twister2_job.__version__; dir(twister2_job)")
    assert "twister2_job" in modules and not HEAVY & modules
    assert not {name for name in modules if name.startswith("twister2_job.")}


def test_an_error_is_imported_without_the_api():
    _, modules = imported("from twister2_job import JobExistsError")
    assert "asyncio" not in modules
    assert {name for name in modules if name.startswith("twister2_job.")} == {"twister2_job.errors"}
