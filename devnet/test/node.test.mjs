import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { add, call, callJson, form, pinned, startNode, temporaryFolder } from './helpers.mjs'

const HELLO = 'QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o'
const EMPTY = 'QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH'
const PATTERN = Buffer.from(Array.from({ length: 251 }, (_, i) => i))
// What Kubo 0.22 named the bytes 0..250, repeated: the borders of a chunk and of a level of the tree.
const KUBO = {
  262143: 'QmRfm83kqBpGJbGxJg1en9hpwq8eNnP4E2Dj8K73F4m983',
  262144: 'QmeqfRyS3vkku7n6krqC3DgGMex3x2sCpSeKMDmrG13QQq',
  262145: 'QmUSjGawaz4ptvREcMKSMJneWCa5j8dAz2wSAAvHtW2rnB',
  45613056: 'QmXCym15aFeWjAWyPFaAgwVmkuKB7EBsV77Skt54KmxChF',
  45613057: 'QmTedsTekQQkgACJXb1sPZSW8bLdS9LPMrT7L4YdjNRd4n'
}

const cat = async (node, cid, query = '') => Buffer.from(await (await call(node, `cat?arg=${cid}${query}`)).arrayBuffer())

test('one node', async t => {
  const node = await startNode(t, await temporaryFolder(t))

  await t.test('CIDs are those of Kubo', async () => {
    assert.equal(await add(node, 'hello world\n'), HELLO)
    assert.equal(await add(node, ''), EMPTY)
    for (const [size, cid] of Object.entries(KUBO)) {
      const bytes = Buffer.alloc(Number(size), PATTERN)
      assert.equal(await add(node, bytes, '?only-hash=true'), cid, size)
    }
  })

  await t.test('only-hash stores nothing', async () => {
    const cid = await add(node, 'not to be stored', '?only-hash=true')
    assert.equal((await call(node, `block/stat?offline=true&arg=${cid}`)).status, 500)
    assert.equal((await pinned(node)).includes(cid), false)
  })

  await t.test('what is added comes back, whole and in part', async () => {
    const bytes = randomBytes(600_000)
    const cid = await add(node, bytes)
    assert.deepEqual(await cat(node, cid), bytes)
    assert.deepEqual(await cat(node, cid, '&offset=262000&length=300'), bytes.subarray(262_000, 262_300))
  })

  await t.test('options that would change the CID unseen are refused', async () => {
    for (const option of ['trickle=true', 'chunker=rabin', 'hash=blake3', 'cid-version=2', 'pin=maybe']) {
      const response = await call(node, `add?${option}`, { body: form(['f', 'x']) })
      assert.equal(response.status, 400, option)
      assert.equal((await response.json()).Code, 1)
    }
  })

  await t.test('a directory is listed, read by path, and downloaded', async () => {
    const lines = await callJson(node, 'add', { body: form(['d', '', 'application/x-directory'], ['d/a b+c', 'one'], ['d/sub/e', 'two']) })
    assert.deepEqual(lines.map(({ Name }) => Name).sort(), ['d', 'd/a b+c', 'd/sub', 'd/sub/e'])
    const root = lines.at(-1).Hash
    assert.equal((await pinned(node)).includes(root), true)
    assert.equal((await cat(node, `${root}/sub/e`)).toString(), 'two')
    const [{ Objects: [{ Links }] }] = await callJson(node, `ls?arg=/ipfs/${root}`)
    assert.deepEqual(Links.map(({ Name, Type, Size }) => [Name, Type, Size]), [['a b+c', 2, 3], ['sub', 1, 0]])
    const archive = Buffer.from(await (await call(node, `get?arg=${root}`)).arrayBuffer())
    assert.equal(archive.length % 512, 0)
    assert.equal(archive.includes(`${root}/sub/e`), true)
    const failed = await (await call(node, `cat?arg=${root}`)).json()
    assert.equal(failed.Message, 'this dag node is a directory')
  })

  await t.test('wrap-with-directory pins the wrapper alone', async () => {
    const lines = await callJson(node, 'add?wrap-with-directory=true', { body: form(['w', 'wrapped content']) })
    assert.deepEqual(lines.map(({ Name }) => Name), ['w', ''])
    const pins = await pinned(node)
    assert.deepEqual(lines.map(({ Hash }) => pins.includes(Hash)), [false, true])
  })

  await t.test('a name that leads out of its directory is refused', async () => {
    assert.equal((await call(node, 'add', { body: form(['d/../../etc/passwd', 'x']) })).status, 400)
  })

  await t.test('a block is put, read and measured', async () => {
    const [{ Key, Size }] = await callJson(node, 'block/put?format=v0', { body: form(['b', Buffer.from('0a0408021800', 'hex')]) })
    assert.deepEqual([Key, Size], [EMPTY, 6])
    const [stat] = await callJson(node, `block/stat?arg=${EMPTY}`)
    assert.deepEqual(stat, { Key: EMPTY, Size: 6 })
    const block = Buffer.from(await (await call(node, `block/get?arg=${EMPTY}`)).arrayBuffer())
    assert.equal(block.toString('hex'), '0a0408021800')
    const large = await call(node, 'block/put', { body: form(['b', Buffer.alloc(2 ** 21 + 1)]) })
    assert.equal(large.status, 400)
  })

  await t.test('pins are listed as they were given', async () => {
    const v1 = await add(node, 'pinned as version 1', '?cid-version=1')
    assert.match(v1, /^bafkrei/)
    assert.equal((await pinned(node)).includes(v1), true)
    await callJson(node, `pin/rm?arg=${v1}`)
    await assert.rejects(callJson(node, `pin/ls?arg=${v1}`), /is not pinned/)
    await assert.rejects(callJson(node, `pin/rm?arg=${v1}`), /^Error: not pinned or pinned indirectly$/)
    const cid = await add(node, randomBytes(300_000))
    const below = (await callJson(node, 'pin/ls?type=indirect'))[0].Keys
    assert.equal(below[cid], undefined)
    const leaf = Object.keys(below)[0]
    assert.match((await callJson(node, `pin/ls?arg=${leaf}`))[0].Keys[leaf].Type, /^indirect through /)
  })

  await t.test('a page of another origin is refused, and so is GET', async () => {
    const status = async (headers, method = 'POST') => (await fetch(`${node.url}/id`, { method, headers })).status
    assert.equal(await status({ origin: 'http://evil.example' }), 403)
    assert.equal(await status({ origin: 'null' }), 403)
    assert.equal(await status({ referer: 'http://evil.example/page' }), 403)
    assert.equal(await status({ 'user-agent': 'Mozilla/5.0' }), 403)
    assert.equal(await status({ origin: `http://localhost:${node.port}` }), 200)
    assert.equal(await status({}), 200)
    assert.equal(await status({}, 'GET'), 405)
    assert.equal((await call(node, 'nonsense')).status, 404)
  })

  await t.test('an argument that is none is the caller\'s error', async () => {
    for (const command of ['cat', 'cat?arg=nonsense', `cat?arg=${HELLO}&offset=-1`, 'add', 'swarm/connect?arg=x', 'id?timeout=soon']) {
      const response = await call(node, command)
      assert.equal(response.status, 400, command)
      assert.deepEqual(Object.keys(await response.json()), ['Message', 'Code', 'Type'])
    }
  })

  await t.test('an upload that is refused or cut short is answered, and holds off nobody', async () => {
    const refused = await call(node, 'add?chunker=rabin', { body: form(['f', Buffer.alloc(20_000_000)]) })
    assert.equal(refused.status, 400)
    const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\ncut'
    const head = length => `POST /api/v0/add HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}\r\n\r\n`
    const broken = net.connect(node.port, '127.0.0.1').setEncoding('utf8')
    broken.write(head(part.length) + part)
    assert.match((await once(broken, 'data'))[0], /^HTTP\/1.1 500 .*Unexpected end of form/s)
    broken.destroy()
    const gone = net.connect(node.port, '127.0.0.1')
    gone.write(head(1_000_000) + part)
    await sleep(100)
    gone.destroy()
    await callJson(node, 'repo/gc')
  })

  await t.test('waiting for content that nobody has ends with the client, or with the timeout', async () => {
    const unknown = 'QmX4cgwVuEvjfGQv8XyiLk49VMdQG3wEarJdFcsqFSnixC'
    await assert.rejects(call(node, `cat?arg=${unknown}`, { signal: AbortSignal.timeout(200) }), /timeout/i)
    await assert.rejects(callJson(node, `cat?arg=${unknown}&timeout=200ms`), /context deadline exceeded/)
    // A pin that waits holds off nobody.
    const waiting = call(node, `pin/add?arg=${unknown}`, { signal: AbortSignal.timeout(1500) })
    waiting.catch(() => {})
    await callJson(node, 'repo/gc')
    assert.equal(await add(node, 'hello world\n'), HELLO)
    await assert.rejects(waiting)
  })

  await t.test('the same bytes added at once by many are whole', async () => {
    const bytes = randomBytes(1_000_000)
    const cids = await Promise.all(Array.from({ length: 8 }, () => add(node, bytes)))
    assert.equal(new Set(cids).size, 1)
    assert.deepEqual(await cat(node, cids[0]), bytes)
  })
})

