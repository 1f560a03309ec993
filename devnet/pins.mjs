import fs from 'node:fs/promises'
import path from 'node:path'
import { CID } from 'multiformats/cid'
import { blockKey, walk } from './dag.mjs'
import { removeTemporary, writeAtomically } from './files.mjs'

/**
 * What must be kept: a file per pinned root, named by its CID as given, that says "recursive" or "direct".
 *
 * Helia's own pins count references per block, read and written without a lock: two adds that share a block could lose one of the two
 * counts, and a later unpin would free what the other still needs. Roots alone, with a mark and sweep, have nothing to go wrong.
 */
export class Pins {
  #folder
  #types = new Map()

  /** Open the pins of a folder. */
  static async open (folder) {
    await fs.mkdir(folder, { recursive: true })
    await removeTemporary(folder)
    const pins = new Pins()
    pins.#folder = folder
    for (const name of await fs.readdir(folder)) {
      pins.#types.set(name, (await fs.readFile(path.join(folder, name), 'utf8')).trim())
    }
    return pins
  }

  /** Record a pin; a direct pin never weakens a recursive one. */
  async add (cid, type = 'recursive') {
    const name = cid.toString()
    if (this.#types.get(name) === type || this.#types.get(name) === 'recursive') return
    await writeAtomically(this.#folder, name, type)
    this.#types.set(name, type)
  }

  /** Forget a pin. */
  async remove (cid) {
    this.#types.delete(cid.toString())
    await fs.rm(path.join(this.#folder, cid.toString()), { force: true })
  }

  /** "recursive", "direct" or undefined. */
  type (cid) { return this.#types.get(cid.toString()) }

  /** All pinned roots of a type, or of both. */
  roots (type) {
    return [...this.#types].filter(([, each]) => type == null || each === type).map(([name]) => CID.parse(name))
  }
}

/** Delete every block that no pin needs; yields the CID of each. Nothing may add or pin meanwhile. */
export async function * collectGarbage (helia, blocks, pins) {
  const live = new Set(pins.roots('direct').map(blockKey))
  for (const root of pins.roots('recursive')) {
    try {
      for await (const cid of walk(helia, root, { offline: true })) live.add(blockKey(cid))
    } catch (error) {
      throw new Error(`pin ${root} is incomplete, nothing was collected: ${error.message}`)
    }
  }
  await blocks.tidy()
  for await (const { cid } of blocks.list()) {
    if (live.has(blockKey(cid))) continue
    await blocks.delete(cid)
    yield cid
  }
}
