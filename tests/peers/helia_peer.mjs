// A real Helia in a process of its own, told what to do by one JSON object a line.
//
//     node --input-type=module --eval "$(cat helia_peer.mjs)" FOLDER
//
// Run that way, and where npm has put Helia, because Node looks for packages from the script's
// own folder. It listens on loopback only, knows no other node, and looks for none.

import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'

import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { FsBlockstore } from 'blockstore-fs'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'

const folder = process.argv.at(-1)
const patience = () => AbortSignal.timeout(120_000)

const store = new FsBlockstore(join(folder, 'blocks'))
const light = withLibp2pLight(createHeliaLight({ blockstore: store }), {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() }
})
const helia = withBitswap(light)
const files = unixfs(helia)

async function * found (path) {
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const each = join(entry.parentPath, entry.name)
    if (entry.isFile()) yield { path: relative(path, each), content: createReadStream(each) }
  }
}

async function add (path) {
  if ((await stat(path)).isFile()) return files.addByteStream(createReadStream(path))
  let root
  for await (const entry of files.addAll(found(path), { wrapWithDirectory: true })) root = entry.cid
  return root
}

async function get (cid, to) {
  const about = await files.stat(cid, { signal: patience() })
  if (about.type !== 'directory') {
    await pipeline(files.cat(cid, { signal: patience() }), createWriteStream(to))
    return
  }
  await mkdir(to)
  for await (const entry of files.ls(cid, { signal: patience() })) {
    await get(entry.cid, join(to, entry.name))
  }
}

async function answer (asked) {
  switch (asked.do) {
    case 'identify':
      return { id: helia.libp2p.peerId.toString(), addresses: helia.libp2p.getMultiaddrs().map(String) }
    case 'add':
      return (await add(asked.path)).toString()
    case 'get':
      await get(CID.parse(asked.cid), asked.to)
      return true
    case 'pin':
      for await (const _ of helia.pins.add(CID.parse(asked.cid), { signal: patience() })) continue
      return true
    case 'connect':
      await helia.libp2p.dial(multiaddr(asked.address), { signal: patience() })
      return true
    default:
      throw new Error(`not understood: ${JSON.stringify(asked)}`)
  }
}

await mkdir(folder, { recursive: true })
await store.open()
await helia.start()
for await (const line of createInterface({ input: process.stdin })) {
  let said
  try {
    said = { said: await answer(JSON.parse(line)) }
  } catch (error) {
    said = { error: String(error) }
  }
  process.stdout.write(JSON.stringify(said) + '\n')
}
process.exit(0)
