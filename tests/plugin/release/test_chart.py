"""Finding the chart that a user names."""


import os

import pytest
from twister2_job.errors import ChartError
from twister2_job.release import chart as charts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("fifo", "The chart fifo is a device or a pipe, and Helm has to read it several times."),
        ("/dev/zero", "The chart /dev/zero is a device or a pipe"),
        ("missing", "There is no chart at missing."),
        ("loop", "There is no chart at loop."),
        ("~nobody-of-this-name/x", "There is no chart at ~nobody-of-this-name/x."),
        ("a" * 300, "There is no chart at aaa"),
    ],
)
def test_a_chart_that_is_no_file_or_folder(folder, path, said):
    (folder / "loop").symlink_to("loop")
    with pytest.raises(ChartError) as error:
        charts.find(path)
    assert said in str(error.value)
