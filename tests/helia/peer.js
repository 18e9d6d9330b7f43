// A Helia node on loopback, told what to do by lines of JSON on stdin, answering with lines of JSON on stdout.
//
//   {"dial": MULTIADDR}             connect                              {"ok": true}
//   {"add": N}                      add a file of N bytes                {"cid": CID, "sha256": HEX}
//   {"cat": CID, "seconds": S}      read a file, from peers if need be   {"bytes": N, "sha256": HEX}
//   {"block": TEXT}                 store one raw block                  {"cid": CID}
//
// A command that fails is answered with {"error": TEXT}. Without bootstrap peers, routers or discovery it reaches
// nobody but whom it is told to dial.

import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { multiaddr } from '@multiformats/multiaddr'

const helia = withBitswap(withLibp2pLight(createHeliaLight(), {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() }
}))
await helia.start()
const files = unixfs(helia)
const say = line => process.stdout.write(JSON.stringify(line) + '\n')

/** Bytes that do not repeat within a block: a linear congruential generator's upper byte. */
function noiseOf (length) {
  const bytes = new Uint8Array(length)
  for (let i = 0, state = 7; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

async function obey (command) {
  if (command.dial != null) {
    await helia.libp2p.dial(multiaddr(command.dial))
    return { ok: true }
  }
  if (command.add != null) {
    const bytes = noiseOf(command.add)
    const cid = await files.addBytes(bytes, { rawLeaves: true, cidVersion: 1 })
    return { cid: cid.toString(), sha256: createHash('sha256').update(bytes).digest('hex') }
  }
  if (command.cat != null) {
    const hash = createHash('sha256')
    let bytes = 0
    const signal = AbortSignal.timeout(1000 * (command.seconds ?? 60))
    for await (const part of files.cat(CID.parse(command.cat), { signal })) {
      hash.update(part)
      bytes += part.length
    }
    return { bytes, sha256: hash.digest('hex') }
  }
  if (command.block != null) {
    const bytes = new TextEncoder().encode(command.block)
    const cid = CID.createV1(raw.code, await sha256.digest(bytes))
    await helia.blockstore.put(cid, bytes)
    return { cid: cid.toString() }
  }
  throw new Error('unknown command')
}

say({ addresses: helia.libp2p.getMultiaddrs().map(String) })
for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await obey(JSON.parse(line)))
  } catch (error) {
    say({ error: String(error?.message ?? error) })
  }
}
await helia.stop()
process.exit(0)
