#!/bin/sh
setsid ./agent.sh &
exec sleep 1000
