#!/bin/sh
sleep 1000 &
exit 0
