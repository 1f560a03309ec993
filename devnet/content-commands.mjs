import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { add } from './add.mjs'
import { ClientError } from './errors.mjs'
import { uploadedParts } from './multipart.mjs'
import { parseCid, parsePath } from './query.mjs'
import { tarDirectory, tarEnd, tarFile } from './tar.mjs'

const BLOCK_BYTES = 2 * 1024 * 1024 // what bitswap carries
const CODECS = { raw: 0x55, 'dag-pb': 0x70, protobuf: 0x70, v0: 0x70, 'dag-cbor': 0x71, cbor: 0x71, 'dag-json': 0x129 }

/** add, cat, get, ls, block/*. Each is (context, node) => answer; the forms of an answer are listed in rpc.mjs. */
export const contentCommands = {
  add: async (context, node) => ({ lines: add(context, node) }),

  cat: async (context, node) => {
    const range = { offset: context.query.number('offset'), length: context.query.number('length') }
    const paths = context.query.args('ipfs-path').map(parsePath)
    return { bytes: cat(paths, { ...range, ...reading(context) }, node), type: 'text/plain' }
  },

  get: async (context, node) => {
    const [arg] = context.query.args('ipfs-path')
    if (context.query.flag('compress')) throw new ClientError('option compress is not supported by this node')
    const { cid, path } = parsePath(arg)
    const name = path?.split('/').at(-1) ?? cid.toString()
    const options = reading(context)
    const stat = await node.unixfs.stat(cid, { path, ...options })
    return { bytes: archive(stat.cid, name, options, node), type: 'application/x-tar' }
  },

  ls: async (context, node) => {
    const objects = []
    for (const arg of context.query.args('ipfs-path')) {
      objects.push({ Hash: arg, Links: await links(parsePath(arg), reading(context), node) })
    }
    return { Objects: objects }
  },

  'block/get': async (context, node) => {
    const block = await node.helia.blockstore.get(blockCid(context), reading(context))
    return { bytes: [block], type: 'application/octet-stream' }
  },

  'block/stat': async (context, node) => {
    const cid = blockCid(context)
    const block = await node.helia.blockstore.get(cid, reading(context))
    return { Key: cid.toString(), Size: block.length }
  },

  'block/put': async (context, node) => ({ lines: putBlocks(context, node) })
}

const reading = ({ query, signal }) => ({ offline: query.flag('offline'), signal })

const blockCid = ({ query }) => parseCid(query.args('cid')[0].replace(/^\/ip(fs|ld)\//, ''))

async function * cat (paths, options, node) {
  for (const { cid, path } of paths) {
    try {
      yield * node.unixfs.cat(cid, { path, ...options })
    } catch (error) {
      if (error.name === 'NotAFileError') throw new Error('this dag node is a directory')
      throw error
    }
  }
}

async function links ({ cid, path }, options, node) {
  const stat = await node.unixfs.stat(cid, { path, ...options })
  if (stat.type !== 'directory') return []
  const found = []
  for await (const entry of node.unixfs.ls(stat.cid, options)) {
    const directory = entry.type === 'directory'
    const size = directory ? 0 : Number(entry.size)
    found.push({ Name: entry.name, Hash: entry.cid.toString(), Size: size, Type: directory ? 1 : 2, Target: '' })
  }
  return found
}

async function * archive (cid, name, options, node) {
  yield * entries(cid, name, options, node)
  yield tarEnd()
}

async function * entries (cid, name, options, node) {
  const stat = await node.unixfs.stat(cid, options)
  if (stat.type !== 'directory') {
    yield * tarFile(name, Number(stat.size), node.unixfs.cat(cid, options))
    return
  }
  yield tarDirectory(name)
  for await (const entry of node.unixfs.ls(cid, options)) {
    // A directory is anybody's work: its names must not lead out of where the archive is unpacked.
    if (['', '.', '..'].includes(entry.name) || entry.name.includes('/')) throw new Error(`unusable file name: ${entry.name}`)
    yield * entries(entry.cid, `${name}/${entry.name}`, options, node)
  }
}

async function * putBlocks ({ query, request, signal }, node) {
  const codec = query.text('format') ?? query.text('cid-codec', 'raw')
  if (CODECS[codec] == null) throw new ClientError(`unrecognized codec: ${codec}`)
  if (query.text('mhtype', 'sha2-256') !== 'sha2-256') throw new ClientError('only the hash sha2-256 is supported by this node')
  const release = await node.lock.shared()
  try {
    for await (const { content } of uploadedParts(request, signal)) {
      const bytes = await wholeBlock(content)
      const hash = await sha256.digest(bytes)
      const cid = codec === 'v0' ? CID.createV0(hash) : CID.createV1(CODECS[codec], hash)
      await node.helia.blockstore.put(cid, bytes)
      if (query.flag('pin')) await node.pins.add(cid)
      yield { Key: cid.toString(), Size: bytes.length }
    }
  } finally {
    release()
  }
}

async function wholeBlock (content) {
  const chunks = []
  let size = 0
  for await (const chunk of content) {
    size += chunk.length
    if (size > BLOCK_BYTES) throw new ClientError(`produced block is over ${BLOCK_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
