#!/usr/bin/env bash
# All of the node edge again, with nodes that reach each other's pods through VXLAN.
exec "$(dirname "$0")/../edge/run.sh" --overlay vxlan
