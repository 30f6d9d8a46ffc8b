#!/bin/bash
# Ends when the first of the two ends, with its exit code.
./config-server &
./sidecar-dependent-app &
wait -n
exit $?