test('garbage collection takes what no pin needs, and waits for adds', async t => {
  const node = await startNode(t, await temporaryFolder(t))
  const shared = randomBytes(262_144) // one chunk that two files have in common
  const [kept, dropped] = [Buffer.concat([shared, randomBytes(10)]), Buffer.concat([shared, randomBytes(10)])]
  const [keep, drop] = await Promise.all([add(node, kept), add(node, dropped)])
  const loose = await add(node, 'loose', '?pin=false')
  await callJson(node, `pin/rm?arg=${drop}`)
  const adds = Array.from({ length: 30 }, async (_, i) => {
    const bytes = randomBytes(100_000 + i)
    return [await add(node, bytes), bytes]
  })
  const collected = []
  for (let i = 0; i < 4; i++) {
    collected.push(...(await callJson(node, 'repo/gc')).map(({ Key }) => Key['/']))
    await sleep(20)
  }
  for (const [cid, bytes] of await Promise.all(adds)) assert.deepEqual(await cat(node, cid, '&offline=true'), bytes)
  assert.deepEqual(await cat(node, keep, '&offline=true'), kept)
  assert.equal(collected.includes(drop), true)
  assert.equal(collected.includes(loose), true)
  assert.equal((await call(node, `cat?arg=${drop}&offline=true`)).status, 500)
})

