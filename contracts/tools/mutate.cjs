'use strict';
// Breaks the contracts one place at a time and asks whether the tests notice.
//
//   node tools/mutate.cjs --sample 20 [--seed 1]   twenty places, chosen by the seed
//   node tools/mutate.cjs --all                    every place; hours
//
// A mutant counts when it compiles to other code. Works on a copy, in the system's temporary folder. Fails below 90 % killed.
const fs = require('fs');
const os = require('os');
const path = require('path');
const crypto = require('crypto');
const { spawnSync } = require('child_process');
const solc = require('solc');
const { settings } = require('./settings.cjs');

const ROOT = path.resolve(__dirname, '..');
const TARGETS = ['BountyMarket', 'MarketPosting', 'MarketClaiming', 'MarketEnding', 'KeyRegistry', 'TokenPot'];
const SHARED = ['MarketStorage', 'MarketBooks', 'MarketData', 'Ledger', 'libraries/Ciphertext', 'libraries/Pool', 'libraries/Tokens'];
// Gas differs with any change, and vectors lie outside the copy; the campaign is the slowest and comes last elsewhere.
const LEFT_OUT = 'GasTest|VectorsTest|SolvencyTest';

/** What may be done to a line of code. */
const OPERATORS = [
  ['no check', /^(\s*)if \(.*\) revert .*;$/, () => ''],
  ['< to <=', / < /g, () => ' <= '],
  ['<= to <', / <= /g, () => ' < '],
  ['> to >=', / > /g, () => ' >= '],
  ['>= to <', / >= /g, () => ' < '],
  ['== to !=', / == /g, () => ' != '],
  ['!= to ==', / != /g, () => ' == '],
  ['&& to ||', / && /g, () => ' || '],
  ['|| to &&', / \|\| /g, () => ' && '],
  ['+ to -', / \+ /g, () => ' - '],
  ['- to +', / - /g, () => ' + '],
  ['++ to --', /\+\+(?=[a-z])/g, () => '--'],
  ['+= to -=', / \+= /g, () => ' -= '],
  ['-= to +=', / -= /g, () => ' += '],
  ['no call', /^(\s*)(_pay|_burn|_credit|_returnStake|_settle|_openClaims|_returnBonds|_checkWindow|_lapse)\(.*\);$/, () => ''],
  ['no assignment', /^(\s*)[a-zA-Z.[\]]+ (=|\|=) [^=].*;$/, () => ''],
];

function places() {
  const found = [];
  for (const name of [...TARGETS, ...SHARED]) {
    const file = `src/${name}.sol`;
    const lines = fs.readFileSync(path.join(ROOT, file), 'utf8').split('\n');
    lines.forEach((line, row) => {
      if (/^\s*(\/\/|\*|import|pragma|emit|for )/.test(line) || /assembly|constant/.test(line)) return;
      for (const [what, pattern, by] of OPERATORS) {
        for (const m of line.matchAll(pattern.global ? pattern : new RegExp(pattern, 'g'))) {
          found.push({ file, row, what, line: line.slice(0, m.index) + by() + line.slice(m.index + m[0].length) });
        }
      }
    });
  }
  return found;
}

/** The deployed contracts with one line replaced; null when it does not compile. */
function compile(mutant) {
  const sources = {};
  const walk = (dir) =>
    fs.readdirSync(path.join(ROOT, dir), { withFileTypes: true }).forEach((e) => {
      const name = `${dir}/${e.name}`;
      if (e.isDirectory()) walk(name);
      else if (name.endsWith('.sol')) sources[name] = { content: fs.readFileSync(path.join(ROOT, name), 'utf8') };
    });
  walk('src');
  if (mutant) {
    const lines = sources[mutant.file].content.split('\n');
    lines[mutant.row] = mutant.line;
    sources[mutant.file] = { content: lines.join('\n') };
  }
  const own = TARGETS.filter((t) => mutant && mutant.file === `src/${t}.sol`);
  const outputSelection = {};
  for (const t of own.length ? own : TARGETS) outputSelection[`src/${t}.sol`] = { [t]: ['evm.bytecode.object'] };
  const input = { language: 'Solidity', sources, settings: { ...settings, outputSelection } };
  const out = JSON.parse(solc.compile(JSON.stringify(input)));
  if ((out.errors || []).some((e) => e.severity === 'error')) return null;
  const code = {};
  for (const inSource of Object.values(out.contracts)) for (const [n, c] of Object.entries(inSource)) code[n] = `0x${c.evm.bytecode.object}`;
  return code;
}

function main() {
  const argument = (name, fallback) => {
    const i = process.argv.indexOf(name);
    return i < 0 ? fallback : process.argv[i + 1];
  };
  const seed = argument('--seed', '1');
  const order = (m) => crypto.createHash('sha256').update(`${seed} ${m.file} ${m.row} ${m.what} ${m.line}`).digest('hex');
  const all = places().sort((a, b) => (order(a) < order(b) ? -1 : 1));
  const wanted = process.argv.includes('--all') ? all.length : Number(argument('--sample', '20'));

  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'mutants-'));
  for (const part of ['foundry.toml', 'artifacts', 'test', 'src', 'tools', 'snapshots', 'out', 'cache']) {
    if (fs.existsSync(path.join(ROOT, part))) fs.cpSync(path.join(ROOT, part), path.join(copy, part), { recursive: true, preserveTimestamps: true });
  }
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));
  const forge = fs.readdirSync(path.join(ROOT, 'node_modules/@foundry-rs')).map((d) => path.join(ROOT, 'node_modules/@foundry-rs', d, 'bin/forge'))[0];
  const test = () =>
    spawnSync(forge, ['test', '--fail-fast', '--no-match-contract', LEFT_OUT], {
      cwd: copy,
      env: { ...process.env, FOUNDRY_FUZZ_RUNS: '32' },
      timeout: 300000,
    }).status;
  const put = (code) => {
    for (const [name, bytecode] of Object.entries(code)) {
      const file = path.join(copy, 'artifacts', `${name}.json`);
      const json = JSON.parse(fs.readFileSync(file, 'utf8'));
      fs.writeFileSync(file, JSON.stringify({ ...json, bytecode }));
    }
  };
  const sound = compile(null);
  put(sound);
  if (test() !== 0) {
    process.stderr.write('mutate: the tests fail without any mutant\n');
    process.exit(1);
  }
  let killed = 0;
  let lived = 0;
  for (const mutant of all) {
    if (killed + lived >= wanted) break;
    const code = compile(mutant);
    if (!code || Object.entries(code).every(([n, c]) => sound[n] === c)) continue;
    put({ ...sound, ...code });
    const dead = test() !== 0;
    if (dead) killed += 1;
    else lived += 1;
    process.stdout.write(`${dead ? 'killed' : 'LIVED '} ${mutant.file}:${mutant.row + 1} ${mutant.what}: ${mutant.line.trim()}\n`);
  }
  fs.rmSync(copy, { recursive: true });
  const share = (100 * killed) / (killed + lived);
  process.stdout.write(`${killed} of ${killed + lived} killed, ${share.toFixed(0)} %; ${all.length} places in all\n`);
  process.exit(share >= 90 ? 0 : 1);
}

main();
