#!/usr/bin/env bash
# Fails early with a clear message if the race detector cannot work.
set -euo pipefail
if [[ "${1:-}" == -race && "$(go env CGO_ENABLED)" != 1 ]]; then
	echo 'The race detector needs a C compiler with the headers of the C library' >&2
	echo '(Debian: apt install gcc libc6-dev). Use `make test RACE=` to disable the race detector.' >&2
	exit 1
fi
