import assert from 'node:assert/strict'
import { test } from 'node:test'
import '../with-resolvers.mjs'
import { startNode, temporaryFolder } from './helpers.mjs'

const HELLO = 'QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o'

async function all (source) {
  const items = []
  for await (const item of source) items.push(item)
  return items
}

const text = async source => Buffer.concat(await all(source)).toString()

test('kubo-rpc-client drives the node', async t => {
  const { create } = await import('kubo-rpc-client')
  const node = await startNode(t, await temporaryFolder(t))
  const client = create({ url: node.url })

  assert.match((await client.version()).version, /^0\.\d+\.\d+$/)
  assert.equal((await client.id()).id.toString(), node.swarm.split('/').at(-1))

  const { cid, path, size } = await client.add('hello world\n')
  assert.deepEqual([cid.toString(), path, size], [HELLO, HELLO, 20])
  assert.equal(await text(client.cat(cid)), 'hello world\n')
  assert.equal(await text(client.cat(cid, { offset: 6, length: 5 })), 'world')

  const entries = await all(client.addAll([{ path: 'd/a', content: 'one' }, { path: 'd/b/c', content: 'two' }]))
  assert.deepEqual(entries.map(entry => entry.path).sort(), ['d', 'd/a', 'd/b', 'd/b/c'])
  const root = entries.at(-1).cid
  assert.deepEqual((await all(client.ls(root))).map(({ name, type }) => [name, type]), [['a', 'file'], ['b', 'dir']])
  assert.equal(await text(client.cat(`${root}/b/c`)), 'two')

  assert.deepEqual((await all(client.pin.ls({ type: 'recursive' }))).map(pin => pin.cid.toString()).sort(), [HELLO, root.toString()].sort())
  assert.deepEqual((await all(client.pin.ls({ paths: [cid] }))).map(pin => pin.type), ['recursive'])
  await client.pin.rm(cid)
  await assert.rejects(all(client.pin.ls({ paths: [cid] })), /is not pinned/)
  await client.pin.add(cid)

  const block = await client.block.get(cid)
  assert.equal((await client.block.put(block, { format: 'v0' })).toString(), HELLO)
  assert.equal((await client.block.stat(cid)).size, block.length)

  const { cid: loose } = await client.add('loose', { pin: false })
  assert.deepEqual((await all(client.repo.gc())).map(({ cid }) => cid.toString()), [loose.toString()])
  assert.equal((await client.repo.stat()).numObjects > 0n, true)
  assert.deepEqual(await client.swarm.peers(), [])
  assert.equal((await client.swarm.localAddrs()).length, 1)
  await client.stop()
})
