#!/bin/bash
# Usage: debian-sources.sh SUITE
# Prints where Debian's packages of a release come from, as lines for sources.list: the mirrors of this machine's own apt. A
# machine of another release has this one on the same mirror.
set -euo pipefail

suite=$1
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
found=$(
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(LABEL)' 'Identifier: Packages' 'Component: main' |
    awk -v suite="$suite" -v keyring="$keyring" '
      $3 !~ /^Debian/ { next }
      $3 == "Debian" && uri == "" { uri = $1 }
      $2 ~ "^" suite { print "deb [signed-by=" keyring "] " $1, $2, "main"; found = 1 }
      END { if (!found && uri != "") print "deb [signed-by=" keyring "] " uri, suite, "main" }' | sort -u
)
[ -n "$found" ] || {
  echo "apt has no Debian mirror to take $suite from; see /etc/apt/sources.list." >&2
  exit 1
}
printf '%s\n' "$found"
