#!/usr/bin/env bash
# Says early, and in plain words, that the race detector will not work.
set -euo pipefail
if [[ "${1:-}" == -race && "$(go env CGO_ENABLED)" != 1 ]]; then
	echo 'The race detector needs a C compiler with the headers of the C library' >&2
	echo '(Debian: apt install gcc libc6-dev). `make test RACE=` does without it.' >&2
	exit 1
fi
