// Writes poseidon.json: whole output states of circomlib's permutation, from circomlibjs 0.1.7.
//
//   npm install circomlibjs@0.1.7 && node poseidon.mjs > poseidon.json
import { buildPoseidonReference } from "circomlibjs";

const poseidon = await buildPoseidonReference();
const hex = (x) => "0x" + poseidon.F.toObject(x).toString(16).padStart(64, "0");
const top = poseidon.F.toObject(poseidon.F.negone);

// State before the permutation: small numbers, and the largest element everywhere.
const states = [4, 9].flatMap((t) => [
  Array.from({ length: t }, (_, i) => BigInt(i)),
  Array.from({ length: t }, (_, i) => BigInt(i + 1) << 240n),
  Array.from({ length: t }, () => top),
]);
const cases = states.map((before) => ({
  before: before.map((x) => hex(poseidon.F.e(x))),
  after: poseidon(before.slice(1), before[0], before.length).map(hex),
}));
console.log(JSON.stringify({ made_by: "poseidon.mjs with circomlibjs 0.1.7", cases }, null, 1));
process.exit(0);
