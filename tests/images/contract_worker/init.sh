#!/bin/bash
# Starts the contract worker as Twister2 0.8.0's image starts its main classes.
. ./unpack.sh
python3 -u -m contract_worker "$job"
code=$?
if ((code)); then exit $code; fi
echo "$CLASS_TO_RUN completed. Waiting the pod to be deleted."
sleep infinity
