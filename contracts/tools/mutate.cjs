'use strict';
// Breaks the contracts one place at a time and asks whether the tests notice.
//
//   node tools/mutate.cjs --sample 20 [--seed 1] [--only MarketEnding] [--part 1/2]
//   node tools/mutate.cjs --all                                    every place
//   node tools/mutate.cjs --report                                 what is known so far
//
// Which places, the seed says. Mutants of one source are compiled together, each behind a switch (tools/schemata.cjs); the
// same code with every switch off must pass all tests first. Tests stop at the first that fails; those that know the
// source best come first, the fixed walks of the campaign last. What lives counts when the whole optimizer makes other
// code of it. Works on a copy, in the system's temporary folder. Verdicts are kept in cache/mutants.jsonl, so a run that was
// stopped goes on; what lived is tried again once the tests have changed. MUTANTS.md answers those that no test can tell.
// Fails below 90 % killed.
const fs = require('fs');
const os = require('os');
const path = require('path');
const crypto = require('crypto');
const { spawnSync } = require('child_process');
const solc = require('solc');
const { settings } = require('./settings.cjs');
const { placesOf } = require('./operators.cjs');
const { compileAll, withMutant } = require('./schemata.cjs');

const ROOT = path.resolve(__dirname, '..');
const KEPT = path.join(ROOT, 'cache/mutants.jsonl');
const MARKET = ['BountyMarket', 'MarketPosting', 'MarketClaiming', 'MarketEnding'];
/** Sources, the deployed contracts made of each, and the tests that know it best. */
const SOURCES = {
  BountyMarket: [['BountyMarket'], 'Enter|Prove|Roles|Deadlines'],
  MarketPosting: [['MarketPosting'], 'Create|Draw|Keys'],
  MarketClaiming: [['MarketClaiming'], 'Claim|Chunks'],
  MarketEnding: [['MarketEnding'], 'Ends|Challenge|Money'],
  MarketStorage: [MARKET, 'Deadlines|Roles|Story'],
  MarketBooks: [MARKET, 'Ends|Money'],
  MarketData: [MARKET, 'Create|Draw|Enter'],
  MarketModule: [MARKET, 'Roles|Attacks'],
  MarketViews: [MARKET, 'Enter|Claim|Challenge'],
  Ledger: [MARKET, 'Tokens|Ends'],
  'libraries/Ciphertext': [['MarketClaiming'], 'Claim|Chunks'],
  'libraries/Pool': [MARKET, 'Draw'],
  'libraries/Tokens': [[...MARKET, 'TokenPot'], 'Tokens'],
  'libraries/Metrics': [MARKET, 'Create|Prove'],
  'libraries/BabyJubJub': [['MarketPosting'], 'Create|Claim'],
  'libraries/Schemas': [['DatasetRegistry', 'MarketPosting'], 'Registries|Create'],
  'libraries/Chunks': [['KeyRegistry'], 'Registries'],
  TokenPot: [['TokenPot', ...MARKET], 'Tokens'],
  KeyRegistry: [['KeyRegistry'], 'Registries|Review'],
  DatasetRegistry: [['DatasetRegistry'], 'Registries|DagPb'],
  DagPb: [['DagPb'], 'DagPb'],
  'libraries/UnixFs': [['DagPb'], 'DagPb'],
};
// Gas differs with any change. The campaign's random half is not for a verdict; its fixed walks come last. Trees of
// nodes are read by one contract, which no other calls.
const LEFT_OUT = 'GasTest|SolvencyTest|DagPbTest';
/** Half the compiler's time, and code that still fits; baseline and mutants alike. */
const QUICK = { enabled: true, runs: 200, details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: 'u:' } } };

const sha = (data) => crypto.createHash('sha256').update(data).digest('hex');

function readSources() {
  const sources = {};
  const walk = (dir) =>
    fs.readdirSync(path.join(ROOT, dir), { withFileTypes: true }).forEach((e) => {
      const name = `${dir}/${e.name}`;
      if (e.isDirectory()) walk(name);
      else if (name.endsWith('.sol')) sources[name] = { content: fs.readFileSync(path.join(ROOT, name), 'utf8') };
    });
  walk('src');
  return sources;
}

function solve(sources, outputSelection, optimizer) {
  const input = { language: 'Solidity', sources, settings: { ...settings, optimizer, outputSelection } };
  return JSON.parse(solc.compile(JSON.stringify(input)));
}

function places(sources) {
  const trees = solve(sources, { '*': { '': ['ast'] } }, settings.optimizer).sources;
  return Object.entries(SOURCES).flatMap(([name, [contracts, first]]) => {
    const file = `src/${name}.sol`;
    const bytes = Buffer.from(sources[file].content);
    return placesOf(trees[file].ast, bytes).map((m) => {
      const changed = Buffer.concat([bytes.subarray(0, m.at), Buffer.from(m.by), bytes.subarray(m.at + m.length)]).toString('utf8');
      const row = bytes.subarray(0, m.at).toString('utf8').split('\n').length;
      const was = bytes.subarray(m.at, m.at + m.length).toString('utf8').replace(/\s+/g, ' ');
      const line = sources[file].content.split('\n')[row - 1].trim();
      const place = `${name}:${row}`;
      const says = `${m.what}, \`${was}\` in \`${line}\``;
      return { ...m, name, file, contracts, first, changed, place, says, id: sha(changed + file) };
    });
  });
}

