import { blockKey, walk } from './dag.mjs'
import { ClientError } from './errors.mjs'
import { parsePath } from './query.mjs'
import { collectGarbage } from './pins.mjs'

const TYPES = ['all', 'recursive', 'direct', 'indirect']

/** pin/*, repo/gc. Each is (context, node) => answer; the forms of an answer are listed in rpc.mjs. */
export const pinCommands = {
  'pin/add': async (context, node) => {
    const args = context.query.args('ipfs-path')
    const type = context.query.flag('recursive', true) ? 'recursive' : 'direct'
    for (const arg of args) await pin(await resolve(arg, context, node), type, context, node)
    return { Pins: args.map(name) }
  },

  'pin/rm': async ({ query, signal }, node) => {
    const args = query.args('ipfs-path')
    return shared(node, signal, async () => {
      const cids = args.map(arg => parsePath(arg).cid)
      for (const cid of cids) {
        if (node.pins.type(cid) == null) throw new Error('not pinned or pinned indirectly')
      }
      for (const cid of cids) await node.pins.remove(cid)
      return { Pins: args.map(name) }
    })
  },

  'pin/ls': async ({ query, signal }, node) => {
    const type = query.text('type', 'all')
    if (!TYPES.includes(type)) throw new ClientError(`invalid type '${type}', must be one of {direct, indirect, recursive, all}`)
    const args = query.args()
    const found = args.length > 0 ? listed(args, type, node, signal) : everything(type, node, signal)
    if (query.flag('stream')) return { lines: found }
    const keys = {}
    for await (const { Cid, Type } of found) keys[Cid] = { Type }
    return { Keys: keys }
  },

  'repo/gc': async ({ signal }, node) => ({ lines: garbage(node, signal) })
}

const name = arg => arg.replace(/^\/ipfs\//, '')

async function shared (node, signal, task) {
  const release = await node.lock.shared()
  try {
    signal.throwIfAborted()
    return await task()
  } finally {
    release()
  }
}

async function resolve (arg, { signal }, node) {
  const { cid, path } = parsePath(arg)
  if (path == null) return cid
  return (await node.unixfs.stat(cid, { path, signal })).cid
}

/**
 * Fetch what is missing first, outside of the lock: content that nobody has would otherwise hold off everybody. What a collection
 * takes away between the two steps is fetched again.
 */
async function pin (cid, type, { query, signal }, node) {
  const offline = query.flag('offline')
  for (;;) {
    await complete(cid, type, { signal, offline }, node)
    try {
      return await shared(node, signal, async () => {
        await complete(cid, type, { signal, offline: true }, node)
        await node.pins.add(cid, type)
      })
    } catch (error) {
      if (error.name !== 'NotFoundError' || offline) throw error
    }
  }
}

async function complete (cid, type, options, node) {
  if (type === 'direct') return node.helia.blockstore.get(cid, options)
  for await (const _ of walk(node.helia, cid, options)) options.signal.throwIfAborted()
}

async function * everything (type, node, signal) {
  for (const own of ['recursive', 'direct']) {
    if (type !== 'all' && type !== own) continue
    for (const cid of node.pins.roots(own)) yield { Cid: cid.toString(), Type: own }
  }
  if (type !== 'all' && type !== 'indirect') return
  for await (const { cid } of indirect(node, signal)) {
    if (node.pins.type(cid) == null) yield { Cid: cid.toString(), Type: 'indirect' }
  }
}

async function * listed (args, type, node, signal) {
  for (const arg of args) {
    const { cid } = parsePath(arg)
    const own = node.pins.type(cid)
    if (own != null && (type === 'all' || type === own)) {
      yield { Cid: cid.toString(), Type: own }
      continue
    }
    const through = type === 'all' || type === 'indirect' ? await holder(cid, node, signal) : null
    if (through == null) throw new Error(`path '${arg}' is not pinned`)
    yield { Cid: cid.toString(), Type: `indirect through ${through}` }
  }
}

async function * indirect (node, signal) {
  const seen = new Set()
  for (const root of node.pins.roots('recursive')) {
    for await (const cid of walk(node.helia, root, { offline: true, signal })) {
      if (cid.equals(root) || seen.has(cid.toString())) continue
      seen.add(cid.toString())
      yield { cid, root }
    }
  }
}

async function holder (wanted, node, signal) {
  for await (const { cid, root } of indirect(node, signal)) {
    if (blockKey(cid) === blockKey(wanted)) return root.toString()
  }
  return null
}

async function * garbage (node, signal) {
  const release = await node.lock.exclusive()
  try {
    signal.throwIfAborted()
    for await (const cid of collectGarbage(node.helia, node.blocks, node.pins)) yield { Key: { '/': cid.toString() } }
  } finally {
    release()
  }
}
