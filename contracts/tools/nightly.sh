#!/usr/bin/env bash
# A million guided calls at depth 500 (profile `nightly` in foundry.toml), then how often each function succeeded.
#   RUNS=20 tools/nightly.sh      fewer runs of 500 calls each
# Each run checks fifteen invariants after every call, and that everybody can leave from wherever it stopped.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
forge=$(ls node_modules/@foundry-rs/forge-*/bin/forge | head -n 1)
mkdir -p cache
rm -rf cache/invariant cache/counts.txt
FOUNDRY_PROFILE=nightly FOUNDRY_INVARIANT_RUNS=${RUNS:-2000} ZKAGGLE_COUNTS=cache/counts.txt \
  "$forge" test --match-contract SolvencyTest --match-test invariant_
node -e '
const names = "create commit reveal attest prove claim lapse finalize timeout cancel refund withdraw withdrawToken draw openDrawn proposeKey acceptKey challengeShard answerShard claimChunks challengeChunk answerChunk settleClaim".split(" ");
const runs = require("fs").readFileSync("cache/counts.txt", "utf8").trim().split("\n").map((l) => l.trim().split(" ").map(Number));
let few = 0;
names.forEach((name, i) => {
  const n = runs.reduce((sum, run) => sum + run[i], 0);
  // One success in five runs of 500 calls for the rarest, on average.
  const least = Math.floor(runs.length / 5);
  if (n < least) few += 1;
  console.log(String(n).padStart(9), name, n < least ? `(fewer than ${least})` : "");
});
console.log(`${runs.length} runs of 500 calls`);
process.exit(few ? 1 : 0);
'