const selection = (contracts) => Object.fromEntries(contracts.map((c) => [`src/${c}.sol`, { [c]: ['evm.bytecode.object'] }]));

/** The contracts with one source replaced; null when it does not compile. */
function compile(sources, contracts, mutant, optimizer) {
  const all = mutant ? { ...sources, [mutant.file]: { content: mutant.changed } } : sources;
  const out = solve(all, selection(contracts), optimizer);
  if ((out.errors || []).some((e) => e.severity === 'error')) return null;
  return Object.fromEntries(contracts.map((c) => [c, `0x${out.contracts[`src/${c}.sol`][c].evm.bytecode.object}`]));
}

/** What `make` gives for these sources, from the last time. */
function kept(what, sources, make) {
  const file = path.join(path.dirname(KEPT), `${sha(JSON.stringify([what, sources, settings]))}.json`);
  if (!fs.existsSync(file)) {
    fs.writeFileSync(`${file}.part`, JSON.stringify(make()));
    fs.renameSync(`${file}.part`, file);
  }
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/** A copy of the tests whose artifacts are ours to change. */
function bench() {
  const copy = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'mutants-')), 'contracts');
  fs.mkdirSync(copy);
  for (const part of ['foundry.toml', 'artifacts', 'test', 'src', 'tools', 'snapshots', 'out', 'cache']) {
    if (fs.existsSync(path.join(ROOT, part))) fs.cpSync(path.join(ROOT, part), path.join(copy, part), { recursive: true, preserveTimestamps: true });
  }
  fs.cpSync(path.join(ROOT, '../tests/vectors'), path.join(copy, '../tests/vectors'), { recursive: true });
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));
  // forge asks for the compiler's version each time, and npm's takes a second to say it.
  const version = spawnSync(path.join(ROOT, 'tools/solc'), ['--version'], { encoding: 'utf8' }).stdout;
  fs.writeFileSync(path.join(copy, 'tools/version'), version);
  const shim = ['#!/usr/bin/env bash', 'here=$(dirname "$(readlink -f "$0")")', 'if [ "$1" = --version ]; then exec cat "$here/version"; fi', 'exec node "$here/solc-shim.cjs" "$@"'];
  fs.writeFileSync(path.join(copy, 'tools/solc'), `${shim.join('\n')}\n`);
  const forge = fs.readdirSync(path.join(ROOT, 'node_modules/@foundry-rs')).map((d) => path.join(ROOT, 'node_modules/@foundry-rs', d, 'bin/forge'))[0];
  // Switches take room that what is deployed does not have.
  const env = { ...process.env, FOUNDRY_FUZZ_RUNS: '4', FOUNDRY_CODE_SIZE_LIMIT: '1000000' };
  const run = (...which) => {
    // Processor time, not time: a loop without an end is a kill, a busy machine is not.
    const limited = ['-c', 'ulimit -t 120; exec "$@"', 'bash', forge, 'test', '--fail-fast', ...which];
    const out = spawnSync('bash', limited, { cwd: copy, env, encoding: 'utf8', maxBuffer: 1 << 28 });
    if (out.status === 0) return null;
    const failed = /\[FAIL[^\n]*\] (\w+)\(/.exec(out.stdout || '');
    if (!failed && out.status === null) return 'time ran out';
    if (!failed) throw new Error(`forge: ${out.stdout}${out.stderr}`.slice(-2000));
    return failed[1];
  };
  return {
    put: (code) => {
      for (const [name, bytecode] of Object.entries(code)) {
        fs.writeFileSync(path.join(copy, 'artifacts', `${name}.json`), JSON.stringify({ bytecode }));
      }
    },
    /** The test that failed, or null. */
    failing: (first) => {
      const known = first.split('|').map((t) => `${t}Test`).join('|');
      if (first === 'DagPb') return run('--match-contract', '^DagPbTest$');
      return (
        run('--match-contract', `^(${known})$`) ||
        run('--no-match-contract', `^(${known}|${LEFT_OUT})$`) ||
        run('--match-contract', 'SolvencyTest', '--match-test', 'test_fixed')
      );
    },
    remove: () => fs.rmSync(path.dirname(copy), { recursive: true }),
  };
}

