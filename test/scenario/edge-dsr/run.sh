#!/usr/bin/env bash
# All of the node edge again, with direct server return.
exec "$(dirname "$0")/../edge/run.sh" --dsr
