#!/usr/bin/env node
// An IPFS node for a desk: libp2p and bitswap behind Kubo's RPC API, on loopback.
import './with-resolvers.mjs'
import { once } from 'node:events'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { lockRepo } from './repo-lock.mjs'
import { startNode } from './node.mjs'
import { addresses } from './node-commands.mjs'
import { createRpc } from './rpc.mjs'

const USAGE = 'usage: ipfs-node.mjs --repo FOLDER [--api-port 5001] [--swarm-port 0]   (port 0: any free one)'

async function main () {
  const { repo, apiPort, swarmPort } = settings()
  const unlock = lockRepo(repo)
  process.on('exit', unlock)
  const node = await startNode({ repo, swarmPort })
  const server = createRpc(node, stop)
  server.listen(apiPort, '127.0.0.1')
  await once(server, 'listening')
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  const { port } = server.address()
  console.log(JSON.stringify({ api: `/ip4/127.0.0.1/tcp/${port}`, swarm: addresses(node.libp2p), pid: process.pid }))

  async function stop () {
    server.close()
    server.closeAllConnections()
    await node.stop()
    process.exit(0)
  }
}

function settings () {
  const { values } = parseArgs({
    options: { repo: { type: 'string' }, 'api-port': { type: 'string', default: '5001' }, 'swarm-port': { type: 'string', default: '0' } }
  })
  const [apiPort, swarmPort] = [values['api-port'], values['swarm-port']].map(Number)
  const isPort = port => Number.isInteger(port) && port >= 0 && port < 65536
  if (values.repo == null || !isPort(apiPort) || !isPort(swarmPort)) throw new Error(USAGE)
  return { repo: path.resolve(values.repo), apiPort, swarmPort }
}

// A stream that a peer breaks off rejects in places that nobody awaits; that is no reason to take the node down.
process.on('unhandledRejection', error => console.error(`unhandled: ${error?.message ?? error}`))

main().catch(error => {
  console.error(error.code === 'EADDRINUSE' ? `port ${error.port} is in use` : error.message)
  process.exit(1)
})
