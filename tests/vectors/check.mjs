// Recomputes every value of commitments.json from its inputs, sharing no code with the Rust crates:
// Poseidon by circomlibjs, keccak256 by ethers, SHA-256 by node.
//
//   npm install circomlibjs@0.1.7 ethers@5.8.0 && node check.mjs
import { buildPoseidonReference } from "circomlibjs";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { utils } from "ethers";

const v = JSON.parse(readFileSync(new URL("commitments.json", import.meta.url)));
const poseidon = await buildPoseidonReference();
const F = poseidon.F;
const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const T_DATA = 4;
const T_WIDE = 9;

let failed = 0;
function same(name, got, want) {
  const ok = got === want;
  failed += ok ? 0 : 1;
  console.log(`${ok ? "ok  " : "FAIL"} ${name}${ok ? "" : `: ${got}, the file says ${want}`}`);
}

// --- encodings ---
const word = (x) => BigInt(x).toString(16).padStart(64, "0");
const hex = (x) => "0x" + word(x);
const bytes = (h) => Uint8Array.from(Buffer.from(h.slice(2), "hex"));
const keccak = (words) => utils.keccak256("0x" + words.map(word).join(""));
const tag = (name) => utils.keccak256(utils.toUtf8Bytes(`zkaggle/v1/${name}`));
const shr8 = (digest) => BigInt(digest) >> 8n;
const big = (b) => b.reduce((n, x) => (n << 8n) | BigInt(x), 0n);
const take = (b, from, len) => Array.from({ length: len }, (_, i) => b[from + i] ?? 0);
const pack31 = (b, words) => Array.from({ length: words }, (_, i) => big(take(b, 31 * i, 31)));
const packData = (b) =>
  Array.from({ length: Math.ceil(b.length / 64) }, (_, i) => i * 64).flatMap((at) => [
    big(take(b, at, 22)),
    big(take(b, at + 22, 21)),
    big(take(b, at + 43, 21)),
  ]);

function sponge(t, name, elements) {
  let state = Array(t).fill(0n);
  state[0] = shr8(tag(name));
  for (let i = 0; i < elements.length; i += t - 1) {
    for (let k = 0; k < t - 1; k++) state[k + 1] = (state[k + 1] + BigInt(elements[i + k] ?? 0)) % R;
    state = poseidon(state.slice(1).map((x) => F.e(x)), F.e(state[0]), t).map((x) => F.toObject(x));
  }
  return state[0];
}

// --- the file, section by section ---
for (const [name, want] of Object.entries(v.tags)) same(`tag ${name}`, tag(name), want);

const identity = (s) => {
  const [type, width] = s.feature_type === "i16" ? [272, 2] : [8, 1];
  const bytes = s.shape.reduce((a, b) => a * b, width);
  const { offset, stride, features_at, label_at } =
    s.layout ?? { offset: 0, stride: bytes + 1, features_at: 0, label_at: bytes };
  const places = features_at * 2 ** 32 + label_at;
  return keccak([tag("SCHEMA"), bytes + 1, offset, stride, type, keccak(s.shape), s.feature_max, places, 1, s.classes]);
};
const schemaId = identity(v.schema.value);
same("schemaId", schemaId, v.schema.schemaId);
same("schemaId of another layout", identity(v.layoutSchema.value), v.layoutSchema.schemaId);
same("schemaId of 16 bits", identity(v.wideSchema.value), v.wideSchema.schemaId);

const archId = shr8(utils.keccak256(utils.toUtf8Bytes(v.graph.text)));
same("archId", hex(archId), v.graph.archId);

const m = v.model;
const weights = bytes(m.weights);
const C = sponge(T_WIDE, "MODEL", [archId, weights.length, m.class_bytes, ...pack31(weights, m.class_words), m.blind]);
same("C", hex(C), m.C);

const commitments = v.shards.map((shard, i) => {
  const b = bytes(shard.bytes);
  const digest = createHash("sha256").update(b).digest();
  same(`sha256 ${i}`, "0x" + digest.toString("hex"), shard.sha256);
  same(`s ${i}`, hex(sponge(T_DATA, "SHARD", [b.length, 0, 0, ...packData(b)])), shard.s);
  const salt = sponge(T_WIDE, "SALT", [m.blind, shard.s]);
  same(`salt ${i}`, hex(salt), shard.salt);
  const p = bytes(shard.predictions);
  const results = [p.length, salt, ...pack31(p, Math.ceil(v.graph.samples / 31))];
  same(`R ${i}`, hex(sponge(T_WIDE, "RESULTS", results)), shard.R);
  return shard.s;
});
same("D", keccak([tag("DATA"), schemaId, v.dataset.n, keccak(commitments)]), v.dataset.D);

for (const [name, k] of Object.entries(v.vk)) {
  same(`vkId ${name}`, keccak([tag("VK"), k.role, k.cs, k.srs, utils.keccak256(k.key), k.link]), k.vkId);
}
const e = v.entry;
const ctx = shr8(keccak([tag("ACC"), e.chainId, e.market, e.bounty, e.hunter, e.slot, v.vk.score.vkId]));
same("ctx", hex(ctx), e.ctx);
same("h", keccak([tag("COMMIT"), ctx, C]), e.h);
const digests = keccak(v.shards.map((shard) => shard.sha256));
same("holdout", keccak([tag("HOLDOUT"), v.holdout.salt, digests]), v.holdout.commitment);
const r = v.release;
const z = keccak([tag("Z"), v.vk.release.vkId, r.ciphertext_sha256, ...r.epk, C, ...r.pk, ctx]);
same("z", hex(BigInt(z) % R), r.z);

process.exit(failed ? 1 : 0);
