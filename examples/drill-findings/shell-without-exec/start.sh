#!/bin/sh
# The handler runs only when the server has ended, which nobody has told to.
trap 'echo stopping' TERM
sleep 1000