test('pins outlive a restart', async t => {
  const repo = await temporaryFolder(t)
  const first = await startNode(t, repo)
  const cids = [await add(first, 'hello world\n'), await add(first, 'v1', '?cid-version=1')]
  const [before] = await callJson(first, 'id')
  await callJson(first, 'shutdown')
  const second = await startNode(t, repo)
  assert.deepEqual((await pinned(second)).sort(), cids.sort())
  assert.equal((await callJson(second, 'id'))[0].ID, before.ID)
  assert.equal((await cat(second, HELLO)).toString(), 'hello world\n')
})

test('kill -9 in the middle of adds loses nothing that was acknowledged', async t => {
  const repo = await temporaryFolder(t)
  const node = await startNode(t, repo)
  const acknowledged = new Map()
  const writer = async () => {
    for (;;) {
      const bytes = randomBytes(50_000 + Math.floor(Math.random() * 500_000))
      acknowledged.set(await add(node, bytes), bytes)
    }
  }
  const writers = Array.from({ length: 4 }, () => writer().catch(() => {}))
  const large = add(node, randomBytes(50_000_000)).catch(() => {})
  await sleep(700)
  await node.stop('SIGKILL')
  await Promise.all([...writers, large])
  const again = await startNode(t, repo)
  const pins = new Set(await pinned(again))
  assert.ok(acknowledged.size > 0)
  for (const [cid, bytes] of acknowledged) {
    assert.equal(pins.has(cid), true)
    assert.deepEqual(await cat(again, cid, '&offline=true'), bytes)
  }
  await callJson(again, 'repo/gc')
  const temporary = (await fs.readdir(path.join(repo, 'blocks'), { recursive: true })).filter(name => name.endsWith('.tmp'))
  assert.deepEqual(temporary, [])
})

test('two nodes exchange blocks once they are connected', async t => {
  const [one, two] = [await startNode(t, await temporaryFolder(t)), await startNode(t, await temporaryFolder(t))]
  const bytes = randomBytes(2_000_000)
  const cid = await add(one, bytes)
  const [{ Strings }] = await callJson(two, `swarm/connect?arg=${one.swarm}`)
  assert.deepEqual(Strings, [`connect ${one.swarm.split('/').at(-1)} success`])
  assert.deepEqual(await cat(two, cid), bytes)
  const [{ Peers }] = await callJson(one, 'swarm/peers')
  assert.equal(Peers.length, 1)
  const later = await add(one, 'pinned from afar')
  await callJson(two, `pin/add?arg=${later}`)
  await one.stop('SIGTERM')
  assert.equal((await cat(two, later)).toString(), 'pinned from afar')
})

test('one folder serves one node', async t => {
  const repo = await temporaryFolder(t)
  await startNode(t, repo)
  await assert.rejects(startNode(t, repo), /is in use by the node with process id/)
})
