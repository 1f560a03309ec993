import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { ClientError } from './errors.mjs'
import { uploadedParts } from './multipart.mjs'

const CHUNK_BYTES = 262_144
const LINKS_PER_NODE = 174
// Each would give another CID than the one that the caller expects, so it is refused instead of ignored.
const UNSUPPORTED = ['trickle', 'nocopy', 'inline', 'preserve-mode', 'preserve-mtime']

/**
 * `ipfs add`: yields {Name, Hash, Size} for every file and directory, with the tree that Kubo makes. An entry is yielded once it is
 * stored, a root once it is pinned.
 */
export async function * add ({ query, request, signal }, node) {
  const settings = importSettings(query)
  const onlyHash = query.flag('only-hash')
  const store = onlyHash ? { put: async cid => cid } : node.helia.blockstore
  const release = await node.lock.shared()
  try {
    let added = 0
    for await (const entry of importer(candidates(uploadedParts(request, signal)), store, settings)) {
      signal.throwIfAborted()
      added++
      if (!onlyHash && query.flag('pin', true) && isRoot(entry, settings.wrapWithDirectory)) await node.pins.add(entry.cid)
      yield { Name: entry.path ?? entry.cid.toString(), Hash: entry.cid.toString(), Size: String(entry.size) }
    }
    if (added === 0) throw new ClientError("file argument 'path' is required")
  } finally {
    release()
  }
}

function importSettings (query) {
  const unsupported = UNSUPPORTED.find(name => query.flag(name))
  if (unsupported != null) throw new ClientError(`option ${unsupported} is not supported by this node`)
  if (query.text('hash', 'sha2-256') !== 'sha2-256') throw new ClientError('only the hash sha2-256 is supported by this node')
  const version = query.number('cid-version', 0)
  if (version > 1) throw new ClientError(`unknown CID version ${version}`)
  return {
    cidVersion: version,
    rawLeaves: query.flag('raw-leaves', version === 1),
    chunker: fixedSize({ chunkSize: chunkBytes(query.text('chunker', 'default')) }),
    layout: balanced({ maxChildrenPerNode: LINKS_PER_NODE }),
    wrapWithDirectory: query.flag('wrap-with-directory'),
    // The parts of an upload come one after the other: two at once would wait for each other.
    fileImportConcurrency: 1
  }
}

function chunkBytes (chunker) {
  if (chunker === 'default') return CHUNK_BYTES
  const size = Number(/^size-([1-9]\d{0,6})$/.exec(chunker)?.[1] ?? 0)
  if (size === 0 || size > 1024 * 1024) throw new ClientError(`unrecognized chunker option: ${chunker}`)
  return size
}

async function * candidates (parts) {
  const folders = new Set()
  for await (const { name, type, content } of parts) {
    const names = name.split('/').filter(each => each !== '' && each !== '.')
    if (names.includes('..')) throw new ClientError(`a file name leads out of its directory: ${name}`)
    const path = names.length > 0 ? names.join('/') : undefined
    if (type === 'application/symlink') throw new ClientError('symbolic links are not supported by this node')
    if (type === 'application/x-directory') {
      content.resume()
      // One that is named after its files would replace them.
      if (path != null && !folders.has(path)) yield { path }
    } else {
      yield { path, content }
    }
    names.forEach((_, depth) => folders.add(names.slice(0, depth).join('/')))
  }
}

const isRoot = (entry, wrapped) => wrapped ? entry.path === '' : !(entry.path ?? '').includes('/')
