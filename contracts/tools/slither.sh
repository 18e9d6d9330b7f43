#!/usr/bin/env bash
# slither (PyPI: slither-analyzer) over what is deployed; SLITHER names it, otherwise PATH. Fails on any
# finding of low impact or more that SLITHER.md does not answer.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
slither=${SLITHER:-$(command -v slither || true)}
[ -n "$slither" ] || { echo "SKIPPED: slither is not installed (pip install slither-analyzer)"; exit 0; }
bin=$(dirname "$(ls "$PWD"/node_modules/@foundry-rs/forge-*/bin/forge | head -n 1)")
export PATH="$bin:$PATH" FOUNDRY_SRC=src FOUNDRY_TEST=none FOUNDRY_OUT=cache/slither/out FOUNDRY_CACHE_PATH=cache/slither/cache
forge build --via-ir --build-info --force >/dev/null 2>&1
rm -f cache/slither/found.json
"$slither" . --ignore-compile --foundry-out-directory cache/slither/out --exclude-informational --exclude-optimization \
  --json cache/slither/found.json >cache/slither/log.txt 2>&1 || true
node -e '
const fs = require("fs");
const report = JSON.parse(fs.readFileSync("cache/slither/found.json", "utf8"));
if (!report.success) { console.error(report.error); process.exit(1); }
const answers = fs.readFileSync("SLITHER.md", "utf8");
const open = new Map();
for (const d of report.results.detectors || []) {
  const names = d.elements.filter((e) => e.type === "function").map((e) => e.type_specific_fields.parent.name + "." + e.name);
  const where = names[0] || (d.elements[0] && d.elements[0].name) || "?";
  const key = "`" + d.check + "` " + where;
  if (!answers.includes(key + ":")) open.set(key, d.impact);
}
for (const [key, impact] of [...open].sort()) console.log(impact.padEnd(8), key);
console.log((report.results.detectors || []).length, "findings,", open.size, "kinds unanswered");
process.exit(open.size ? 1 : 0);
'
