#!/usr/bin/env bash
# Contract checks, as CI runs them: packages from the lock, artifacts against sources, forge tests.
# The last line is 'N passed, N failed'. Needs node and npm; a local forge is not used.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "contracts: $tool is not installed" >&2; exit 1; }
done
# The lock names forge's platform packages, not its wrapper: the wrapper lists platforms that were
# never published, on which `npm ci` fails. Nothing needs an install script.
if ! cmp -s package-lock.json node_modules/.installed 2>/dev/null; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed
fi

node tools/compile.cjs --check
node tools/money.cjs --check
node tools/gas.cjs --check

forge=$(ls node_modules/@foundry-rs/forge-*/bin/forge 2>/dev/null | head -n 1)
if [ -z "$forge" ]; then
  echo "contracts: the lock has no forge for this platform ($(uname -sm)); tests need x86-64 Linux or an arm64 Mac" >&2
  exit 1
fi
chmod +x "$forge"
# A failing sequence kept from an earlier run would replay against other code.
rm -rf cache/invariant cache/fuzz
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# One hard fork's tests; adds to the totals. forge's closing line:
# "Ran S test suites in T: P tests passed, F failed, K skipped (N total tests)"
passed=0 failed=0 status=0
fork() {
  local line
  timeout 900 "$forge" test "$@" 2>&1 | tee "$report" || status=$?
  line=$(sed 's/\x1b\[[0-9;]*m//g' "$report" | grep -E '^Ran [0-9]+ test suites? ' | tail -n 1 || true)
  if [ -z "$line" ]; then
    echo "contracts: forge gave no result" >&2
    exit 1
  fi
  passed=$((passed + $(sed -E 's/.*: ([0-9]+) tests? passed.*/\1/' <<<"$line")))
  failed=$((failed + $(sed -E 's/.* ([0-9]+) failed.*/\1/' <<<"$line")))
}

echo "cancun"
fork "$@"
# The same bytecode under the newest rules; gas is pinned under one set of them, and the campaign has run.
echo "osaka"
FOUNDRY_EVM_VERSION=osaka FOUNDRY_OUT=out/osaka FOUNDRY_CACHE_PATH=cache/osaka FOUNDRY_FUZZ_RUNS=256 \
  fork "$@" --no-match-contract 'GasTest|SolvencyTest'
echo "$passed passed, $failed failed"
[ "$status" -eq 0 ] && [ "$failed" -eq 0 ]