/** Judges each mutant of the list, source by source; `keep` takes the verdicts. */
function judge(sources, list, keep) {
  if (!list.length) return;
  const table = bench();
  // Everything deployed is compiled alike, mutant or not; and must be good as it is, or nothing here means anything.
  const sound = kept(`sound ${JSON.stringify(QUICK)}`, sources, () => {
    const deployed = new Set(Object.values(SOURCES).flatMap(([contracts]) => contracts));
    return Object.assign({}, ...[...deployed].map((c) => compile(sources, [c], null, QUICK)));
  });
  const fine = (code, first, what) => {
    table.put(code);
    const by = table.failing(first);
    if (by) throw new Error(`${by} fails without any mutant${what}`);
  };
  fine(sound, 'Story', '');
  fine({}, 'DagPb', '');
  const whole = (c) => JSON.parse(fs.readFileSync(path.join(ROOT, 'artifacts', `${c}.json`), 'utf8')).bytecode;
  const verdict = (mutant, code) => {
    table.put(code);
    const by = table.failing(mutant.first);
    table.put(Object.fromEntries(mutant.contracts.map((c) => [c, sound[c]])));
    if (by) {
      keep(mutant, 'killed', by);
      process.stdout.write(`killed ${mutant.place}: ${mutant.says} by ${by}\n`);
      return;
    }
    const other = mutant.contracts.some((c) => compile(sources, [c], mutant, settings.optimizer)[c] !== whole(c));
    keep(mutant, other ? 'lived' : 'same code');
  };
  for (const name of new Set(list.map((m) => m.name))) {
    const mutants = list.filter((m) => m.name === name).map((m, i) => ({ ...m, number: i + 1 }));
    const { file, contracts, first } = mutants[0];
    const rest = new Set(mutants);
    for (const { list: group, code } of compileAll(sources, file, mutants, (s) => solve(s, selection(contracts), QUICK), contracts)) {
      const on = (number) => Object.fromEntries(contracts.map((c) => [c, withMutant(code[c], number)]));
      fine(on(0), first, `, all switches of ${name} off`);
      for (const m of group) {
        verdict(m, on(m.number));
        rest.delete(m);
      }
    }
    for (const m of rest) {
      const code = compile(sources, contracts, m, QUICK);
      if (!code) keep(m, 'no code');
      else if (contracts.every((c) => code[c] === sound[c])) keep(m, 'same code');
      else verdict(m, code);
    }
  }
  table.remove();
}

function main() {
  const argument = (name, fallback) => {
    const i = process.argv.indexOf(name);
    return i < 0 ? fallback : process.argv[i + 1];
  };
  const seed = argument('--seed', '1');
  const only = argument('--only', '').split(',').filter(Boolean);
  const [part, parts] = argument('--part', '1/1').split('/').map(Number);
  const sources = readSources();
  const order = new Map();
  const all = places(sources).filter((m) => !only.length || only.includes(m.name));
  for (const m of all) order.set(m, sha(`${seed} ${m.id}`));
  all.sort((a, b) => (order.get(a) < order.get(b) ? -1 : 1));
  const testFiles = fs.readdirSync(path.join(ROOT, 'test'), { recursive: true }).filter((f) => f.endsWith('.sol')).sort();
  const tests = sha(testFiles.map((f) => sha(fs.readFileSync(path.join(ROOT, 'test', f)))).join());
  const file = path.join(ROOT, 'MUTANTS.md');
  const answers = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  const answered = (m) => answers.includes(`* ${m.name}: ${m.says}:`);
  const known = new Map();
  if (fs.existsSync(KEPT)) for (const l of fs.readFileSync(KEPT, 'utf8').trim().split('\n')) known.set(JSON.parse(l).id, JSON.parse(l));
  const settled = (m) => {
    const k = known.get(m.id);
    return k && (k.verdict !== 'lived' || k.tests === tests) ? k : undefined;
  };
  fs.mkdirSync(path.dirname(KEPT), { recursive: true });
  const keep = (m, verdict, by) => {
    const k = { id: m.id, verdict, by, tests };
    known.set(m.id, k);
    fs.appendFileSync(KEPT, `${JSON.stringify(k)}\n`);
    return k;
  };

  const wanted = process.argv.includes('--all') ? all.length : process.argv.includes('--report') ? 0 : Number(argument('--sample', '20'));
  const counts = {};
  const count = (m, k) => {
    const verdict = k.verdict === 'lived' && answered(m) ? 'equivalent' : k.verdict;
    const c = (counts[m.name] ||= { killed: 0, lived: 0, equivalent: 0 });
    if (verdict in c) c[verdict] += 1;
    if (verdict === 'lived') process.stdout.write(`LIVED  ${m.place}: ${m.says}\n`);
  };
  if (wanted === 0) for (const m of all) if (known.has(m.id)) count(m, known.get(m.id));
  const chosen = all.filter((m, i) => i % parts === part - 1).slice(0, wanted);
  if (wanted) judge(sources, chosen.filter((m) => !settled(m)), keep);
  for (const m of chosen) count(m, known.get(m.id));
  const sum = { killed: 0, lived: 0, equivalent: 0 };
  for (const [name, c] of Object.entries(counts).sort()) {
    for (const key of Object.keys(sum)) sum[key] += c[key];
    process.stdout.write(`${name.padEnd(22)} ${c.killed} killed, ${c.lived} lived, ${c.equivalent} equivalent\n`);
  }
  const share = (100 * sum.killed) / (sum.killed + sum.lived);
  process.stdout.write(`${sum.killed} of ${sum.killed + sum.lived} killed, ${share.toFixed(1)} %; ${sum.equivalent} equivalent; ${all.length} places in all\n`);
  process.exit(share >= 90 ? 0 : 1);
}

main();
