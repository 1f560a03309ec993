import { base58btc } from 'multiformats/bases/base58'
import { createUnsafe } from 'multiformats/block'

const AT_ONCE = 16

/** What a block is stored under: its multihash, the same for every version and codec of a CID. */
export const blockKey = cid => base58btc.encode(cid.multihash.bytes)

/**
 * All CIDs below and including root, each block once. Blocks that are not here are fetched, unless options.offline.
 *
 * @param {import('@helia/utils').Helia} helia
 * @param {{signal?: AbortSignal, offline?: boolean}} options
 */
export async function * walk (helia, root, options) {
  const seen = new Set([blockKey(root)])
  let level = [root]
  while (level.length > 0) {
    const below = []
    for (let start = 0; start < level.length; start += AT_ONCE) {
      const cids = level.slice(start, start + AT_ONCE)
      const links = await Promise.all(cids.map(cid => linksOf(helia, cid, options)))
      yield * cids
      for (const cid of links.flat()) {
        if (!seen.has(blockKey(cid))) below.push(cid)
        seen.add(blockKey(cid))
      }
    }
    level = below
  }
}

async function linksOf (helia, cid, options) {
  const bytes = await helia.blockstore.get(cid, options)
  const codec = await helia.getCodec(cid.code)
  return [...createUnsafe({ bytes, cid, codec }).links()].map(([, link]) => link)
}
