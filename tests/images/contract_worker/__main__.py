"""Run as job master or as worker, as CLASS_TO_RUN says. Argument: the folder of the unpacked job package."""

import os
import sys
from pathlib import Path

from . import master, worker
from .job import read_job

main_class = os.environ["CLASS_TO_RUN"].rsplit(".", 1)[1]
MAINS = {"JobMasterStarter": master.main, "K8sWorkerStarter": worker.main}
sys.exit(MAINS[main_class](read_job(Path(sys.argv[1]), os.environ["JOB_ID"])))
