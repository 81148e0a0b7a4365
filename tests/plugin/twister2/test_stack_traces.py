"""Why a JVM failed, from logs as Java and Twister2 write them."""

import pytest
from twister2_job.twister2.stack_traces import cause, without_frames

PREFIX = "[2026-11-28 09:10:11 +0000] [SEVERE] [-] [main] edu.iu.dsc.tws.rsched.K8sWorkerStarter: "
UNCAUGHT = PREFIX + "Uncaught exception in the thread Thread[main,5,main]. Worker FAILED... "
FRAMES = [
    "\tat edu.iu.dsc.tws.comms.tcp.TWSTCPChannel.createBuffers(TWSTCPChannel.java:131)",
    "\tat java.base/java.nio.ByteBuffer.allocate(ByteBuffer.java:361)",
    "\tat org.example.Job$$Lambda$12/0x0000.run(Unknown Source)",
    "\tat org.example.Job.<init>(Job.java:5) ~[job.jar:?]",
    "\t... 23 more",
]
AFTER = [
    'Exception: java.lang.RuntimeException thrown from the UncaughtExceptionHandler in thread "main"',
    PREFIX + "Worker finished",
]
HEAP = "java.lang.OutOfMemoryError: Java heap space"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([UNCAUGHT, "java.io.IOException: no more tuples", *FRAMES, *AFTER], "java.io.IOException: no more tuples"),
        ([UNCAUGHT, "java.lang.NullPointerException", *FRAMES], "java.lang.NullPointerException"),
        (
            [UNCAUGHT, "a.A$W: outer", *FRAMES, "Caused by: a.B: x", *FRAMES, "Caused by: a.C: root", *FRAMES, *AFTER],
            "a.A$W: outer, caused by a.C: root",
        ),
        ([UNCAUGHT, "a.Outer: a.Inner: x", *FRAMES, "Caused by: a.Inner: x", *FRAMES], "a.Outer: a.Inner: x"),
        ([UNCAUGHT, "a.B: x", *FRAMES, PREFIX + "an entry", "Caused by: a.C: of another one"], "a.B: x"),
        ([UNCAUGHT, PREFIX + "the exception is missing"], UNCAUGHT.strip()),
        (['Exception in thread "worker 1" java.io.IOException: disk full', *FRAMES], "java.io.IOException: disk full"),
        (["INFO: ok", "Ending: java.lang.OutOfMemoryError: Metaspace"], "java.lang.OutOfMemoryError: Metaspace"),
        (["INFO: ok", *FRAMES, *AFTER[1:]], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_the_exception_is_found_with_its_message(lines, expected):
    assert cause(lines) == expected
    assert cause([f"{line}\r" for line in lines]) == expected


@pytest.mark.parametrize(
    "lines",
    [
        [UNCAUGHT, HEAP, *FRAMES],
        [f'Exception in thread "main" {HEAP}', *FRAMES],
        ["INFO: ok", f"2026 SEVERE: a thread died: {HEAP}", *FRAMES],
    ],
)
def test_short_memory_is_told_with_what_helps(lines):
    assert cause(lines) == f"{HEAP} (a worker's heap comes of job.ram, the job master's of job.master.ram)"


def test_a_long_message_is_cut():
    assert len(cause([UNCAUGHT, "a.B: " + "x" * 10_000])) <= 205


def test_stack_frames_are_no_words():
    assert without_frames(["one", "", *FRAMES, "at last", "   ", "Caused by: a.B"]) == [
        "one",
        "at last",
        "Caused by: a.B",
    ]
