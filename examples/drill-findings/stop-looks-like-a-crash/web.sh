#!/bin/sh
trap 'kill $!; wait; exit 1' TERM
sleep 1000 &
wait
