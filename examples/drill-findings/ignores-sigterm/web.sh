#!/bin/sh
# As `nohup` and some launchers do it: what is ignored is inherited by everything below.
trap '' TERM
while :; do sleep 0.2; done
