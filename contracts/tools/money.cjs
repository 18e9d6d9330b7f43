'use strict';
// Makes test/Money.t.sol of the table in docs/money.md: one test a row, in ether and in a token.
//
//   node tools/money.cjs           writes the file
//   node tools/money.cjs --check   fails when it is not what the table says
const fs = require('fs');
const path = require('path');

const TABLE = path.resolve(__dirname, '../../docs/money.md');
const OUT = path.resolve(__dirname, '../test/Money.t.sol');
// What the cells of each column may say, and how MoneyBase calls it.
const WORDS = {
  prizes: { owner: 'Prizes.Owner', claimants: 'Prizes.Claimants', 'claimants, rest owner': 'Prizes.ClaimantsRestOwner' },
  bond: { owner: 'Bond.Owner', 'half burnt, half entries': 'Bond.HalfEntries', 'half burnt, half owner': 'Bond.HalfOwner' },
  stakes: {
    none: 'Stakes.None',
    back: 'Stakes.Back',
    'lapsed to later claimants': 'Stakes.LapsedToLater',
    'lapsed burnt': 'Stakes.LapsedBurnt',
  },
  'challenge bonds': { none: 'Bonds.None', challenger: 'Bonds.Challenger', answerer: 'Bonds.Answerer', burnt: 'Bonds.Burnt' },
};

const fail = (message) => {
  process.stderr.write(`money: ${message}\n`);
  process.exit(1);
};

function rows() {
  const table = /<!-- money -->\n([\s\S]*?)<!-- \/money -->/.exec(fs.readFileSync(TABLE, 'utf8'));
  if (!table) fail('docs/money.md has no table between its marks');
  const cells = table[1].trim().split('\n').map((line) => line.split('|').slice(1, -1).map((c) => c.trim()));
  const [head, , ...body] = cells;
  return body.map((row) => {
    const name = /^`([a-z_]+)`$/.exec(row[0]);
    if (!name) fail(`${row[0]} is no outcome`);
    const words = Object.keys(WORDS).map((column) => {
      const cell = row[head.indexOf(column)];
      const word = WORDS[column][cell];
      if (!word) fail(`${name[1]}: no rule is called "${cell}" for ${column}`);
      return word;
    });
    return { name: name[1], words };
  });
}

function source() {
  const tests = rows().map(
    ({ name, words }) =>
      `    function test_${name}() public {\n        row(${name}, ${words.join(', ')});\n    }\n`,
  );
  return `// SPDX-License-Identifier: MIT OR Apache-2.0
// Written by tools/money.cjs from the table in docs/money.md.
pragma solidity 0.8.37;

import {MoneyBase} from "./MoneyBase.sol";

contract MoneyTest is MoneyBase {
    function setUp() public {
        setUpWorld();
    }

${tests.join('\n')}}
`;
}

const body = source();
const same = fs.existsSync(OUT) && fs.readFileSync(OUT, 'utf8') === body;
if (process.argv.includes('--check')) {
  if (!same) fail('test/Money.t.sol is not what docs/money.md says: run node tools/money.cjs');
} else if (!same) fs.writeFileSync(OUT, body);
