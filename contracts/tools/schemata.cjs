'use strict';
// Many mutants in one compilation: around each place stands a switch, `on(17) ? mutant : original`, and the number
// of the one that is on is a constant to be put into the finished bytecode. A compiler's minute becomes one for a whole source.
const SWITCH = 'src/Switch.sol';
/** What `on` compares with, until it is replaced by a number; 32 bytes that nothing else contains. */
const NONE = '7a6b6d7574616e74ffeeddccbbaa99887766554433221100fedcba9876543210';
/** Neither the compiler nor its optimizer knows that calldata is shorter than 2^200 bytes. */
const SWITCH_SOURCE = `// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;
function _on(uint256 i) pure returns (bool r) {
    assembly ("memory-safe") { r := eq(i, xor(0x${NONE}, shr(200, calldatasize()))) }
}
`;

/** The source with every mutant of `list` (`{at, length, by, inside, number}`) behind its switch, and the texts of all switches. */
function render(source, file, list) {
  // One byte, one character: places are bytes.
  const raw = source.toString('latin1');
  const wraps = new Map();
  for (const m of list) {
    const key = `${m.inside.at} ${m.inside.length} ${m.inside.as}`;
    if (!wraps.has(key)) wraps.set(key, { ...m.inside, end: m.inside.at + m.inside.length, cast: undefined, mutants: [] });
    const w = wraps.get(key);
    w.cast ||= m.inside.cast;
    w.mutants.push(m);
  }
  const order = [...wraps.values()].sort((a, b) => a.at - b.at || b.length - a.length || (a.as === 'statement' ? -1 : 1));
  let next = 0;
  const inner = (at, end) => {
    let out = '';
    while (next < order.length && order[next].at >= at && order[next].end <= end) {
      const w = order[next++];
      out += raw.slice(at, w.at) + wrapped(w);
      at = w.end;
    }
    return out + raw.slice(at, end);
  };
  const wrapped = (w) => {
    let out = inner(w.at, w.end);
    for (const m of w.mutants) {
      const mutant = raw.slice(w.at, m.at) + m.by + raw.slice(m.at + m.length, w.end);
      out = w.as === 'statement' ? `{ if (_on(${m.number})) { ${mutant} } else { ${out} } }` : `(_on(${m.number}) ? (${mutant}) : (${out}))`;
    }
    w.text = w.cast ? `${w.cast}${out}` : out;
    return w.text;
  };
  const up = '../'.repeat(file.split('/').length - 2) || './';
  const body = inner(0, raw.length).replace(/(pragma solidity [^;]*;)/, `$1 import {_on} from "${up}Switch.sol";`);
  return { text: body, wraps: order };
}

/**
 * Compiles one source with as many of `list` as will, by `solve(sources)`, which gives solc's answer. Returns groups of
 * mutants, `{list, code}`, with `NONE` in each contract's bytecode where the number goes; mutants in no group need a
 * compilation each.
 */
function compileAll(sources, file, list, solve, contracts) {
  const source = Buffer.from(sources[file].content);
  const groups = [];
  const group = (in_) => {
    while (in_.length) {
      const { text, wraps } = render(source, file, in_);
      const out = solve({ ...sources, [file]: { content: Buffer.from(text, 'latin1').toString('utf8') }, [SWITCH]: { content: SWITCH_SOURCE } });
      const errors = (out.errors || []).filter((e) => e.severity === 'error');
      if (!errors.length) {
        const code = Object.fromEntries(contracts.map((c) => [c, `0x${out.contracts[`src/${c}.sol`][c].evm.bytecode.object}`]));
        groups.push({ list: in_, code });
        return;
      }
      // Of an error's switches those go that stand in its place, or else the smallest around it.
      const dropped = new Set();
      const places = wraps.map((w) => ({ w, at: text.indexOf(w.text), end: text.indexOf(w.text) + w.text.length }));
      for (const e of errors) {
        const loc = e.sourceLocation;
        if (!loc || loc.file !== file) continue;
        const literal = places.filter(({ w, at, end }) => at >= loc.start && end <= loc.end && w.mutants.every((m) => m.what === 'one more'));
        const around = places.filter(({ at, end }) => at <= loc.start && loc.end <= end).sort((x, y) => x.end - x.at - (y.end - y.at));
        for (const { w } of literal.length ? literal : around.slice(0, 1)) w.mutants.forEach((m) => dropped.add(m));
      }
      if (!dropped.size) {
        // Too much for one stack, most likely; where even a few are, each has a compilation of its own.
        if (in_.length < 16) return;
        const half = in_.length >> 1;
        group(in_.slice(0, half));
        group(in_.slice(half));
        return;
      }
      in_ = in_.filter((m) => !dropped.has(m));
    }
  };
  group(list.filter((m) => m.inside));
  return groups;
}

/** The bytecode with one mutant on. */
const withMutant = (bytecode, number) => bytecode.split(NONE).join(BigInt(number).toString(16).padStart(64, '0'));

module.exports = { compileAll, withMutant };
