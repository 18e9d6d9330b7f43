#!/usr/bin/env bash
# A million guided calls at depth 500 (profile `nightly` in foundry.toml), then how often each function succeeded.
#   RUNS=20 tools/nightly.sh      fewer runs of 500 calls each (2,000 unless told)
#   JOBS=2 tools/nightly.sh       batches side by side
# Runs come in batches of BATCH (50), each with a seed of its own, and a batch that is done stays done: a campaign that was
# stopped goes on where it was. It starts anew when a contract or a test has changed, or with FRESH=1.
# Each run checks fifteen invariants after every call (Handler.toCheck says of which bounties), and that everybody can leave
# from wherever it stopped. CAMPAIGN.md has the last campaign's counts.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
forge=$(ls "$PWD"/node_modules/@foundry-rs/forge-*/bin/forge | head -n 1)
export forge RUNS=${RUNS:-2000} BATCH=${BATCH:-50} FOUNDRY_PROFILE=nightly
export dir=cache/nightly
now=$(cat artifacts/*.json foundry.toml test/*.sol test/mocks/*.sol | sha256sum)
if [ "${FRESH:-0}" = 1 ] || [ "$(cat $dir/code 2>/dev/null)" != "$now" ]; then rm -rf $dir; fi
mkdir -p $dir
echo "$now" >$dir/code
rm -rf cache/invariant
"$forge" build >/dev/null 2>&1 || "$forge" build

# Prints nothing but a failure; its counts are kept when all its runs are good.
batch() {
  local first=$((1 + $1 * BATCH)) runs=$BATCH from
  [ $((first + runs - 1)) -le "$RUNS" ] || runs=$((RUNS - first + 1))
  from=$dir/from-$first-$runs
  [ ! -f "$from.txt" ] || return 0
  rm -f "$from.part"
  if { time FOUNDRY_FUZZ_SEED=$(printf '0x%064x' "$first") FOUNDRY_INVARIANT_RUNS=$runs ZKAGGLE_COUNTS=$from.part \
    "$forge" test --match-contract SolvencyTest --match-test invariant_ >"$from.log" 2>&1; } 2>"$from.cpu"; then
    # One line a run, and one more for the last run, which forge plays again.
    head -n "$runs" "$from.part" >"$from.txt"
    rm "$from.part"
    echo "$(date -u +%H:%M:%S) runs $first to $((first + runs - 1)) are good"
  else
    cat "$from.log"
    return 255
  fi
}
export TIMEFORMAT='%U %S'
export -f batch
seq 0 $(((RUNS - 1) / BATCH)) | xargs -P "${JOBS:-1}" -I{} bash -c 'batch {}'

node -e '
const fs = require("fs");
const names = "create commit reveal attest prove claim lapse finalize timeout cancel refund withdraw withdrawToken draw openDrawn proposeKey acceptKey challengeShard answerShard claimChunks challengeChunk answerChunk settleClaim".split(" ");
const dir = process.env.dir;
const all = (ending) => fs.readdirSync(dir).filter((f) => f.endsWith(ending)).map((f) => fs.readFileSync(`${dir}/${f}`, "utf8"));
const runs = all(".txt").flatMap((t) => t.trim().split("\n")).map((l) => l.trim().split(" ").map(Number));
const calls = all(".log").reduce((sum, log) => sum + Number((/\(runs: \d+, calls: (\d+), reverts: 0\)/.exec(log) || [0, 0])[1]), 0);
const cpu = all(".cpu").reduce((sum, t) => sum + t.trim().split(" ").reduce((x, y) => x + Number(y), 0), 0);
const short = calls < 500 * Number(process.env.RUNS);
let few = 0;
names.forEach((name, i) => {
  const n = runs.reduce((sum, run) => sum + run[i], 0);
  // One success in two runs of 500 calls for the rarest, on average.
  const least = Math.floor(runs.length / 2);
  if (n < least) few += 1;
  console.log(String(n).padStart(9), name.padEnd(15), n < least ? `fewer than ${least}` : `(at least ${least})`);
});
console.log(`${runs.length} runs, ${calls.toLocaleString("en")} calls, ${Math.round(cpu)} CPU-seconds${short ? ": too few calls" : ""}`);
process.exit(few || short || runs.length < Number(process.env.RUNS) ? 1 : 0);
'
