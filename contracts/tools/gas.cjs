'use strict';
// Keeps docs/gas.md's table what snapshots/gas.json says, which the tests keep what the contracts cost.
//
//   node tools/gas.cjs           writes the table
//   node tools/gas.cjs --check   fails when it is stale
const fs = require('fs');
const path = require('path');

const SNAPSHOT = path.resolve(__dirname, '../snapshots/gas.json');
const DOC = path.resolve(__dirname, '../../docs/gas.md');
// What was asked of a call, verification of a real proof included.
const ASKED = { create: '400,000', commit: '110,000', prove: '1,000,000', claim: '550,000', claim_61706_weights: '3,500,000' };

const gas = JSON.parse(fs.readFileSync(SNAPSHOT, 'utf8'));
const rows = Object.entries(gas).map(
  ([name, g]) => `| \`${name}\` | ${g.toLocaleString('en-US')} | ${ASKED[name] || ''} |`,
);
const table = ['| call | gas | at most |', '|---|---|---|', ...rows].join('\n');
const old = fs.readFileSync(DOC, 'utf8');
const now = old.replace(/(<!-- gas -->\n)[\s\S]*?(\n<!-- \/gas -->)/, `$1${table}$2`);
if (now !== old) {
  if (process.argv.includes('--check')) {
    process.stderr.write('gas: docs/gas.md is not what snapshots/gas.json says: run node tools/gas.cjs\n');
    process.exit(1);
  }
  fs.writeFileSync(DOC, now);
}
