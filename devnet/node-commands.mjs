import { multiaddr } from '@multiformats/multiaddr'
import { ClientError } from './errors.mjs'

/** The version of Kubo whose RPC API is spoken here. */
export const KUBO_VERSION = '0.35.0'
const AGENT = 'bcfl-devnet'
const REPO_VERSION = '16'
const P2P_CODE = 421

/** version, id, swarm/*, repo/stat. Each is (context, node) => answer; the forms of an answer are listed in rpc.mjs. */
export const nodeCommands = {
  version: async () => (
    { Version: KUBO_VERSION, Commit: AGENT, Repo: REPO_VERSION, System: `${process.arch}/${process.platform}`, Golang: '' }
  ),

  id: async ({ query }, { libp2p }) => {
    const [peer] = query.args()
    if (peer != null && peer !== libp2p.peerId.toString()) throw new ClientError('this node only knows its own identity')
    return {
      ID: libp2p.peerId.toString(),
      PublicKey: '',
      Addresses: addresses(libp2p),
      AgentVersion: `${AGENT}/${KUBO_VERSION}`,
      Protocols: libp2p.getProtocols()
    }
  },

  'swarm/connect': async ({ query, signal }, { libp2p }) => {
    const done = []
    for (const arg of query.args('address')) {
      const address = parseAddress(arg)
      try {
        await libp2p.dial(address, { signal })
      } catch (error) {
        throw new Error(`connect ${address.getPeerId() ?? arg} failure: ${error.errors?.[0]?.message ?? error.message}`)
      }
      done.push(`connect ${address.getPeerId() ?? arg} success`)
    }
    return { Strings: done }
  },

  'swarm/disconnect': async ({ query }, { libp2p }) => {
    const done = []
    for (const arg of query.args('address')) {
      await libp2p.hangUp(parseAddress(arg))
      done.push(`disconnect ${parseAddress(arg).getPeerId()} success`)
    }
    return { Strings: done }
  },

  'swarm/peers': async (_, { libp2p }) => {
    const peers = libp2p.getConnections().map(({ remoteAddr, remotePeer }) => (
      { Addr: remoteAddr.decapsulateCode(P2P_CODE).toString(), Peer: remotePeer.toString() }
    ))
    return { Peers: peers }
  },

  'swarm/addrs/local': async ({ query }, { libp2p }) => {
    const plain = libp2p.getMultiaddrs().map(address => address.decapsulateCode(P2P_CODE).toString())
    return { Strings: query.flag('id') ? addresses(libp2p) : plain }
  },

  'repo/stat': async (_, { blocks, repo }) => {
    let [bytes, count] = [0, 0]
    for await (const block of blocks.list()) {
      bytes += block.bytes
      count++
    }
    return { RepoSize: bytes, StorageMax: Number.MAX_SAFE_INTEGER, NumObjects: count, RepoPath: repo, Version: `fs-repo@${REPO_VERSION}` }
  },

  'repo/version': async () => ({ Version: REPO_VERSION })
}

export const addresses = libp2p => libp2p.getMultiaddrs().map(String)

function parseAddress (text) {
  try {
    return multiaddr(text)
  } catch (error) {
    throw new ClientError(`invalid multiaddr ${text}: ${error.message}`)
  }
}
