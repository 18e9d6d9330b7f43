'use strict';
// Compiles contracts/src into contracts/artifacts, reproducibly.
//
//   node tools/compile.cjs           writes artifacts/*.json and artifacts/SOURCES.sha256
//   node tools/compile.cjs --check   compiles and compares with what is committed; writes nothing
//
// SOURCES.sha256 has one line per source and one for the settings: `cargo test` compares it with
// the sources, so that a stale artifact fails without a compiler.
const fs = require('fs');
const path = require('path');
const crypto = require('crypto');
const solc = require('solc');
const { version, settings } = require('./settings.cjs');

const ROOT = path.resolve(__dirname, '..');
const OUT = path.join(ROOT, 'artifacts');
const EIP170 = 24576;
const EIP3860 = 49152;

const fail = (message) => {
  process.stderr.write(`compile: ${message}\n`);
  process.exit(1);
};

function sourcesUnder(dir) {
  const found = [];
  for (const entry of fs.readdirSync(path.join(ROOT, dir), { withFileTypes: true })) {
    const name = `${dir}/${entry.name}`;
    if (entry.isDirectory()) found.push(...sourcesUnder(name));
    else if (name.endsWith('.sol')) found.push(name);
  }
  return found;
}

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

function compile(names) {
  const sources = {};
  for (const name of names) sources[name] = { content: fs.readFileSync(path.join(ROOT, name), 'utf8') };
  const input = { language: 'Solidity', sources, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const problems = (output.errors || []).filter((e) => e.severity !== 'info');
  for (const p of problems) process.stderr.write(p.formattedMessage);
  // A warning is a defect here: there is nobody to read it later.
  if (problems.length) fail(`${problems.length} errors or warnings`);
  return output;
}

/** Names of state variables by AST id, which is how solc calls immutables. */
function variableNames(sources) {
  const names = {};
  const walk = (node) => {
    if (Array.isArray(node)) node.forEach(walk);
    else if (node && typeof node === 'object') {
      if (node.nodeType === 'VariableDeclaration' && node.stateVariable) names[node.id] = node.name;
      if (node.nodeType === 'SourceUnit' || node.nodeType === 'ContractDefinition') walk(node.nodes);
    }
  };
  Object.values(sources).forEach(({ ast }) => walk(ast));
  return names;
}

/** Where each immutable's 32 bytes stand in the deployed code, by name. */
function immutables(references, names) {
  const byName = {};
  for (const [id, places] of Object.entries(references)) {
    byName[names[id]] = places.map(({ start, length }) => ({ start, length })).sort((x, y) => x.start - y.start);
  }
  return Object.fromEntries(Object.entries(byName).sort(([x], [y]) => (x < y ? -1 : 1)));
}

/** A contract that others hold the code of: its interface and that one's chapters, itself, and the modules it runs. */
const PARTS = { api: 'IBountyMarket', chapters: ['IMarketEvents', 'IMarketErrors'], core: 'BountyMarket', modules: ['MarketPosting', 'MarketClaiming', 'MarketEnding'] };

/**
 * Holds what inheritance would hold in one contract: core and modules share one storage layout, each
 * function of the interface is in exactly one of them, and none of them offers anything else.
 */
function checkParts(contracts) {
  const byName = Object.assign({}, ...Object.values(contracts));
  const layout = (name) =>
    JSON.stringify(byName[name].storageLayout, (key, value) =>
      // Numbers of AST nodes, and which contract a variable is reached through.
      key === 'astId' || key === 'contract' ? undefined : typeof value === 'string' ? value.replace(/\)\d+(_|,|\)|$)/g, ')$1') : value);
  const signature = (item) => {
    const types = (list) => list.map((x) => (x.components ? `(${types(x.components)})${x.type.slice(5)}` : x.type)).join();
    return `${item.name}(${types(item.inputs)}) ${item.stateMutability} (${types(item.outputs)})`;
  };
  const functions = (name) => byName[name].abi.filter((x) => x.type === 'function').map(signature);
  const shared = new Set(['keyRegistry() view (address)', 'datasetRegistry() view (address)', 'bountyCount() view (uint256)']);
  const where = new Map();
  for (const name of [PARTS.core, ...PARTS.modules]) {
    if (layout(name) !== layout(PARTS.core)) fail(`${name} lays out storage differently from ${PARTS.core}`);
    for (const f of functions(name)) {
      if (name !== PARTS.core && (shared.has(f) || f === 'self() view (address)')) continue;
      if (where.has(f)) fail(`${f} is in ${where.get(f)} and in ${name}`);
      where.set(f, name);
    }
  }
  for (const f of functions(PARTS.api)) if (!where.delete(f)) fail(`${PARTS.api}: nothing implements ${f}`);
  for (const [f, name] of where) fail(`${name}: ${f} is not in ${PARTS.api}`);
  // Whoever reads the interface reads its chapters with it.
  const inApi = new Set(byName[PARTS.api].abi.map((x) => JSON.stringify(x)));
  for (const chapter of PARTS.chapters) {
    for (const x of byName[chapter].abi) if (!inApi.has(JSON.stringify(x))) fail(`${chapter}: ${x.name} is not in ${PARTS.api}`);
  }
}

