import fs from 'node:fs/promises'
import path from 'node:path'
import { FsBlockstore } from 'blockstore-fs'
import { removeTemporary, writeAtomically } from './files.mjs'

/**
 * Blocks as files, by multihash. Reading is blockstore-fs's.
 *
 * Writing is our own: blockstore-fs gives all writers of a block the same temporary file, so that of two adds of the same bytes one
 * can publish what the other is still writing.
 */
export class Blocks extends FsBlockstore {
  async put (cid, bytes) {
    const { dir, file } = this.shardingStrategy.encode(cid)
    await writeAtomically(path.join(this.path, dir), file, bytes)
    return cid
  }

  /** Every stored block as {cid, bytes}: a CIDv0 (only the multihash is stored) and the size of the block. */
  async * list () {
    for (const shard of await this.#shards()) {
      for (const name of await fs.readdir(shard)) {
        if (name.startsWith('.') || !name.endsWith(this.shardingStrategy.extension)) continue
        const stat = await fs.stat(path.join(shard, name)).catch(() => null)
        if (stat != null) yield { cid: this.shardingStrategy.decode(name), bytes: stat.size }
      }
    }
  }

  /** Remove what killed writers left behind. Only for when no writer is at work. */
  async tidy () {
    for (const shard of await this.#shards()) await removeTemporary(shard)
  }

  async #shards () {
    const entries = await fs.readdir(this.path, { withFileTypes: true })
    return entries.filter(entry => entry.isDirectory()).map(entry => path.join(this.path, entry.name))
  }
}
