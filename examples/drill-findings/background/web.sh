#!/bin/sh
sleep 1000 &
# So long many a daemon looks whether its child has come up.
sleep 0.3
exit 0