function artifacts({ contracts, sources }) {
  checkParts(contracts);
  const files = new Map();
  const names = variableNames(sources);
  for (const [source, inSource] of Object.entries(contracts).sort()) {
    for (const [name, c] of Object.entries(inSource).sort()) {
      const deployed = c.evm.deployedBytecode.object;
      // Kept: what can be deployed, and the interfaces to talk to it. Parts (abstract contracts,
      // libraries of internal functions) are in the contracts made of them, chapters in their interface.
      if (c.abi.length === 0 || PARTS.chapters.includes(name) || (deployed === '' && !source.startsWith('src/interfaces/'))) continue;
      const creation = c.evm.bytecode.object;
      if (/__\$/.test(creation)) fail(`${name} needs linking, which no deployer here does`);
      const sizes = { creation: creation.length / 2, deployed: deployed.length / 2 };
      if (sizes.deployed >= EIP170) fail(`${name}: ${sizes.deployed} bytes deployed, EIP-170 allows ${EIP170}`);
      if (sizes.creation >= EIP3860) fail(`${name}: ${sizes.creation} bytes to create, EIP-3860 allows ${EIP3860}`);
      const file = `${name}.json`;
      if (files.has(file)) fail(`two contracts are called ${name}`);
      files.set(
        file,
        JSON.stringify(
          {
            contractName: name,
            sourceName: source,
            compiler: version,
            sizes,
            immutableReferences: immutables(c.evm.deployedBytecode.immutableReferences || {}, names),
            abi: c.abi,
            bytecode: `0x${creation}`,
            deployedBytecode: `0x${deployed}`,
          },
          null,
          1,
        ) + '\n',
      );
    }
  }
  return files;
}

/** Sizes of everything that is deployed, for the reviewed snapshot. */
function sizesJson(files) {
  const deployed = [...files.values()].map((body) => JSON.parse(body)).filter((a) => a.sizes.deployed > 0);
  return JSON.stringify(Object.fromEntries(deployed.map((a) => [a.contractName, a.sizes])), null, 1) + '\n';
}

function main() {
  const check = process.argv.includes('--check');
  if (!solc.version().startsWith(`${version}+`)) fail(`solc ${solc.version()} is installed, ${version} is asked for`);
  const names = sourcesUnder('src').sort();
  const files = artifacts(compile(names));
  const sizes = sizesJson(files);
  const lines = names.map((n) => `${sha256(fs.readFileSync(path.join(ROOT, n)))}  ${n}`);
  lines.push(`${sha256(fs.readFileSync(path.join(__dirname, 'settings.cjs')))}  tools/settings.cjs`);
  files.set('SOURCES.sha256', lines.join('\n') + '\n');
  files.set('../snapshots/sizes.json', sizes);

  const stale = [];
  for (const [file, body] of files) {
    const to = path.join(OUT, file);
    if (fs.existsSync(to) && fs.readFileSync(to, 'utf8') === body) continue;
    stale.push(file);
    if (check) continue;
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.writeFileSync(`${to}.tmp`, body);
    fs.renameSync(`${to}.tmp`, to);
  }
  for (const file of fs.readdirSync(OUT)) {
    if (files.has(file)) continue;
    stale.push(`${file} (no source)`);
    if (!check) fs.unlinkSync(path.join(OUT, file));
  }
  if (check && stale.length) fail(`artifacts differ from the sources, run npm run artifacts: ${stale.join(', ')}`);
  for (const [name, size] of Object.entries(JSON.parse(sizes))) {
    process.stdout.write(`${String(size.deployed).padStart(6)} bytes  ${name}\n`);
  }
  process.stdout.write(check ? 'artifacts match the sources\n' : `${stale.length} files written\n`);
}

main();
