import fs from 'node:fs/promises'
import path from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { bitswap } from '@helia/block-brokers'
import { libp2pRouting } from '@helia/routers'
import { unixfs } from '@helia/unixfs'
import { Helia } from '@helia/utils'
import { loadOrCreateSelfKey } from '@libp2p/config'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { FsDatastore } from 'datastore-fs'
import { createLibp2p } from 'libp2p'
import { Blocks } from './blocks.mjs'
import { ReadersWriterLock } from './lock.mjs'
import { Pins } from './pins.mjs'

const DIALS_PER_SECOND = 1000

/**
 * Start a libp2p node with bitswap over a folder: loopback only, no bootstrap, no discovery. Peers are met by swarm/connect alone.
 *
 * @returns {Promise<{repo: string, libp2p, helia, unixfs, blocks: Blocks, pins: Pins, lock: ReadersWriterLock, stop: () => Promise<void>}>}
 */
export async function startNode ({ repo, swarmPort }) {
  const datastore = new FsDatastore(path.join(repo, 'datastore'))
  const blocks = new Blocks(path.join(repo, 'blocks'))
  await fs.mkdir(repo, { recursive: true })
  await datastore.open()
  await blocks.open()
  const pins = await Pins.open(path.join(repo, 'pins'))
  const libp2p = await createLibp2p({
    start: false,
    datastore,
    privateKey: await loadOrCreateSelfKey(datastore),
    addresses: { listen: [`/ip4/127.0.0.1/tcp/${swarmPort}`] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    connectionMonitor: { enabled: false },
    // All peers of a desk share one address; the default of 5 a second would turn them away.
    connectionManager: { inboundConnectionThreshold: DIALS_PER_SECOND }
  })
  const helia = new Helia({
    libp2p, datastore, blockstore: blocks, blockBrokers: [bitswap()], routers: [libp2pRouting(libp2p)]
  })
  await helia.start()
  const lock = new ReadersWriterLock()
  return { repo, libp2p, helia, unixfs: unixfs(helia), blocks, pins, lock, stop: () => helia.stop() }
}
