#!/bin/sh
# An editor for `kubectl edit` that adds a value.
sed -i 's/^data:/data:\n  edited: "yes"/' "$1"
